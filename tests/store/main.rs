//! The store's suite, written once and run on both databases.
//!
//! `cargo test --test store sqlite` needs nothing; the other half wants the server that
//! `FACTEUR_TEST_POSTGRES_URL` names (`tests/run` starts one) and fails without it.

mod bed;
mod check;
mod crash;
mod damage;
mod flags;
mod folders;
mod messages;
mod nodes;
mod notes;
mod pop3;
mod restart;

macro_rules! on_both {
    ($($module:ident { $($test:ident)* })*) => {
        mod sqlite {
            $($(#[tokio::test]
            async fn $test() {
                crate::$module::$test(crate::bed::Bed::on_sqlite().await).await
            })*)*
        }

        mod postgres {
            $($(#[tokio::test]
            async fn $test() {
                crate::$module::$test(crate::bed::Bed::on_postgres().await).await
            })*)*
        }
    };
}

on_both! {
    check {
        a_sound_store_has_no_finding
        damage_of_folders_is_named_and_nothing_else
        damage_of_messages_and_bodies_is_named_and_nothing_else
        damage_of_files_is_named_and_nothing_else
        counters_are_mended_and_nothing_else
        what_is_written_meanwhile_is_no_finding
    }
    crash {
        nothing_that_was_acknowledged_is_lost_by_a_kill
    }
    damage {
        a_damaged_row_fails_for_its_message_alone
        a_damaged_file_gives_out_nothing_that_is_wrong
        a_lost_record_closes_its_folder_alone
        a_damaged_summary_is_made_again_from_the_body
        a_damaged_head_refuses_its_own_folder_alone
        an_unreadable_usage_counter_is_never_written_back
        a_lost_usage_row_is_counted_again
        a_wrong_number_of_references_loses_nobodys_mail
        a_session_whose_trash_is_damaged_deletes_nothing
    }
    flags {
        a_store_on_a_hundred_thousand_messages_is_one_small_record
        sessions_see_each_others_changes
        a_client_that_is_behind_changes_nothing_it_has_not_seen
        keywords_keep_their_numbers_and_their_table_has_an_end
    }
    folders {
        a_mailbox_begins_with_its_default_folders
        a_folder_is_made_with_the_levels_above_it
        a_deleted_folder_never_comes_back_as_itself
        a_folder_with_others_below_stays_as_a_name
        a_rename_takes_along_what_is_below
        renaming_inbox_moves_its_messages
        subscriptions_are_of_names
        a_deleted_mailbox_leaves_nothing
    }
    notes {
        rights_outlive_a_restart_and_reach_open_folders
        annotations_outlive_a_restart_and_end_with_their_mailbox
        annotations_are_bounded_and_all_or_none
    }
    messages {
        what_was_appended_is_read_back
        a_delivery_stores_one_body_for_many_or_for_none_where_one_has_no_room
        the_quota_is_counted_where_it_is_stored
        a_copy_shares_the_message_and_a_body_goes_with_its_last_reference
        a_body_that_is_not_stored_leaves_no_file
        the_same_body_is_stored_once_within_a_tenant_and_never_across
        a_move_keeps_flags_and_dates_and_leaves_nothing_behind
        an_expunge_takes_only_what_is_marked
    }
    pop3 {
        a_session_ends_in_one_step
    }
    restart {
        a_restart_finds_the_same_folder
        a_refused_write_keeps_no_numbers
        a_long_log_becomes_a_snapshot
        a_start_removes_files_that_no_row_names
    }
}

/// What only several nodes can show.
mod several_nodes {
    #[tokio::test]
    async fn a_change_on_one_node_reaches_sessions_on_the_other() {
        let bed = crate::bed::Bed::on_postgres().await;
        crate::nodes::a_change_on_one_node_reaches_sessions_on_the_other(bed).await
    }

    #[tokio::test]
    async fn two_nodes_share_numbers_and_quota() {
        crate::nodes::two_nodes_share_numbers_and_quota(crate::bed::Bed::on_postgres().await).await
    }
}
