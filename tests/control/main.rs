//! The control plane's and the directory's suite, written once and run on both databases.
//!
//! `cargo test --test control sqlite` needs nothing; the other half wants the server that
//! `FACTEUR_TEST_POSTGRES_URL` names (`tests/run` starts one) and fails without it.

mod acting;
mod addresses;
mod advice;
mod answers;
mod app_passwords;
mod bed;
mod containment;
mod feed;
mod links;
mod lists;
mod log;
mod logging_in;
mod login_history;
mod look_ups;
mod objects;
mod own_passwords;
mod plans;
mod quota_warnings;
mod scopes;
mod second_factors;
mod sends;
mod sessions;
mod sign_ins;
mod signing_in;
mod start;
mod tree;
mod usage;

macro_rules! on_both {
    ($($module:ident { $($test:ident)* })*) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::$module::$test(crate::bed::Bed::on_sqlite().await).await
            })*)*
        }

        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::$module::$test(crate::bed::Bed::on_postgres().await).await
            })*)*
        }
    };
}

on_both! {
    acting {
        what_is_done_for_somebody_is_under_both_names
        who_acts_stands_above_and_says_why
        who_acts_leaves_nothing_that_opens_later
    }
    addresses {
        a_detail_belongs_to_its_user
        a_domain_stands_for_another
        unknown_and_reserved_addresses_go_where_they_are_told
        a_mailbox_sends_or_receives_alone
        a_mailbox_and_an_alias_end_when_they_say
        a_deleted_mailbox_is_restored_as_it_was
        what_has_ended_falls_to_nobody
        the_hosts_postmaster_is_somebody
        a_suspended_domain_is_suspended_by_every_way
        a_rename_leaves_an_alias_if_wished
        a_list_takes_mail_from_whom_it_says
        a_loop_is_refused_by_whatever_way_it_goes
        a_route_ends_whatever_the_rows_say
    }
    advice {
        what_is_on_and_unused_is_named
    }
    answers {
        addresses_lead_where_they_say
        no_depth_of_aliases_loses_mail
        an_alias_that_comes_to_too_many_delivers_to_none
        no_answer_is_older_than_what_was_applied
        a_rename_leaves_nothing_at_the_old_address
    }
    app_passwords {
        an_app_password_opens_what_it_names_alone
        a_revoked_app_password_ends_its_own_sessions
        an_app_password_ends_when_it_says
        a_mailbox_takes_app_passwords_alone_if_wished
        app_passwords_are_made_by_who_reaches_the_mailbox
    }
    containment {
        a_contained_mailbox_is_used_by_nobody_until_it_is_released
        a_mailbox_is_released_where_it_was_contained_or_above
    }
    feed {
        an_unreadable_revision_touches_everything
        a_revision_of_unknown_words_touches_everything
        a_gap_of_history_is_noticed
        history_that_is_gone_to_its_end_is_noticed
    }
    look_ups {
        unknown_recipients_cost_one_look_up_and_unknown_domains_none
        a_domain_in_memory_is_never_older_than_what_was_applied
    }
    links {
        an_invitation_lets_its_owner_choose_the_password_once
        an_invitation_is_sent_anew_or_revoked_by_who_reaches_it
        a_forgotten_password_is_reset_by_mail
        resets_tell_nothing_and_flood_nobody
        mail_that_does_not_go_out_is_tried_again_until_its_end
        a_recovery_address_is_changed_with_the_password
    }
    lists {
        pages_are_whole_in_every_order
        prefixes_are_taken_by_the_letter
        every_mailbox_is_in_one_state
        protocols_are_filtered_as_they_are_in_effect
        what_is_unused_or_full_is_found
        other_lists_are_filtered_too
    }
    log {
        revisions_have_no_gap_and_follow_the_order_of_commits
        no_revision_holds_a_secret
        the_log_shows_the_subtree_page_by_page
        a_suspension_lifts_without_a_trace
        a_suspension_made_above_stays_below
        what_was_suspended_above_is_not_deleted_below
        a_suspension_ends_when_it_says
        an_idempotency_key_answers_once
        what_is_done_is_known_though_its_answer_is_lost
        a_damaged_revision_breaks_itself_alone
        history_waits_for_webhooks
        of_ten_requests_with_one_key_one_runs
        old_history_is_exported_before_it_is_dropped
    }
    logging_in {
        all_refusals_are_alike
        guesses_by_protocols_and_the_api_count_together
        the_same_password_is_one_guess
        refusals_take_the_same_time
        a_new_password_is_not_remembered_as_the_old_one
        an_imported_hash_becomes_one_of_ours
        the_last_login_is_noted
    }
    login_history {
        every_refusal_says_why_and_who_decided
        alike_attempts_are_one_entry_and_go_with_the_mailbox
        a_flood_of_failures_pushes_no_login_out
        a_throttled_login_is_noted_too
    }
    objects {
        a_domain_has_one_spelling
        an_address_is_one_thing
        of_many_who_want_an_address_one_gets_it
        what_is_in_use_is_not_deleted
        aliases_lead_somewhere
        nobody_overwrites_what_he_has_not_seen
    }
    own_passwords {
        everybody_changes_their_own_password
        guesses_at_the_current_password_are_throttled
        a_password_that_must_be_changed_is_changed_first
        a_mailboxs_owner_is_told_to_change_the_password_by_others
    }
    plans {
        editing_a_plan_reaches_what_inherits
        what_a_plan_does_not_allow_stays_off
        a_login_comes_as_and_from_where_it_may
        limits_hold_when_many_create_at_once
        every_kind_of_limit_is_counted
        a_reseller_sells_no_more_than_it_has
        a_new_pool_holds_back_what_grows
        the_largest_quotas_sum_up
        a_plan_is_chosen_above_and_sold_between
    }
    quota_warnings {
        a_mailbox_is_warned_once_a_share
    }
    scopes {
        a_key_is_for_what_its_scopes_say
        a_key_for_a_domain_reaches_that_alone
        a_key_is_good_where_it_says
        a_narrow_key_sees_and_makes_nothing_wider
        a_duty_narrows_a_user
        a_duty_is_chosen_by_another_and_holds_at_once
    }
    second_factors {
        a_sign_in_takes_both_factors
        a_code_is_taken_once_however_many_try
        guesses_at_codes_are_throttled
        a_second_factor_goes_by_its_owner_or_from_above
        a_lone_operator_who_lost_everything_comes_back
    }
    sends {
        of_many_who_send_at_once_so_many_may
        a_day_goes_by_hour_by_hour
        every_level_of_the_tree_limits_what_is_sent
        a_new_limit_holds_at_once
    }
    sessions {
        sessions_are_known_while_they_last
        a_mailbox_has_so_many_sessions_and_no_more
        a_protocol_switched_off_ends_its_sessions_alone
        of_changes_at_once_each_counts_what_it_ended
        a_domains_switch_ends_what_inherits
        what_ends_all_sessions_of_a_mailbox
        a_rename_into_another_domain_is_followed
        a_login_checked_before_a_change_opens_nothing
        no_session_slips_through_a_change
        a_change_touches_only_its_mailbox
        a_domains_sessions_are_those_that_are_left
    }
    sign_ins {
        a_sign_in_is_shown_and_ended_alone
        sign_ins_are_shown_to_their_owner_and_above
        passwords_that_are_tried_first_are_not_taken
    }
    signing_in {
        names_of_users_are_given_once
        wrong_and_unknown_are_the_same
        guesses_are_throttled
        a_refresh_token_is_exchanged_once
        a_refresh_token_used_twice_at_once_ends_the_sign_in
        a_sign_in_ends
        a_new_password_signs_out
        a_sign_in_that_races_with_a_new_password_does_not_last
        keys_end_when_they_say_and_are_no_wider_than_their_maker
        an_expiring_key_makes_no_key_that_outlasts_it
        a_suspended_mailboxs_owner_does_not_sign_in
    }
    start {
        opening_again_changes_nothing
        a_newer_programs_database_is_left_alone
        the_first_operator_is_made_once
        a_lost_operators_password_is_given_anew
    }
    tree {
        tenants_stand_only_where_their_kind_may
        a_tenant_is_deleted_once_it_is_empty
        what_lies_elsewhere_is_not_there
        lists_show_what_lies_at_and_below
        pages_show_everything_once
        a_mailboxs_owner_reaches_it_alone
        a_key_that_may_only_read_changes_nothing
    }
    usage {
        days_show_what_was_held_and_sums_follow
        logins_and_messages_are_counted_by_day
        days_are_asked_for_within_bounds_and_kept_for_a_time
        of_many_nodes_one_counts_each_hour
    }
}

/// What only several nodes can show.
mod several_nodes {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_start_at_once_make_one_operator() {
        crate::start::nodes_that_start_at_once_make_one_operator().await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_change_on_one_node_ends_sessions_on_the_other() {
        crate::sessions::a_change_on_one_node_ends_sessions_on_the_other().await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_write_waits_for_all_nodes_that_live() {
        crate::sessions::a_write_waits_for_all_nodes_that_live().await
    }
}
