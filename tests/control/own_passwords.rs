//! Passwords changed by whom they are of, and those that must be changed first.

use crate::bed::{Bed, PASSWORD, PEER, START, clear, client, invalid, not_allowed, user_patch};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::passwords::NewPassword;
use facteur::control::{Caller, Error, own_password, revisions, users};
use facteur::directory::EndReason;
use facteur::model::{Duty, Protocol, bounds};

const NEW: &str = "a password of my own";

fn must_change(must: bool) -> NewPassword {
    NewPassword { must_change: Some(must), ..NewPassword::default() }
}

async fn change(bed: &Bed, caller: &Caller, old: &str, new: &str) -> Result<facteur::model::Revision, Error> {
    own_password::change(&bed.control, &bed.sign_in, caller, (old, new.to_owned()), PEER).await
}

pub async fn everybody_changes_their_own_password(bed: Bed) {
    users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    bed.domain(&bed.operator, "own.example").await;
    bed.mailbox_with_password(&bed.operator, "ada@own.example").await;
    for name in ["alice", "ada@own.example"] {
        let here = bed.sign_in.password(name, PASSWORD, PEER).await.unwrap();
        let there = bed.sign_in.password(name, PASSWORD, PEER).await.unwrap();
        invalid(change(&bed, &here.caller, "not the old one", NEW).await, "wrong_password");
        invalid(change(&bed, &here.caller, PASSWORD, PASSWORD).await, "unchanged");
        invalid(change(&bed, &here.caller, PASSWORD, "password1").await, "too_common");
        invalid(change(&bed, &here.caller, PASSWORD, &format!("{name}-{name}")).await, "made_of_name");
        assert!(bed.sign_in.recognise(&there.access_token).await.unwrap().is_some(), "nothing was changed");
        change(&bed, &here.caller, PASSWORD, NEW).await.unwrap();
        assert!(bed.sign_in.recognise(&here.access_token).await.unwrap().is_some(), "who changed it goes on");
        assert!(bed.sign_in.recognise(&there.access_token).await.unwrap().is_none());
        let here = bed.sign_in.refresh(&here.refresh_token).await.unwrap();
        assert!(bed.sign_in.refresh(&there.refresh_token).await.is_err());
        assert!(bed.sign_in.password(name, PASSWORD, PEER).await.is_err());
        bed.sign_in.password(name, NEW, PEER).await.unwrap();
        // The log says who and that, and no more.
        let (log, _) = revisions::list(&bed.control, &bed.operator, None, None, 1).await.unwrap();
        assert_eq!((log[0].action.as_str(), &log[0].caller), ("change_own_password", &here.caller.id.to_string()));
        assert!(!serde_json::to_string(&log).unwrap().contains(NEW));
    }
    let key = bed.key(&bed.operator, None, false).await;
    not_allowed(change(&bed, &key, PASSWORD, NEW).await);
}

pub async fn guesses_at_the_current_password_are_throttled(bed: Bed) {
    users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    let thief = bed.sign_in.password("alice", PASSWORD, PEER).await.unwrap().caller;
    for guess in 0..bounds::FAILED_LOGINS_PER_MAILBOX_HOUR {
        invalid(change(&bed, &thief, &format!("guess {guess}"), NEW).await, "wrong_password");
    }
    assert!(matches!(change(&bed, &thief, PASSWORD, NEW).await, Err(Error::Throttled)));
    bed.clock.set(START + 3_600_000);
    change(&bed, &thief, PASSWORD, NEW).await.unwrap();
}

pub async fn a_password_that_must_be_changed_is_changed_first(bed: Bed) {
    let control = &bed.control;
    let temporary = NewPassword { must_change: Some(true), ..clear(PASSWORD) };
    let (user, _) = users::create(control, &bed.operator, None, "alice", temporary, Duty::Admin).await.unwrap();
    assert!(user.must_change_password);
    let signed_in = bed.sign_in.password("alice", PASSWORD, PEER).await.unwrap();
    assert!(signed_in.caller.must_change_password);
    assert!(bed.sign_in.refresh(&signed_in.refresh_token).await.unwrap().caller.must_change_password);
    change(&bed, &signed_in.caller, PASSWORD, NEW).await.unwrap();
    assert!(!users::get(control, &bed.operator, user.id).await.unwrap().must_change_password);
    // It holds for sign-ins that stand, too, and can be taken back.
    let caller = async || bed.sign_in.recognise(&signed_in.access_token).await.unwrap().unwrap();
    assert!(!caller().await.must_change_password);
    users::update(control, &bed.operator, user.id, user_patch(None, must_change(true)), None).await.unwrap();
    assert!(caller().await.must_change_password);
    users::update(control, &bed.operator, user.id, user_patch(Some("alicia".into()), NewPassword::default()), None)
        .await
        .unwrap();
    assert!(caller().await.must_change_password, "what says nothing of it changes nothing of it");
    users::update(control, &bed.operator, user.id, user_patch(None, must_change(false)), None).await.unwrap();
    assert!(!caller().await.must_change_password);
}

pub async fn a_mailboxs_owner_is_told_to_change_the_password_by_others(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "own.example").await;
    let id = bed.mailbox_with_password(&bed.operator, "ada@own.example").await.id;
    let owner = bed.sign_in.password("ada@own.example", PASSWORD, PEER).await.unwrap();
    let patch = |must| MailboxPatch { password: must_change(must), ..MailboxPatch::default() };
    for must in [true, false] {
        not_allowed(mailboxes::update(control, &owner.caller, id, patch(must), None).await);
    }
    let (seen, _) = mailboxes::update(control, &bed.operator, id, patch(true), None).await.unwrap();
    assert!(seen.must_change_password);
    // A mail program cannot answer, so it is not asked; the new password ends its session.
    let admitted =
        bed.login.password(Protocol::Imap, PEER, true, "ada@own.example", PASSWORD.as_bytes()).await.unwrap();
    let session = bed.directory.sessions().open(admitted, Protocol::Imap, client(1), true).await.unwrap();
    let caller = bed.sign_in.recognise(&owner.access_token).await.unwrap().unwrap();
    assert!(caller.must_change_password);
    let revision = change(&bed, &caller, PASSWORD, NEW).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(session.ending(), Some(EndReason::PasswordChanged));
    assert!(!bed.sign_in.recognise(&owner.access_token).await.unwrap().unwrap().must_change_password);
}
