//! The control plane's and the directory's suite, written once and run on both databases.
//!
//! `cargo test --test control sqlite` needs nothing; the other half wants the server that
//! `FACTEUR_TEST_POSTGRES_URL` names (`tests/run` starts one) and fails without it.

mod bed;
mod objects;
mod signing_in;
mod start;
mod tree;

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
    objects {
        a_domain_has_one_spelling
        an_address_is_one_thing
        of_many_who_want_an_address_one_gets_it
        what_is_in_use_is_not_deleted
        aliases_lead_somewhere
        nobody_overwrites_what_he_has_not_seen
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
    }
    start {
        opening_again_changes_nothing
        the_first_operator_is_made_once
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
}

/// What only several nodes can show.
mod several_nodes {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_start_at_once_make_one_operator() {
        crate::start::nodes_that_start_at_once_make_one_operator().await
    }
}
