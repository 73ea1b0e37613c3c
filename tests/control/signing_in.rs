//! Users, sign-ins and keys: who is recognised, and until when.

use crate::bed::{Bed, PASSWORD, PEER, START, clear, invalid, new_mailbox, not_allowed, not_found, user_patch};
use facteur::auth::tokens::{ACCESS_SECONDS, REFRESH_SECONDS};
use facteur::control::keys::{self, NewKey};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::passwords::NewPassword;
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::{CallerId, Error, users};
use facteur::db::suspensions::Suspended;
use facteur::model::{Duty, SuspensionScope, TenantKind, Timestamp, bounds};
use futures_util::future::join_all;

pub async fn names_of_users_are_given_once(bed: Bed) {
    let control = &bed.control;
    let (user, _) = users::create(control, &bed.operator, None, "Alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    assert_eq!(user.name, "alice");
    let (other, _) = users::create(control, &bed.operator, None, "bob", clear(PASSWORD), Duty::Admin).await.unwrap();
    let again = users::create(control, &bed.operator, None, "ALICE", clear(PASSWORD), Duty::Admin).await;
    assert!(matches!(again, Err(Error::AlreadyExists(_))), "{:?}", again.err());
    let renamed =
        users::update(control, &bed.operator, other.id, user_patch(Some("alice".into()), clear(PASSWORD)), None).await;
    assert!(matches!(renamed, Err(Error::AlreadyExists(_))), "{:?}", renamed.err());
    for bad in ["", "a@b.example", "a b", "a\0", &"a".repeat(65)] {
        invalid(users::create(control, &bed.operator, None, bad, clear(PASSWORD), Duty::Admin).await, "invalid_name");
    }
    for (password, code) in
        [("short", "too_short"), ("eight\0octets", "control_character"), (&"x".repeat(257), "too_long")]
    {
        invalid(users::create(control, &bed.operator, None, "carol", clear(password), Duty::Admin).await, code);
    }
    let (carol, _) =
        users::create(control, &bed.operator, None, "carol", NewPassword::default(), Duty::Admin).await.unwrap();
    assert!(!carol.has_password);
    for guess in ["", PASSWORD] {
        assert!(bed.sign_in.password("carol", guess, PEER).await.is_err(), "nobody signs in without a password");
    }
    not_allowed(users::delete(control, &bed.operator, operator(&bed), None).await);
    users::delete(control, &bed.operator, user.id, None).await.unwrap();
    not_found(users::get(control, &bed.operator, user.id).await);
    users::create(control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
}

fn operator(bed: &Bed) -> facteur::model::ids::UserId {
    match bed.operator.id {
        CallerId::User(id) => id,
        other => panic!("{other}"),
    }
}

pub async fn wrong_and_unknown_are_the_same(bed: Bed) {
    let right = bed.sign_in.password("Operator", PASSWORD, PEER).await.unwrap();
    assert_eq!(right.caller.id, bed.operator.id);
    assert_eq!(bed.sign_in.recognise(&right.access_token).await.unwrap().unwrap().id, bed.operator.id);
    bed.domain(&bed.operator, "signs.example").await;
    mailboxes::create(&bed.control, &bed.operator, new_mailbox("none@signs.example")).await.unwrap();
    for name in ["operator", "nobody", "nobody@signs.example", "none@signs.example", "", "a\0b", "a\0@signs.example"] {
        let refused = bed.sign_in.password(name, "a wrong password", PEER).await;
        assert!(matches!(refused, Err(Error::SignInRefused)), "{name:?}: {:?}", refused.err());
    }
    for token in ["", "x", "a.b.c", "fct_x", "fct_\0", "\0.\0"] {
        assert!(bed.sign_in.recognise(token).await.unwrap().is_none());
        assert!(matches!(bed.sign_in.refresh(token).await, Err(Error::SignInRefused)), "{token:?}");
        bed.sign_in.sign_out(token).await.unwrap();
    }
}

pub async fn guesses_are_throttled(bed: Bed) {
    let elsewhere: std::net::IpAddr = [198, 51, 100, 1].into();
    let guess = async |number: u32| bed.sign_in.password("operator", &format!("guess {number}"), elsewhere).await.err();
    for refused in join_all((0..bounds::FAILED_LOGINS_PER_MINUTE).map(guess)).await {
        assert!(matches!(refused, Some(Error::SignInRefused)), "{refused:?}");
    }
    assert!(matches!(bed.sign_in.password("operator", PASSWORD, elsewhere).await, Err(Error::Throttled)));
    assert!(bed.sign_in.password("operator", PASSWORD, PEER).await.is_ok());
    bed.clock.set(START + 60_000);
    assert!(bed.sign_in.password("operator", PASSWORD, elsewhere).await.is_ok());
}

pub async fn a_refresh_token_is_exchanged_once(bed: Bed) {
    let first = bed.sign_in.password("operator", PASSWORD, PEER).await.unwrap();
    let second = bed.sign_in.refresh(&first.refresh_token).await.unwrap();
    let third = bed.sign_in.refresh(&second.refresh_token).await.unwrap();
    assert!(bed.sign_in.recognise(&third.access_token).await.unwrap().is_some());
    // One of the two who have the first token is not who signed in.
    assert!(matches!(bed.sign_in.refresh(&first.refresh_token).await, Err(Error::SignInRefused)));
    for token in [&first, &second, &third] {
        assert!(bed.sign_in.recognise(&token.access_token).await.unwrap().is_none());
    }
    assert!(matches!(bed.sign_in.refresh(&third.refresh_token).await, Err(Error::SignInRefused)));
}

pub async fn a_refresh_token_used_twice_at_once_ends_the_sign_in(bed: Bed) {
    let other = bed.sign_in.password("operator", PASSWORD, PEER).await.unwrap();
    for _ in 0..5 {
        let token = bed.sign_in.password("operator", PASSWORD, PEER).await.unwrap().refresh_token;
        let tries: Vec<_> = (0..4)
            .map(|_| {
                let (sign_in, token) = (bed.sign_in.clone(), token.clone());
                tokio::spawn(async move { sign_in.refresh(&token).await })
            })
            .collect();
        let mut exchanged = Vec::new();
        for answer in tries {
            exchanged.extend(answer.await.unwrap());
        }
        assert_eq!(exchanged.len(), 1);
        assert!(bed.sign_in.recognise(&exchanged[0].access_token).await.unwrap().is_none());
        assert!(bed.sign_in.refresh(&exchanged[0].refresh_token).await.is_err());
    }
    assert!(bed.sign_in.recognise(&other.access_token).await.unwrap().is_some(), "another sign-in goes on");
}

pub async fn a_sign_in_ends(bed: Bed) {
    let out = bed.sign_in.password("operator", PASSWORD, PEER).await.unwrap();
    let stays = bed.sign_in.password("operator", PASSWORD, PEER).await.unwrap();
    bed.sign_in.sign_out(&out.access_token).await.unwrap();
    assert!(bed.sign_in.recognise(&out.access_token).await.unwrap().is_none());
    assert!(matches!(bed.sign_in.refresh(&out.refresh_token).await, Err(Error::SignInRefused)));
    assert!(bed.sign_in.recognise(&stays.access_token).await.unwrap().is_some());

    bed.clock.set(START + ACCESS_SECONDS * 1000);
    assert!(bed.sign_in.recognise(&stays.access_token).await.unwrap().is_none(), "the access token's time is over");
    let stays = bed.sign_in.refresh(&stays.refresh_token).await.unwrap();
    assert!(bed.sign_in.recognise(&stays.access_token).await.unwrap().is_some());
    bed.clock.set(START + ACCESS_SECONDS * 1000 + REFRESH_SECONDS * 1000);
    assert!(matches!(bed.sign_in.refresh(&stays.refresh_token).await, Err(Error::SignInRefused)));
    facteur::control::jobs::forget(&bed.control).await.unwrap();
}

pub async fn a_new_password_signs_out(bed: Bed) {
    let control = &bed.control;
    let (user, _) = users::create(control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    let signed_in = bed.sign_in.password("alice", PASSWORD, PEER).await.unwrap();
    users::update(control, &bed.operator, user.id, user_patch(Some("alice2".into()), NewPassword::default()), None)
        .await
        .unwrap();
    assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_some(), "a new name signs nobody out");
    users::update(control, &bed.operator, user.id, user_patch(None, clear("another password")), None).await.unwrap();
    assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_none());
    assert!(bed.sign_in.refresh(&signed_in.refresh_token).await.is_err());
    assert!(bed.sign_in.password("alice2", PASSWORD, PEER).await.is_err());
    let signed_in = bed.sign_in.password("alice2", "another password", PEER).await.unwrap();
    users::delete(control, &bed.operator, user.id, None).await.unwrap();
    assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_none());

    bed.domain(&bed.operator, "signs.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@signs.example").await;
    let signed_in = bed.sign_in.password("a@signs.example", PASSWORD, PEER).await.unwrap();
    let patch = MailboxPatch { password: clear("another password"), ..MailboxPatch::default() };
    mailboxes::update(control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_none());
}

/// However a sign-in and a change of the password fall together, the old password's sign-in does not last.
pub async fn a_sign_in_that_races_with_a_new_password_does_not_last(bed: Bed) {
    let control = &bed.control;
    let (user, _) =
        users::create(control, &bed.operator, None, "alice", clear("password number 0"), Duty::Admin).await.unwrap();
    for round in 0..8 {
        let (old, new) = (format!("password number {round}"), format!("password number {}", round + 1));
        let signing_in = async { bed.sign_in.password("alice", &old, PEER).await };
        let change = users::update(control, &bed.operator, user.id, user_patch(None, clear(&new)), None);
        let (signed_in, changed) = tokio::join!(signing_in, change);
        changed.unwrap();
        if let Ok(signed_in) = signed_in {
            assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_none());
            assert!(bed.sign_in.refresh(&signed_in.refresh_token).await.is_err());
        }
        bed.clock.set(START + (round + 1) * 61_000);
    }
}

pub async fn keys_end_when_they_say_and_are_no_wider_than_their_maker(bed: Bed) {
    let control = &bed.control;
    let new = |expires_at| NewKey {
        name: "panel".into(),
        tenant: None,
        read_only: false,
        expires_at,
        grants: Default::default(),
    };
    invalid(keys::create(control, &bed.operator, new(Some(Timestamp(START)))).await, "past");
    let (key, text, _) = keys::create(control, &bed.operator, new(Some(Timestamp(START + 1000)))).await.unwrap();
    assert_eq!(bed.sign_in.recognise(&text).await.unwrap().unwrap().id, CallerId::Key(key.id));
    assert!(bed.sign_in.recognise(&format!("{text}x")).await.unwrap().is_none());
    let used = keys::get(control, &bed.operator, key.id).await.unwrap().last_used_at;
    assert_eq!(used, Some(Timestamp(START)));
    bed.clock.set(START + 1000);
    assert!(bed.sign_in.recognise(&text).await.unwrap().is_none());
    let past = Some(Some(Timestamp(START + 1000)));
    invalid(keys::update(control, &bed.operator, key.id, None, past, None).await, "past");
    keys::update(control, &bed.operator, key.id, None, Some(None), None).await.unwrap();
    assert!(bed.sign_in.recognise(&text).await.unwrap().is_some());
    keys::delete(control, &bed.operator, key.id, None).await.unwrap();
    assert!(bed.sign_in.recognise(&text).await.unwrap().is_none());

    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (_, customer) = bed.tenant(&reseller, TenantKind::Customer, "customer").await;
    let above = |tenant| NewKey { tenant: Some(tenant), ..new(None) };
    not_found(keys::create(control, &reseller, above(bed.operator.tenant)).await);
    not_found(keys::create(control, &customer, above(reseller.tenant)).await);
    let (key, _, _) = keys::create(control, &reseller, above(customer.tenant)).await.unwrap();
    assert_eq!(key.role, customer.role);
}

pub async fn an_expiring_key_makes_no_key_that_outlasts_it(bed: Bed) {
    let control = &bed.control;
    let new = |expires_at: Option<i64>| NewKey {
        name: "panel".into(),
        tenant: None,
        read_only: false,
        expires_at: expires_at.map(Timestamp),
        grants: Default::default(),
    };
    let end = START + 60_000;
    let (own, text, _) = keys::create(control, &bed.operator, new(Some(end))).await.unwrap();
    let (lasting, _, _) = keys::create(control, &bed.operator, new(None)).await.unwrap();
    let caller = bed.sign_in.recognise(&text).await.unwrap().unwrap();
    for too_long in [None, Some(end + 1)] {
        invalid(keys::create(control, &caller, new(too_long)).await, "beyond_own_end");
        for id in [own.id, lasting.id] {
            let at = Some(too_long.map(Timestamp));
            invalid(keys::update(control, &caller, id, None, at, None).await, "beyond_own_end");
        }
    }
    keys::create(control, &caller, new(Some(end))).await.unwrap();
    let sooner = Some(Some(Timestamp(end - 1)));
    keys::update(control, &caller, own.id, Some("renamed".into()), sooner, None).await.unwrap();
    // One that lasts longer is not there for it.
    not_found(keys::update(control, &caller, lasting.id, Some("renamed".into()), None, None).await);
}

pub async fn a_suspended_mailboxs_owner_does_not_sign_in(bed: Bed) {
    let domain = bed.domain(&bed.operator, "stop.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@stop.example").await;
    let suspend = async |of, scope| {
        let new = NewSuspension { scope, reason: String::new(), until: None };
        suspensions::create(&bed.control, &bed.operator, of, new).await.unwrap().0.id
    };
    let mut signed_in = bed.sign_in.password("a@stop.example", PASSWORD, PEER).await.unwrap();
    for of in [Suspended::Mailbox(mailbox.id), Suspended::Domain(domain.id)] {
        suspend(of, SuspensionScope::Receive).await;
        suspend(of, SuspensionScope::SendReject).await;
        assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_some(), "it may still sign in");
        let id = suspend(of, SuspensionScope::Login).await;
        assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_none());
        assert!(matches!(bed.sign_in.refresh(&signed_in.refresh_token).await, Err(Error::SignInRefused)));
        // More often than guesses are allowed: the right password is none.
        for _ in 0..=bounds::FAILED_LOGINS_PER_MINUTE {
            let refused = bed.sign_in.password("a@stop.example", PASSWORD, PEER).await;
            assert!(matches!(refused, Err(Error::SignInRefused)));
        }
        suspensions::lift(&bed.control, &bed.operator, of, id).await.unwrap();
        assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_some(), "lifted without a trace");
        signed_in = bed.sign_in.refresh(&signed_in.refresh_token).await.unwrap();
    }
}
