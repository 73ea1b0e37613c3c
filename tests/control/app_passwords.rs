//! App passwords: what they open, and whose sessions end with them.

use crate::bed::{Bed, PASSWORD, PEER, START, client};
use facteur::control::app_passwords::{self, NewAppPassword};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::{Error, jobs, revisions};
use facteur::directory::{Applied, EndReason, LoginError, SessionGuard};
use facteur::model::ids::MailboxId;
use facteur::model::{Protocol, Timestamp, bounds};
use std::net::IpAddr;

const NAME: &str = "a@apps.example";

fn new(name: &str) -> NewAppPassword {
    let (protocols, allow_from) = (Protocol::ALL.to_vec(), Vec::new());
    NewAppPassword { name: name.into(), protocols, allow_from, expires_at: None }
}

async fn mailbox(bed: &Bed) -> MailboxId {
    bed.domain(&bed.operator, "apps.example").await;
    bed.mailbox_with_password(&bed.operator, NAME).await.id
}

/// Makes one that the directory knows; its id and text.
async fn make(bed: &Bed, mailbox: MailboxId, new: NewAppPassword) -> (facteur::model::ids::AppPasswordId, String) {
    let (made, text, revision) = app_passwords::create(&bed.control, &bed.operator, mailbox, new).await.unwrap();
    bed.directory.wait_applied(revision).await;
    (made.id, text)
}

async fn opens(bed: &Bed, protocol: Protocol, peer: IpAddr, password: &str) -> bool {
    bed.login.password(protocol, peer, true, NAME, password.as_bytes()).await.is_ok()
}

async fn session(bed: &Bed, password: &str) -> SessionGuard {
    let admitted = bed.login.password(Protocol::Imap, PEER, true, NAME, password.as_bytes()).await.unwrap();
    bed.directory.sessions().open(admitted, Protocol::Imap, client(1), true).await.unwrap()
}

pub async fn an_app_password_opens_what_it_names_alone(bed: Bed) {
    let mailbox = mailbox(&bed).await;
    let only_imap = NewAppPassword { protocols: vec![Protocol::Imap], ..new("phone") };
    let (_, imap) = make(&bed, mailbox, only_imap).await;
    let from = NewAppPassword { allow_from: vec!["203.0.113.0/24".parse().unwrap()], ..new("office") };
    let (_, office) = make(&bed, mailbox, from).await;
    assert!(opens(&bed, Protocol::Imap, PEER, &imap).await);
    assert!(!opens(&bed, Protocol::Pop3, PEER, &imap).await);
    assert!(!opens(&bed, Protocol::Submission, PEER, &imap).await);
    assert!(!opens(&bed, Protocol::Imap, PEER, &office).await);
    assert!(opens(&bed, Protocol::Imap, "203.0.113.9".parse().unwrap(), &office).await);
    // Never the API, and never another mailbox.
    for text in [&imap, &office] {
        assert!(matches!(bed.sign_in.password(NAME, text, PEER).await, Err(Error::SignInRefused)));
    }
    bed.mailbox_with_password(&bed.operator, "b@apps.example").await;
    let other = bed.login.password(Protocol::Imap, PEER, true, "b@apps.example", imap.as_bytes()).await;
    assert_eq!(other.map(drop), Err(LoginError::Refused));
    // The directory's rules stand above it.
    let off = crate::bed::pop3(facteur::model::ProtocolState::Disabled);
    let (_, every) = make(&bed, mailbox, new("every")).await;
    assert!(opens(&bed, Protocol::Pop3, PEER, &every).await);
    let (_, revision) =
        facteur::control::protocols::patch_mailbox(&bed.control, &bed.operator, mailbox, off, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert!(!opens(&bed, Protocol::Pop3, PEER, &every).await);
}

pub async fn a_revoked_app_password_ends_its_own_sessions(bed: Bed) {
    let mailbox = mailbox(&bed).await;
    let (phone, phone_text) = make(&bed, mailbox, new("phone")).await;
    let (_, tablet_text) = make(&bed, mailbox, new("tablet")).await;
    let (own, phones, tablets) =
        (session(&bed, PASSWORD).await, session(&bed, &phone_text).await, session(&bed, &tablet_text).await);
    let late = bed.login.password(Protocol::Imap, PEER, true, NAME, phone_text.as_bytes()).await.unwrap();
    let revision = app_passwords::delete(&bed.control, &bed.operator, mailbox, phone).await.unwrap();
    let applied = bed.directory.wait_applied(revision).await;
    assert_eq!(applied, Applied { sessions_closed: 1, sessions_remaining: 2 });
    assert_eq!(phones.ending(), Some(EndReason::PasswordRevoked));
    assert_eq!((own.ending(), tablets.ending()), (None, None));
    assert!(!opens(&bed, Protocol::Imap, PEER, &phone_text).await);
    // One who came in while it was revoked gets no session.
    assert!(bed.directory.sessions().open(late, Protocol::Imap, client(1), true).await.is_err());
    // The mailbox's own password is another matter.
    let patch = MailboxPatch { password: crate::bed::clear("another password"), ..MailboxPatch::default() };
    let (_, revision) = mailboxes::update(&bed.control, &bed.operator, mailbox, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!((own.ending(), tablets.ending()), (Some(EndReason::PasswordChanged), None));
    let gone = app_passwords::delete(&bed.control, &bed.operator, mailbox, phone).await;
    assert!(matches!(gone, Err(Error::NotFound)));
}

pub async fn an_app_password_ends_when_it_says(bed: Bed) {
    let mailbox = mailbox(&bed).await;
    let past = NewAppPassword { expires_at: Some(Timestamp(START)), ..new("past") };
    assert!(matches!(app_passwords::create(&bed.control, &bed.operator, mailbox, past).await, Err(Error::Invalid(_))));
    let ends = NewAppPassword { expires_at: Some(Timestamp(START + 1000)), ..new("ends") };
    let (_, text) = make(&bed, mailbox, ends).await;
    let session = session(&bed, &text).await;
    bed.clock.set(START + 1000);
    assert!(!opens(&bed, Protocol::Imap, PEER, &text).await);
    jobs::due(&bed.control).await.unwrap();
    assert_eq!(
        tokio::time::timeout(std::time::Duration::from_secs(20), session.ended()).await.unwrap(),
        EndReason::PasswordRevoked
    );
}

pub async fn a_mailbox_takes_app_passwords_alone_if_wished(bed: Bed) {
    let mailbox = mailbox(&bed).await;
    let (_, text) = make(&bed, mailbox, new("phone")).await;
    let (own, phones) = (session(&bed, PASSWORD).await, session(&bed, &text).await);
    let only = |on| MailboxPatch { app_passwords_only: Some(on), ..MailboxPatch::default() };
    let owner = bed.sign_in.password(NAME, PASSWORD, PEER).await.unwrap().caller;
    let (seen, revision) = mailboxes::update(&bed.control, &owner, mailbox, only(true), None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert!(seen.app_passwords_only);
    assert_eq!((own.ending(), phones.ending()), (Some(EndReason::PasswordRevoked), None));
    assert!(!opens(&bed, Protocol::Imap, PEER, PASSWORD).await);
    assert!(opens(&bed, Protocol::Imap, PEER, &text).await);
    assert!(bed.sign_in.password(NAME, PASSWORD, PEER).await.is_ok(), "the API knows the mailbox's own password");
    let (_, revision) = mailboxes::update(&bed.control, &owner, mailbox, only(false), None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert!(opens(&bed, Protocol::Imap, PEER, PASSWORD).await);
}

pub async fn app_passwords_are_made_by_who_reaches_the_mailbox(bed: Bed) {
    let own = mailbox(&bed).await;
    let owner = bed.sign_in.password(NAME, PASSWORD, PEER).await.unwrap().caller;
    let (made, text, _) = app_passwords::create(&bed.control, &owner, own, new("mine")).await.unwrap();
    let listed = app_passwords::list(&bed.control, &owner, own).await.unwrap();
    assert_eq!(listed.iter().map(|app| app.id).collect::<Vec<_>>(), [made.id]);
    bed.mailbox_with_password(&bed.operator, "b@apps.example").await;
    let other = bed.sign_in.password("b@apps.example", PASSWORD, PEER).await.unwrap().caller;
    let reads = bed.key(&bed.operator, None, true).await;
    assert!(matches!(app_passwords::list(&bed.control, &other, own).await, Err(Error::NotFound)));
    assert!(matches!(app_passwords::delete(&bed.control, &other, own, made.id).await, Err(Error::NotFound)));
    assert!(matches!(app_passwords::create(&bed.control, &other, own, new("x")).await, Err(Error::NotFound)));
    assert!(matches!(app_passwords::create(&bed.control, &reads, own, new("x")).await, Err(Error::NotAllowed(_))));
    for _ in 1..bounds::APP_PASSWORDS {
        app_passwords::create(&bed.control, &bed.operator, own, new("more")).await.unwrap();
    }
    let full = app_passwords::create(&bed.control, &bed.operator, own, new("more")).await;
    assert!(matches!(full, Err(Error::InUse(_))));
    app_passwords::delete(&bed.control, &owner, own, made.id).await.unwrap();
    // The log says all but the text.
    let (log, _) = revisions::list(&bed.control, &bed.operator, None, None, 1000).await.unwrap();
    let log = serde_json::to_string(&log).unwrap();
    assert!(log.contains("create_app_password") && !log.contains(&text));
    mailboxes::delete(&bed.control, &bed.operator, own, None).await.unwrap();
}
