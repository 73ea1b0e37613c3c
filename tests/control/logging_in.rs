//! Logins by mail protocols: refused alike, remembered no longer than the password holds.

use crate::bed::{Bed, PASSWORD, PEER, START, clear, new_mailbox, pop3};
use facteur::auth::passwords::is_imported;
use facteur::control::Error;
use facteur::control::mailboxes::{self, LastLogin, MailboxPatch, NewMailbox};
use facteur::control::passwords::NewPassword;
use facteur::control::protocols;
use facteur::control::suspensions::{self, NewSuspension};
use facteur::db::mailboxes as rows;
use facteur::db::suspensions::Suspended;
use facteur::directory::LoginError;
use facteur::model::ids::MailboxId;
use facteur::model::{Protocol, ProtocolState, SuspensionScope, Timestamp, bounds};
use futures_util::future::join_all;

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
    let guess = async |number: u32| {
        let password = format!("guess {number}");
        if number.is_multiple_of(2) {
            let login = bed.login.password(Protocol::Imap, PEER, true, "a@login.example", password.as_bytes());
            assert_eq!(login.await.map(drop), Err(LoginError::Refused));
        } else {
            assert!(bed.sign_in.password("a@login.example", &password, PEER).await.is_err());
        }
    };
    join_all((0..bounds::FAILED_LOGINS_PER_MINUTE).map(guess)).await;
    let login = || bed.login.password(Protocol::Imap, PEER, true, "a@login.example", PASSWORD.as_bytes());
    assert_eq!(login().await.map(drop), Err(LoginError::Throttled));
    bed.clock.set(START + 60_000);
    assert!(login().await.is_ok());
}

/// A client that goes on with an old password, or with the right one where it may not sign in, is one guess; and
/// nothing tells the two apart.
pub async fn the_same_password_is_one_guess(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@login.example").await;
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, off, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    let again = bounds::FAILED_LOGINS_PER_MINUTE + 5;
    for password in ["an old password", PASSWORD] {
        let login = async |_: u32| {
            bed.login.password(Protocol::Pop3, PEER, true, "a@login.example", password.as_bytes()).await.map(drop)
        };
        assert_eq!(login(0).await, Err(LoginError::Refused));
        let refused = join_all((0..again).map(login)).await;
        assert!(refused.iter().all(|outcome| *outcome == Err(LoginError::Refused)), "{password}: {refused:?}");
        let signed_in = async |_: u32| bed.sign_in.password("a@login.example", "an old password", PEER).await.err();
        assert!(matches!(signed_in(0).await, Some(Error::SignInRefused)));
        let refused = join_all((0..again).map(signed_in)).await;
        assert!(refused.iter().all(|error| matches!(error, Some(Error::SignInRefused))), "{refused:?}");
    }
    // Each counted once: one guess at the API, two at the mail protocols.
    let others = 3..bounds::FAILED_LOGINS_PER_MINUTE;
    let guess = async |number: u32| {
        let guess = format!("guess {number}");
        bed.login.password(Protocol::Imap, PEER, true, "a@login.example", guess.as_bytes()).await.map(drop)
    };
    let refused = join_all(others.map(guess)).await;
    assert!(refused.iter().all(|outcome| *outcome == Err(LoginError::Refused)), "{refused:?}");
    assert_eq!(guess(100).await, Err(LoginError::Throttled));
}

/// Whatever was known before, a refusal takes its time.
pub async fn refusals_take_the_same_time(bed: Bed) {
    bed.domain(&bed.operator, "login.example").await;
    bed.mailbox_with_password(&bed.operator, "a@login.example").await;
    let refused = async |name: &str| {
        let began = std::time::Instant::now();
        assert!(bed.login.password(Protocol::Imap, PEER, true, name, b"wrong").await.is_err());
        assert!(bed.sign_in.password(name, "wrong", PEER).await.is_err());
        assert!(began.elapsed() >= bounds::REFUSED_LOGIN_TIME * 2);
    };
    refused("a@login.example").await;
    tokio::join!(refused("a@login.example"), refused("nobody@login.example"));
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
    let password = NewPassword { password_hash: Some(hash.into()), ..NewPassword::default() };
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
