//! A mailbox's login history: who tried, what became of it, and which level decided.

use crate::bed::{Bed, PASSWORD, PEER, START, pop3};
use facteur::control::app_passwords::{self, NewAppPassword};
use facteur::control::login_history::{self, LoginEntry};
use facteur::control::protocols::{self, ProtocolsPatch, RestrictionPatch};
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::{jobs, mailboxes};
use facteur::db::login_history::{self as rows, Seen, Times};
use facteur::db::suspensions::Suspended;
use facteur::model::ids::MailboxId;
use facteur::model::{
    LoginOutcome, LoginReason, Protocol, ProtocolState, Revision, SettingLevel, SuspensionScope, bounds,
};
use futures_util::future::join_all;
use std::net::{IpAddr, Ipv4Addr};

const NAME: &str = "a@seen.example";

/// The history once it shows what is waited for.
async fn history(bed: &Bed, id: MailboxId, shows: impl Fn(&[LoginEntry]) -> bool) -> Vec<LoginEntry> {
    let waited = async {
        loop {
            let found = login_history::list(&bed.control, &bed.operator, id).await.unwrap();
            if shows(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waited).await.expect("it is shown in time")
}

async fn login(bed: &Bed, protocol: Protocol, peer: IpAddr, tls: bool, password: &str) -> bool {
    bed.login.password(protocol, peer, tls, NAME, password.as_bytes()).await.is_ok()
}

async fn applied(bed: &Bed, revision: Revision) {
    bed.directory.wait_applied(revision).await;
}

pub async fn every_refusal_says_why_and_who_decided(bed: Bed) {
    use LoginReason as R;
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "seen.example").await;
    let id = bed.mailbox_with_password(&bed.operator, NAME).await.id;
    let (protocols, allow_from) = (vec![Protocol::Imap], Vec::new());
    let phone = NewAppPassword { name: "phone".into(), protocols, allow_from, expires_at: None };
    let (phone, text, revision) = app_passwords::create(control, &bed.operator, id, phone).await.unwrap();
    applied(&bed, revision).await;

    assert!(login(&bed, Protocol::Imap, PEER, true, PASSWORD).await);
    assert!(login(&bed, Protocol::Imap, PEER, true, &text).await);
    assert!(!login(&bed, Protocol::Imap, PEER, false, "wrong").await);
    assert!(!login(&bed, Protocol::Submission, PEER, true, &text).await);
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_domain(control, &bed.operator, domain.id, off, None).await.unwrap();
    applied(&bed, revision).await;
    assert!(!login(&bed, Protocol::Pop3, PEER, true, PASSWORD).await);
    let tls = RestrictionPatch { tls_only: Some(Some(true)), ..Default::default() };
    let office = RestrictionPatch { allow_from: Some(Some(vec!["203.0.113.0/24".parse().unwrap()])), ..tls };
    let patch = ProtocolsPatch { submission_from: office, ..Default::default() };
    let (_, revision) = protocols::patch_mailbox(control, &bed.operator, id, patch, None).await.unwrap();
    applied(&bed, revision).await;
    assert!(!login(&bed, Protocol::Submission, PEER, false, PASSWORD).await);
    assert!(!login(&bed, Protocol::Submission, PEER, true, PASSWORD).await);
    let new = NewSuspension { scope: SuspensionScope::Login, reason: String::new(), until: None };
    let (_, revision) = suspensions::create(control, &bed.operator, Suspended::Domain(domain.id), new).await.unwrap();
    applied(&bed, revision).await;
    assert!(!login(&bed, Protocol::Imap, PEER, true, PASSWORD).await);

    let all = history(&bed, id, |all| all.len() == 8).await;
    let find = |protocol, outcome, reason| {
        let like = |e: &&LoginEntry| (e.protocol, e.outcome, e.reason) == (protocol, outcome, reason);
        all.iter().filter(like).collect::<Vec<_>>()
    };
    let admitted = find(Protocol::Imap, LoginOutcome::Admitted, None);
    let apps: Vec<_> = admitted.iter().map(|entry| entry.app_password).collect();
    assert!(apps.len() == 2 && apps.contains(&None) && apps.contains(&Some(phone.id)), "{apps:?}");
    for (protocol, reason, level) in [
        (Protocol::Imap, R::WrongPassword, None),
        (Protocol::Submission, R::AppPassword, None),
        (Protocol::Pop3, R::ProtocolOff, Some(SettingLevel::Domain)),
        (Protocol::Submission, R::TlsRequired, Some(SettingLevel::Mailbox)),
        (Protocol::Submission, R::NetworkNotAllowed, Some(SettingLevel::Mailbox)),
        (Protocol::Imap, R::ProtocolOff, Some(SettingLevel::Suspension)),
    ] {
        let found = find(protocol, LoginOutcome::Refused, Some(reason));
        assert_eq!(found.len(), 1, "{protocol} {reason}: {all:?}");
        assert_eq!((found[0].level, found[0].times), (level, 1), "{protocol} {reason}");
        assert_eq!(found[0].from.as_deref(), Some("192.0.2.1"));
    }
    let wrong = find(Protocol::Imap, LoginOutcome::Refused, Some(R::WrongPassword));
    assert!(!wrong[0].tls && admitted[0].tls);
}

pub async fn alike_attempts_are_one_entry_and_go_with_the_mailbox(bed: Bed) {
    bed.domain(&bed.operator, "seen.example").await;
    let id = bed.mailbox_with_password(&bed.operator, NAME).await.id;
    for _ in 0..3 {
        assert!(login(&bed, Protocol::Imap, PEER, true, PASSWORD).await);
    }
    let all = history(&bed, id, |all| all.iter().map(|entry| entry.times).sum::<i64>() == 3).await;
    assert_eq!(all.len(), 1, "{all:?}");
    bed.clock.set(START + 3_600_000);
    assert!(login(&bed, Protocol::Imap, PEER, true, PASSWORD).await);
    let all = history(&bed, id, |all| all.len() == 2).await;
    assert_eq!((all[0].at.0, all[0].times, all[1].times), (START + 3_600_000, 1, 3), "the newest comes first");

    bed.clock.set(START + bounds::LOGIN_HISTORY_TIME.as_millis() as i64 + 1_800_000);
    jobs::forget(&bed.control).await.unwrap();
    assert_eq!(history(&bed, id, |_| true).await.len(), 1, "what is too old is forgotten");
    mailboxes::delete(&bed.control, &bed.operator, id, None).await.unwrap();
    let mut tx = bed.db.write().await.unwrap();
    assert!(rows::list(&mut tx, id).await.unwrap().is_empty(), "it goes with the mailbox");
    // A note that comes late finds no mailbox.
    let seen = seen(LoginOutcome::Admitted, "192.0.2.9");
    rows::note(&mut tx, id, &seen, Times::once(START)).await.unwrap();
    assert!(rows::list(&mut tx, id).await.unwrap().is_empty());
}

fn seen(outcome: LoginOutcome, peer: &str) -> Seen {
    let (protocol, peer) = (Protocol::Imap, peer.to_owned());
    Seen { protocol, peer, tls: true, outcome, reason: None, level: None, app: None }
}

pub async fn a_flood_of_failures_pushes_no_login_out(bed: Bed) {
    bed.domain(&bed.operator, "seen.example").await;
    let id = bed.mailbox_with_password(&bed.operator, NAME).await.id;
    assert!(login(&bed, Protocol::Imap, PEER, true, PASSWORD).await);
    history(&bed, id, |all| all.len() == 1).await;
    let bot = |number: u8| login(&bed, Protocol::Pop3, Ipv4Addr::new(198, 51, 100, number).into(), true, "123456");
    assert!(join_all((0..=255).map(bot)).await.into_iter().all(|in_| !in_));
    // One client's address may be named, the many are counted.
    let all = history(&bed, id, |all| all.iter().any(|entry| entry.from.is_none())).await;
    let (admitted, others): (Vec<_>, Vec<_>) = all.iter().partition(|e| e.outcome == LoginOutcome::Admitted);
    assert_eq!(admitted.len(), 1, "{all:?}");
    assert!(others.len() as i64 <= bounds::LOGIN_HISTORY, "{}", others.len());
    // Who tries a name that is nobody's leaves nothing, however often.
    let nobody = join_all((0..5).map(|_| bed.login.password(Protocol::Imap, PEER, true, "b@seen.example", b"x"))).await;
    assert!(nobody.iter().all(Result::is_err));

    let mut tx = bed.db.write().await.unwrap();
    for number in 0..300 {
        let peer = format!("2001:db8::{number:x}");
        rows::note(&mut tx, id, &seen(LoginOutcome::Refused, &peer), Times::once(START + number)).await.unwrap();
    }
    let known = rows::list(&mut tx, id).await.unwrap();
    let refused = known.iter().filter(|(seen, _)| seen.outcome != LoginOutcome::Admitted).collect::<Vec<_>>();
    assert_eq!(refused.len() as i64, bounds::LOGIN_HISTORY);
    assert_eq!(refused[0].0.peer, "2001:db8::12b", "the newest stay");
    assert_eq!(known.len() - refused.len(), 1, "and so does who signed in");
}

pub async fn a_throttled_login_is_noted_too(bed: Bed) {
    bed.domain(&bed.operator, "seen.example").await;
    let id = bed.mailbox_with_password(&bed.operator, NAME).await.id;
    let guesses: Vec<String> = (0..bounds::FAILED_LOGINS_PER_MINUTE).map(|n| format!("guess {n}")).collect();
    join_all(guesses.iter().map(|guess| login(&bed, Protocol::Imap, PEER, true, guess))).await;
    assert!(!login(&bed, Protocol::Imap, PEER, true, PASSWORD).await);
    let throttled = |all: &[LoginEntry]| all.iter().any(|entry| entry.outcome == LoginOutcome::Throttled);
    let all = history(&bed, id, throttled).await;
    let entry = all.iter().find(|entry| entry.outcome == LoginOutcome::Throttled).unwrap();
    assert_eq!((entry.reason, entry.level), (Some(LoginReason::TooManyFailures), None));
}
