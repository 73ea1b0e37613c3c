//! Sign-ins as they are listed and ended, and which passwords are taken.

use crate::bed::{
    Bed, PASSWORD, PEER, START, address, clear, invalid, new_mailbox, not_allowed, not_found, user_patch,
};
use facteur::auth::tokens::REFRESH_SECONDS;
use facteur::control::mailboxes::{self, MailboxPatch, NewMailbox};
use facteur::control::passwords::NewPassword;
use facteur::control::sign_in::Origin;
use facteur::control::sign_ins::{self, Of};
use facteur::control::{Error, users};
use facteur::model::{Duty, TenantKind, Timestamp, bounds};

pub async fn a_sign_in_is_shown_and_ended_alone(bed: Bed) {
    let (user, _) =
        users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    let from = |agent: &str| Origin { address: "::ffff:203.0.113.7".parse().unwrap(), user_agent: agent.into() };
    let phone = bed.sign_in.password("alice", PASSWORD, from("Phone\u{0}/1\r\nX: y")).await.unwrap();
    bed.clock.set(START + 5000);
    let desk = bed.sign_in.password("alice", PASSWORD, from(&"ä".repeat(5000))).await.unwrap();
    bed.clock.set(START + 70_000);
    let elsewhere = Some("198.51.100.9".parse().unwrap());
    let caller = bed.sign_in.recognise_at(&desk.access_token, elsewhere).await.unwrap().unwrap();
    let seen = sign_ins::list(&bed.control, &caller, Of::User(user.id)).await.unwrap();
    assert_eq!(seen.iter().map(|one| one.current).collect::<Vec<_>>(), [true, false]);
    assert_eq!(seen[0].user_agent.chars().count(), bounds::USER_AGENT_CHARACTERS);
    assert_eq!((seen[1].user_agent.as_str(), seen[1].from.as_str()), ("Phone/1X: y", "203.0.113.7"));
    assert_eq!((seen[1].at, seen[1].last_used_at), (Timestamp(START), Timestamp(START)));
    assert_eq!((seen[0].last_used_at, seen[0].last_used_from.as_str()), (Timestamp(START + 70_000), "198.51.100.9"));
    // What is shown is no half of a token.
    assert!(!phone.refresh_token.contains(&seen[1].id.to_string()));

    sign_ins::revoke(&bed.control, &caller, Of::User(user.id), seen[1].id).await.unwrap();
    assert!(bed.sign_in.recognise(&phone.access_token).await.unwrap().is_none());
    assert!(matches!(bed.sign_in.refresh(&phone.refresh_token).await, Err(Error::SignInRefused)));
    not_found(sign_ins::revoke(&bed.control, &caller, Of::User(user.id), seen[1].id).await);
    assert_eq!(sign_ins::list(&bed.control, &caller, Of::User(user.id)).await.unwrap().len(), 1);
    // Refreshed it is still the same one; once it has expired it is none.
    let desk = bed.sign_in.refresh(&desk.refresh_token).await.unwrap();
    assert_eq!(desk.caller.sign_in, Some(seen[0].id));
    bed.clock.set(START + 70_000 + REFRESH_SECONDS * 1000);
    assert!(sign_ins::list(&bed.control, &bed.operator, Of::User(user.id)).await.unwrap().is_empty());
    not_found(sign_ins::revoke(&bed.control, &bed.operator, Of::User(user.id), seen[0].id).await);
}

pub async fn sign_ins_are_shown_to_their_owner_and_above(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (_, other) = bed.tenant(&bed.operator, TenantKind::Reseller, "other").await;
    let (user, _) = users::create(&bed.control, &reseller, None, "rita", clear(PASSWORD), Duty::Admin).await.unwrap();
    bed.domain(&reseller, "signs.example").await;
    let mailbox = bed.mailbox_with_password(&reseller, "a@signs.example").await;
    let rita = bed.sign_in.password("rita", PASSWORD, PEER).await.unwrap();
    let owner = bed.sign_in.password("a@signs.example", PASSWORD, PEER).await.unwrap();
    for (of, own) in [(Of::User(user.id), &rita), (Of::Mailbox(mailbox.id), &owner)] {
        let id = sign_ins::list(&bed.control, &own.caller, of).await.unwrap()[0].id;
        for above in [&bed.operator, &reseller] {
            assert_eq!(sign_ins::list(&bed.control, above, of).await.unwrap()[0].id, id);
        }
        not_found(sign_ins::list(&bed.control, &other, of).await);
        not_found(sign_ins::revoke(&bed.control, &other, of, id).await);
        let reads = bed.key(&bed.operator, None, true).await;
        not_allowed(sign_ins::revoke(&bed.control, &reads, of, id).await);
        assert!(bed.sign_in.recognise(&own.access_token).await.unwrap().is_some());
    }
    // Each sees and ends their own alone, not another's under their own path.
    not_found(sign_ins::list(&bed.control, &owner.caller, Of::User(user.id)).await);
    let ritas = sign_ins::list(&bed.control, &rita.caller, Of::User(user.id)).await.unwrap()[0].id;
    not_found(sign_ins::revoke(&bed.control, &owner.caller, Of::Mailbox(mailbox.id), ritas).await);
    sign_ins::revoke(&bed.control, &reseller, Of::User(user.id), ritas).await.unwrap();
    assert!(bed.sign_in.recognise(&rita.access_token).await.unwrap().is_none());
    assert!(bed.sign_in.recognise(&owner.access_token).await.unwrap().is_some());
}

pub async fn passwords_that_are_tried_first_are_not_taken(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "weak.example").await;
    for (password, code) in [("Passw0rd1!", "too_common"), ("alice-1234", "made_of_name"), ("short", "too_short")] {
        invalid(users::create(control, &bed.operator, None, "alice", clear(password), Duty::Admin).await, code);
    }
    for (password, code) in [
        ("liverpool", "too_common"),
        ("alice@weak.example", "made_of_name"),
        ("weak.example1", "made_of_name"),
        ("Liddell2024", "made_of_name"),
    ] {
        let new =
            NewMailbox { name: "Alice Liddell".into(), password: clear(password), ..new_mailbox("alice@weak.example") };
        invalid(mailboxes::create(control, &bed.operator, new).await, code);
    }
    let new = NewMailbox { name: "Alice Liddell".into(), ..new_mailbox("alice@weak.example") };
    let mailbox = mailboxes::create(control, &bed.operator, new).await.unwrap().0.id;
    let set = async |patch: MailboxPatch| mailboxes::update(control, &bed.operator, mailbox, patch, None).await;
    let with = |password: &str| MailboxPatch { password: clear(password), ..MailboxPatch::default() };
    invalid(set(with("ALICE_liddell")).await, "made_of_name");
    invalid(
        set(MailboxPatch { address: Some(address("zoltanka@weak.example")), ..with("zoltanka1") }).await,
        "made_of_name",
    );
    set(with("alice-behind-the-mirror")).await.unwrap();
    let (user, _) = users::create(control, &bed.operator, None, "bob", clear(PASSWORD), Duty::Admin).await.unwrap();
    invalid(
        users::update(control, &bed.operator, user.id, user_patch(Some("zoltanka".into()), clear("zoltanka1")), None)
            .await,
        "made_of_name",
    );
    // What another system has hashed cannot be judged, and is taken as it is.
    let hash = "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
    let imported = NewPassword { password_hash: Some(hash.into()), ..NewPassword::default() };
    set(MailboxPatch { password: imported, ..MailboxPatch::default() }).await.unwrap();
}
