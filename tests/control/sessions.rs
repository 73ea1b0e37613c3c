//! Live sessions: which a change ends, which it leaves, and that none slips through.

use crate::bed::{Bed, START, address, clear, client, pop3};
use facteur::control::mailboxes::{self, Mailbox, MailboxPatch};
use facteur::control::protocols;
use facteur::control::suspensions::{self, NewSuspension};
use facteur::db::nodes::{self, NodeRow};
use facteur::db::suspensions::Suspended;
use facteur::directory::{Applied, Directory, EndReason, Everywhere, MailboxConfig, SessionGuard, sessions::OpenError};
use facteur::model::ids::{MailboxId, NodeId};
use facteur::model::{Protocol, ProtocolState, Revision, SuspensionScope, bounds};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

async fn open(directory: &Directory, id: MailboxId, protocol: Protocol) -> Result<SessionGuard, OpenError> {
    let config = directory.mailbox(id).await.unwrap().unwrap();
    directory.sessions().open(config, protocol, client(1), true).await
}

/// A session of each protocol.
async fn open_all(bed: &Bed, mailbox: &Mailbox) -> [SessionGuard; 3] {
    let open = async |protocol| open(&bed.directory, mailbox.id, protocol).await.unwrap();
    [open(Protocol::Imap).await, open(Protocol::Pop3).await, open(Protocol::Submission).await]
}

fn endings(sessions: &[SessionGuard; 3]) -> [Option<EndReason>; 3] {
    [sessions[0].ending(), sessions[1].ending(), sessions[2].ending()]
}

fn effect(sessions_closed: u64, sessions_remaining: u64) -> Applied {
    Applied { sessions_closed, sessions_remaining }
}

pub async fn sessions_are_known_while_they_last(bed: Bed) {
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let session = open(&bed.directory, mailbox.id, Protocol::Imap).await.unwrap();
    session.command("FETCH");
    let sessions = bed.directory.sessions();
    let seen = sessions.of_mailbox(mailbox.id);
    assert_eq!((seen.len(), seen[0].id, seen[0].last_command), (1, session.id(), "FETCH"));
    assert_eq!((seen[0].protocol, seen[0].peer, seen[0].tls), (Protocol::Imap, client(1), true));
    assert_eq!(sessions.count(), 1);
    assert!(!sessions.end(MailboxId(1), session.id()), "it is another mailbox's");
    assert!(sessions.end(mailbox.id, session.id()));
    assert_eq!(session.ended().await, EndReason::Closed);
    assert!(!sessions.end(mailbox.id, session.id()), "it has been told");
    drop(session);
    assert_eq!(sessions.count(), 0);
    assert!(sessions.of_mailbox(mailbox.id).is_empty());
}

pub async fn a_mailbox_has_so_many_sessions_and_no_more(bed: Bed) {
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let mut held = Vec::new();
    for _ in 0..bounds::SESSIONS_PER_MAILBOX {
        held.push(open(&bed.directory, mailbox.id, Protocol::Imap).await.unwrap());
    }
    let more = open(&bed.directory, mailbox.id, Protocol::Imap).await;
    assert!(matches!(more, Err(OpenError::TooMany)));
    held.pop();
    open(&bed.directory, mailbox.id, Protocol::Imap).await.unwrap();
}

pub async fn a_protocol_switched_off_ends_its_sessions_alone(bed: Bed) {
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let other = bed.mailbox(&bed.operator, "b@live.example").await;
    let (own, others) = (open_all(&bed, &mailbox).await, open_all(&bed, &other).await);
    let patch = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    assert_eq!(bed.directory.wait_applied(revision).await, effect(1, 2));
    assert_eq!(endings(&own), [None, Some(EndReason::ProtocolDisabled), None]);
    assert_eq!(endings(&others), [None; 3]);
    let again = open(&bed.directory, mailbox.id, Protocol::Pop3).await;
    assert!(matches!(again, Err(OpenError::Denied(EndReason::ProtocolDisabled))));
    // What has been told to end is neither ended again nor counted as remaining.
    let patch = protocols::ProtocolsPatch { imap: Some(ProtocolState::Disabled), ..Default::default() };
    let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    assert_eq!(bed.directory.wait_applied(revision).await, effect(1, 1));
}

/// A node that reads a revision late sees what later ones did: all ends at once, and each counts its own.
pub async fn of_changes_at_once_each_counts_what_it_ended(bed: Bed) {
    let domain = bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let late = Directory::open(bed.db.clone(), bed.clock.clone(), "late").await.unwrap();
    let open = async |protocol| open(&late, mailbox.id, protocol).await.unwrap();
    let own = [open(Protocol::Imap).await, open(Protocol::Pop3).await, open(Protocol::Submission).await];
    let named = MailboxPatch { name: Some("A".into()), ..Default::default() };
    let (_, first) = mailboxes::update(&bed.control, &bed.operator, mailbox.id, named, None).await.unwrap();
    let imap = protocols::ProtocolsPatch { imap: Some(ProtocolState::Disabled), ..Default::default() };
    let (_, second) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, imap, None).await.unwrap();
    let off = pop3(ProtocolState::Disabled);
    let (_, third) = protocols::patch_domain(&bed.control, &bed.operator, domain.id, off, None).await.unwrap();
    let password = MailboxPatch { password: clear("another password"), ..Default::default() };
    let (_, fourth) = mailboxes::update(&bed.control, &bed.operator, mailbox.id, password, None).await.unwrap();
    let stop = CancellationToken::new();
    let (follower, until) = (late.clone(), stop.clone());
    tokio::spawn(async move { follower.follow(Arc::default(), until).await });
    for (revision, expected) in
        [(first, effect(0, 3)), (second, effect(1, 2)), (third, effect(1, 1)), (fourth, effect(1, 0))]
    {
        assert_eq!(late.wait_applied(revision).await, expected, "{revision}");
    }
    assert!(endings(&own).iter().all(Option::is_some), "{:?}", endings(&own));
    stop.cancel();
}

pub async fn a_domains_switch_ends_what_inherits(bed: Bed) {
    let domain = bed.domain(&bed.operator, "live.example").await;
    bed.domain(&bed.operator, "other.example").await;
    let mut sessions = Vec::new();
    for number in 0..4 {
        let mailbox = bed.mailbox(&bed.operator, &format!("m{number}@live.example")).await;
        if number == 3 {
            let on = pop3(ProtocolState::Enabled);
            protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, on, None).await.unwrap();
        }
        sessions.push(open_all(&bed, &mailbox).await);
    }
    let elsewhere = bed.mailbox(&bed.operator, "a@other.example").await;
    let elsewhere = open_all(&bed, &elsewhere).await;
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_domain(&bed.control, &bed.operator, domain.id, off, None).await.unwrap();
    assert_eq!(bed.directory.wait_applied(revision).await, effect(3, 9));
    for (number, own) in sessions.iter().enumerate() {
        let expected = (number != 3).then_some(EndReason::ProtocolDisabled);
        assert_eq!(endings(own), [None, expected, None], "{number}");
    }
    assert_eq!(endings(&elsewhere), [None; 3]);
}

pub async fn what_ends_all_sessions_of_a_mailbox(bed: Bed) {
    let domain = bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let of = Suspended::Domain(domain.id);
    let update = async |patch| mailboxes::update(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap().1;
    let stop = async |scope| {
        let new = NewSuspension { scope, reason: String::new(), until: None };
        let (made, revision) = suspensions::create(&bed.control, &bed.operator, of, new).await.unwrap();
        (made.id, revision)
    };
    let all = |reason| [Some(reason); 3];
    let none = MailboxPatch::default;

    let own = open_all(&bed, &mailbox).await;
    let revision = update(MailboxPatch { name: Some("A".into()), quota_bytes: Some(Some(1)), ..none() }).await;
    assert_eq!(bed.directory.wait_applied(revision).await, effect(0, 3));
    let (id, revision) = stop(SuspensionScope::Receive).await;
    assert_eq!(bed.directory.wait_applied(revision).await, effect(0, 3));
    suspensions::lift(&bed.control, &bed.operator, of, id).await.unwrap();
    let (id, revision) = stop(SuspensionScope::SendReject).await;
    assert_eq!(bed.directory.wait_applied(revision).await, effect(1, 2));
    assert_eq!(endings(&own), [None, None, Some(EndReason::Suspended)]);
    suspensions::lift(&bed.control, &bed.operator, of, id).await.unwrap();
    drop(own);

    bed.directory.wait_applied(newest(&bed).await).await;
    let own = open_all(&bed, &mailbox).await;
    let (id, revision) = stop(SuspensionScope::Login).await;
    assert_eq!(bed.directory.wait_applied(revision).await, effect(3, 0));
    assert_eq!(endings(&own), all(EndReason::Suspended));
    let revision = suspensions::lift(&bed.control, &bed.operator, of, id).await.unwrap();
    drop(own);

    bed.directory.wait_applied(revision).await;
    let own = open_all(&bed, &mailbox).await;
    let revision = update(MailboxPatch { password: clear("another password"), ..none() }).await;
    assert_eq!(bed.directory.wait_applied(revision).await, effect(3, 0));
    assert_eq!(endings(&own), all(EndReason::PasswordChanged));
    drop(own);

    let own = open_all(&bed, &mailbox).await;
    let revision = update(MailboxPatch { address: Some(address("b@live.example")), ..none() }).await;
    assert_eq!(bed.directory.wait_applied(revision).await, effect(3, 0));
    assert_eq!(endings(&own), all(EndReason::MailboxGone));
    drop(own);

    let own = open_all(&bed, &mailbox).await;
    let revision = mailboxes::delete(&bed.control, &bed.operator, mailbox.id, None).await.unwrap();
    assert_eq!(bed.directory.wait_applied(revision).await, effect(3, 0));
    assert_eq!(endings(&own), all(EndReason::MailboxGone));
}

async fn newest(bed: &Bed) -> Revision {
    facteur::control::revisions::newest(&bed.control).await.unwrap()
}

/// A session that ends slowly after its mailbox was renamed into another domain must not hide new ones
/// from that domain's switch.
pub async fn a_rename_into_another_domain_is_followed(bed: Bed) {
    bed.domain(&bed.operator, "old.example").await;
    let domain = bed.domain(&bed.operator, "new.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@old.example").await;
    let lingering = open(&bed.directory, mailbox.id, Protocol::Pop3).await.unwrap();
    let patch = MailboxPatch { address: Some(address("a@new.example")), ..MailboxPatch::default() };
    let (_, revision) = mailboxes::update(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    let session = open(&bed.directory, mailbox.id, Protocol::Pop3).await.unwrap();
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_domain(&bed.control, &bed.operator, domain.id, off, None).await.unwrap();
    assert_eq!(bed.directory.wait_applied(revision).await, effect(1, 0));
    assert_eq!(session.ending(), Some(EndReason::ProtocolDisabled));
    assert_eq!(lingering.ending(), Some(EndReason::MailboxGone));
}

/// A login is checked, then configuration changes, then its session opens.
pub async fn a_login_checked_before_a_change_opens_nothing(bed: Bed) {
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let (control, by, id) = (&bed.control, &bed.operator, mailbox.id);
    let opens = async |config: &Arc<MailboxConfig>, revision: Revision| {
        bed.directory.wait_applied(revision).await;
        let answer = bed.directory.sessions().open(config.clone(), Protocol::Pop3, client(1), true).await;
        match answer {
            Ok(_) => None,
            Err(OpenError::Denied(reason)) => Some(reason),
            Err(error) => panic!("{error}"),
        }
    };
    let checked = async || bed.directory.mailbox(id).await.unwrap().unwrap();

    let config = checked().await;
    let off = protocols::patch_mailbox(control, by, id, pop3(ProtocolState::Disabled), None).await.unwrap().1;
    assert_eq!(opens(&config, off).await, Some(EndReason::ProtocolDisabled));
    let on = protocols::patch_mailbox(control, by, id, pop3(ProtocolState::Enabled), None).await.unwrap().1;
    assert_eq!(opens(&config, on).await, None);
    let patch = MailboxPatch { password: clear("another password"), ..MailboxPatch::default() };
    let revision = mailboxes::update(control, by, id, patch, None).await.unwrap().1;
    assert_eq!(opens(&config, revision).await, Some(EndReason::PasswordChanged));
    let config = checked().await;
    let patch = MailboxPatch { address: Some(address("b@live.example")), ..MailboxPatch::default() };
    let revision = mailboxes::update(control, by, id, patch, None).await.unwrap().1;
    assert_eq!(opens(&config, revision).await, Some(EndReason::MailboxGone));
    let config = checked().await;
    let new = NewSuspension { scope: SuspensionScope::Login, reason: String::new(), until: None };
    let revision = suspensions::create(control, by, Suspended::Mailbox(id), new).await.unwrap().1;
    assert_eq!(opens(&config, revision).await, Some(EndReason::Suspended));
    let revision = mailboxes::delete(control, by, id, None).await.unwrap();
    assert_eq!(opens(&config, revision).await, Some(EndReason::MailboxGone));
    assert_eq!(bed.directory.sessions().count(), 0, "what was refused is not kept");
}

/// Sessions are opened all the time, by logins that were checked before, while the protocol is switched off and on: once a switch-off is
/// applied, every session that was open is told, and none opens.
pub async fn no_session_slips_through_a_change(bed: Bed) {
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    for _ in 0..15 {
        let config = bed.directory.mailbox(mailbox.id).await.unwrap().unwrap();
        let applied = Arc::new(AtomicBool::new(false));
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let (sessions, config, applied) = (bed.directory.sessions().clone(), config.clone(), applied.clone());
                tokio::spawn(async move {
                    let mut held = VecDeque::new();
                    loop {
                        let last = applied.load(Ordering::SeqCst);
                        match sessions.open(config.clone(), Protocol::Pop3, client(1), true).await {
                            Ok(session) => held.push_back(session),
                            Err(OpenError::Denied(EndReason::ProtocolDisabled)) => {}
                            Err(error) => panic!("{error}"),
                        }
                        held.drain(..held.len().saturating_sub(10));
                        if last {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                    held
                })
            })
            .collect();
        let off = pop3(ProtocolState::Disabled);
        let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, off, None).await.unwrap();
        bed.directory.wait_applied(revision).await;
        applied.store(true, Ordering::SeqCst);
        for opener in openers {
            for session in opener.await.unwrap() {
                assert_eq!(session.ending(), Some(EndReason::ProtocolDisabled));
            }
        }
        assert_eq!(bed.directory.sessions().count(), 0, "what was refused is not kept");
        let on = pop3(ProtocolState::Enabled);
        let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, on, None).await.unwrap();
        bed.directory.wait_applied(revision).await;
    }
}

pub async fn a_change_touches_only_its_mailbox(bed: Bed) {
    bed.domain(&bed.operator, "live.example").await;
    let mut held = Vec::new();
    let mut mailboxes = Vec::new();
    for number in 0..50 {
        let mailbox = bed.mailbox(&bed.operator, &format!("m{number}@live.example")).await;
        for _ in 0..20 {
            held.push((mailbox.id, open(&bed.directory, mailbox.id, Protocol::Imap).await.unwrap()));
        }
        mailboxes.push(mailbox);
    }
    assert_eq!(bed.directory.sessions().count(), 1000);
    let before: Vec<_> = read_all(&bed, &mailboxes).await;
    let off = protocols::ProtocolsPatch { imap: Some(ProtocolState::Disabled), ..Default::default() };
    let (_, revision) =
        protocols::patch_mailbox(&bed.control, &bed.operator, mailboxes[7].id, off, None).await.unwrap();
    assert_eq!(bed.directory.wait_applied(revision).await, effect(20, 0));
    for (id, session) in &held {
        assert_eq!(session.ending().is_some(), *id == mailboxes[7].id);
    }
    // What was remembered of the others is the very same; nothing of them was read again.
    for (number, (old, new)) in before.iter().zip(read_all(&bed, &mailboxes).await).enumerate() {
        assert_eq!(Arc::ptr_eq(old, &new), number != 7, "{number}");
    }
}

async fn read_all(bed: &Bed, mailboxes: &[Mailbox]) -> Vec<Arc<facteur::directory::MailboxConfig>> {
    let mut all = Vec::new();
    for mailbox in mailboxes {
        all.push(bed.directory.mailbox(mailbox.id).await.unwrap().unwrap());
    }
    all
}

pub async fn a_change_on_one_node_ends_sessions_on_the_other() {
    let bed = Bed::on_postgres().await;
    let second = bed.second_node().await;
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let session = open(&second.directory, mailbox.id, Protocol::Pop3).await.unwrap();
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, off, None).await.unwrap();
    assert_eq!(second.directory.wait_applied(revision).await, effect(1, 0));
    assert_eq!(session.ended().await, EndReason::ProtocolDisabled);
    assert_eq!(bed.directory.wait_applied(revision).await, effect(0, 0));
}

/// A write that waits hears from all nodes, with what they did; one that is silent is not waited for forever.
pub async fn a_write_waits_for_all_nodes_that_live() {
    let bed = Bed::on_postgres().await;
    let second = bed.second_node().await;
    bed.domain(&bed.operator, "live.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@live.example").await;
    let session = open(&second.directory, mailbox.id, Protocol::Pop3).await.unwrap();
    let knows = async |nodes: usize, seen_at: i64| {
        let known = async {
            while bed.directory.nodes().iter().filter(|node| node.seen_at >= seen_at).count() != nodes {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.unwrap();
    };
    knows(2, START).await;
    let switch = async |state| {
        protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, pop3(state), None).await.unwrap().1
    };
    let revision = switch(ProtocolState::Disabled).await;
    let all = bed.directory.wait_everywhere(revision, PATIENCE).await;
    assert_eq!(all, Everywhere { nodes: 2, pending: 0, sessions_closed: 1, sessions_remaining: 0 });
    drop(session);

    // Another node reports once and falls silent.
    let silent = NodeRow {
        id: NodeId(7),
        name: "silent".into(),
        started_at: 0,
        seen_at: START,
        applied: revision,
        effects: Vec::new(),
    };
    let mut tx = bed.db.write().await.unwrap();
    nodes::report(&mut tx, &silent).await.unwrap();
    tx.notify("facteur_applied").await.unwrap();
    tx.commit().await.unwrap();
    knows(3, START).await;
    let revision = switch(ProtocolState::Enabled).await;
    second.directory.wait_applied(revision).await;
    let all = bed.directory.wait_everywhere(revision, Duration::from_millis(50)).await;
    assert_eq!(all.pending, 1, "{all:?}");
    bed.clock.set(START + 15_000);
    switch(ProtocolState::Inherit).await;
    knows(2, START + 15_000).await;
    let revision = switch(ProtocolState::Disabled).await;
    let all = bed.directory.wait_everywhere(revision, PATIENCE).await;
    assert_eq!((all.nodes, all.pending), (2, 0));
    let seen = bed.directory.nodes();
    assert!(seen.iter().any(|node| node.id == NodeId(7) && !node.live) && seen[0].own, "{seen:?}");

    // Who ends says so.
    drop(second);
    knows(1, START + 15_000).await;
    assert_eq!(bed.directory.wait_everywhere(switch(ProtocolState::Inherit).await, PATIENCE).await.nodes, 1);
}

/// Ended sessions are forgotten one by one, and no other mailbox's with them.
pub async fn a_domains_sessions_are_those_that_are_left(bed: Bed) {
    let domain = bed.domain(&bed.operator, "left.example").await;
    bed.domain(&bed.operator, "other.example").await;
    let first = bed.mailbox(&bed.operator, "a@left.example").await;
    let second = bed.mailbox(&bed.operator, "b@left.example").await;
    let other = bed.mailbox(&bed.operator, "a@other.example").await;
    let [first_imap, first_pop3, _] = open_all(&bed, &first).await;
    let (_second, stranger) = (open_all(&bed, &second).await, open_all(&bed, &other).await);
    drop(first_imap);
    let switch = async |state| {
        let patched = protocols::patch_domain(&bed.control, &bed.operator, domain.id, pop3(state), None).await;
        bed.directory.wait_applied(patched.unwrap().1).await
    };
    // Of the first mailbox one is left and of the second three.
    assert_eq!(switch(ProtocolState::Disabled).await, effect(2, 2));
    assert_eq!(first_pop3.ending(), Some(EndReason::ProtocolDisabled));
    drop((first_pop3, _second));
    assert_eq!(switch(ProtocolState::Enabled).await, effect(0, 0));
    assert_eq!(endings(&stranger), [None; 3]);
}
