//! Logins by mail protocols: refused alike, remembered no longer than the password holds.

use crate::bed::{Bed, PASSWORD, PEER, START, clear, new_mailbox, pop3};
use facteur::auth::passwords::is_imported;
use facteur::control::mailboxes::{self, LastLogin, MailboxPatch, NewMailbox};
use facteur::control::passwords::NewPassword;
use facteur::control::protocols;
use facteur::control::suspensions::{self, NewSuspension};
use facteur::db::mailboxes as rows;
use facteur::db::suspensions::Suspended;
use facteur::directory::LoginError;
use facteur::model::ids::MailboxId;
use facteur::model::{Protocol, ProtocolState, SuspensionScope, Timestamp, bounds};

pub async fn all_refusals_are_alike(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@login.example").await;
    bed.mailbox(&bed.operator, "none@login.example").await;
    let login = async |protocol, name: &str, password: &str| {
        bed.login.password(protocol, PEER, true, name, password.as_bytes()).await.map(|config| config.id)
    };
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Submission] {
        assert_eq!(login(protocol, "A@Login.Example", PASSWORD).await, Ok(mailbox.id));
    }
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, off, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(login(Protocol::Pop3, "a@login.example", PASSWORD).await, Err(LoginError::Refused));
    assert_eq!(login(Protocol::Imap, "a@login.example", PASSWORD).await, Ok(mailbox.id));
    for name in ["a@login.example", "nobody@login.example", "none@login.example", "operator", "", "a\0@login.example"] {
        assert_eq!(login(Protocol::Imap, name, "a wrong password").await, Err(LoginError::Refused), "{name:?}");
    }
    let new = NewSuspension { scope: SuspensionScope::Login, reason: String::new(), until: None };
    let (_, revision) =
        suspensions::create(&bed.control, &bed.operator, Suspended::Mailbox(mailbox.id), new).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(login(Protocol::Imap, "a@login.example", PASSWORD).await, Err(LoginError::Refused));
}

/// Failures at the API and at the mail protocols count together.
pub async fn guesses_by_protocols_and_the_api_count_together(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    bed.mailbox_with_password(&bed.operator, "a@login.example").await;
    for number in 0..bounds::FAILED_LOGINS_PER_MINUTE {
        if number % 2 == 0 {
            let refused = bed.login.password(Protocol::Imap, PEER, true, "a@login.example", b"a guess").await;
            assert_eq!(refused.map(drop), Err(LoginError::Refused));
        } else {
            assert!(bed.sign_in.password("a@login.example", "a guess", PEER).await.is_err());
        }
    }
    let login = || bed.login.password(Protocol::Imap, PEER, true, "a@login.example", PASSWORD.as_bytes());
    assert_eq!(login().await.map(drop), Err(LoginError::Throttled));
    bed.clock.set(START + 60_000);
    assert!(login().await.is_ok());
}

pub async fn a_new_password_is_not_remembered_as_the_old_one(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@login.example").await;
    let login = async |password: &str| {
        bed.login.password(Protocol::Imap, PEER, true, "a@login.example", password.as_bytes()).await.is_ok()
    };
    assert!(login(PASSWORD).await && login(PASSWORD).await);
    let patch = MailboxPatch { password: clear("another password"), ..MailboxPatch::default() };
    let (_, revision) = mailboxes::update(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert!(!login(PASSWORD).await, "what was verified before does not count");
    assert!(login("another password").await);
}

async fn stored_hash(bed: &Bed, id: MailboxId) -> String {
    let mut tx = bed.db.read().await.unwrap();
    rows::find(&mut tx, id).await.unwrap().unwrap().password_hash.unwrap()
}

/// Waits for what happens behind a login's back, on a clock that does not stop the test from failing.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect("it comes about");
}

pub async fn an_imported_hash_becomes_one_of_ours(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    // Made by `openssl passwd -6 -salt saltsalt secret`.
    let hash = "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
    let password = NewPassword { password: None, password_hash: Some(hash.into()) };
    let new = NewMailbox { password, ..new_mailbox("a@login.example") };
    let (mailbox, _) = mailboxes::create(&bed.control, &bed.operator, new).await.unwrap();
    assert!(is_imported(&stored_hash(&bed, mailbox.id).await));
    let login =
        async |password: &[u8]| bed.login.password(Protocol::Imap, PEER, true, "a@login.example", password).await;
    assert!(login(b"wrong").await.is_err());
    let config = login(b"secret").await.unwrap();
    eventually(async || !is_imported(&stored_hash(&bed, mailbox.id).await)).await;
    assert!(stored_hash(&bed, mailbox.id).await.starts_with("$argon2id$"));
    // The new hash is what later logins are checked by, and nobody is signed out.
    eventually(async || {
        let now = bed.directory.mailbox(mailbox.id).await.unwrap().unwrap();
        assert_eq!(now.password_epoch, config.password_epoch);
        now.password_hash.as_deref().is_some_and(|hash| !is_imported(hash))
    })
    .await;
    assert!(login(b"secret").await.is_ok() && login(b"wrong").await.is_err());
    let second = bed.second_node().await;
    assert!(second.login.password(Protocol::Imap, PEER, true, "a@login.example", b"secret").await.is_ok());
}

pub async fn the_last_login_is_noted(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@login.example").await;
    let login = async |protocol| {
        bed.login.password(protocol, PEER, true, "a@login.example", PASSWORD.as_bytes()).await.unwrap();
    };
    let noted =
        async || -> Vec<LastLogin> { mailboxes::last_logins(&bed.control, &bed.operator, mailbox.id).await.unwrap() };
    assert!(noted().await.is_empty());
    login(Protocol::Imap).await;
    login(Protocol::Pop3).await;
    eventually(async || noted().await.len() == 2).await;
    bed.clock.set(START + 5000);
    login(Protocol::Imap).await;
    eventually(async || noted().await[0].at == Timestamp(START + 5000)).await;
    let all = noted().await;
    assert_eq!((all[0].protocol, all[0].from.as_str()), (Protocol::Imap, "192.0.2.1"));
    assert_eq!((all[1].protocol, all[1].at), (Protocol::Pop3, Timestamp(START)));
}
