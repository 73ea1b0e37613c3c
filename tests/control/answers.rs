//! What the directory says: never older than what it has applied, and by few reads.

use crate::bed::{Bed, address, new_mailbox, pop3};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::{aliases, protocols};
use facteur::directory::Route;
use facteur::model::{Protocol, ProtocolState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn route(bed: &Bed, to: &str) -> (Vec<String>, Vec<String>) {
    match bed.directory.route(&address(to)).await.unwrap() {
        Route::Local { mailboxes, remote, .. } => {
            let mut own: Vec<String> = mailboxes.iter().map(|mailbox| mailbox.address.to_string()).collect();
            own.sort();
            (own, remote.iter().map(ToString::to_string).collect())
        }
        other => panic!("{to}: {other:?}"),
    }
}

pub async fn addresses_lead_where_they_say(bed: Bed) {
    let domain = bed.domain(&bed.operator, "route.example").await;
    for name in ["alice", "bob"] {
        bed.mailbox(&bed.operator, &format!("{name}@route.example")).await;
    }
    let alias = async |from: &str, to: &[&str]| {
        let targets = to.iter().map(|text| address(text)).collect();
        aliases::create(&bed.control, &bed.operator, address(from), targets, Default::default()).await.unwrap().0
    };
    let all = ["Alice@route.example", "bob@route.example", "team@route.example", "x@elsewhere.example"];
    let everyone = alias("all@route.example", &all).await;
    alias("team@route.example", &["bob@route.example", "gone@route.example"]).await;
    alias("lost@route.example", &["gone@route.example"]).await;
    assert_eq!(route(&bed, "ALICE@Route.Example").await, (vec!["alice@route.example".into()], vec![]));
    let both = vec!["alice@route.example".to_owned(), "bob@route.example".to_owned()];
    assert_eq!(route(&bed, "all@route.example").await, (both, vec!["x@elsewhere.example".into()]));
    assert_eq!(route(&bed, "team@route.example").await.0, ["bob@route.example"]);
    for unknown in ["nobody@route.example", "lost@route.example"] {
        let answer = bed.directory.route(&address(unknown)).await.unwrap();
        assert!(matches!(answer, Route::UnknownAddress), "{unknown}: {answer:?}");
    }
    assert!(matches!(bed.directory.route(&address("a@elsewhere.example")).await.unwrap(), Route::NotLocal));
    assert!(bed.directory.is_local(&domain.name).await.unwrap());
    assert!(!bed.directory.is_local(&"elsewhere.example".parse().unwrap()).await.unwrap());

    let alice = bed.directory.mailbox_by_address(&address("alice@route.example")).await.unwrap().unwrap();
    for (sender, may) in [
        ("alice@route.example", true),
        ("all@route.example", true),
        ("team@route.example", false),
        ("bob@route.example", false),
        ("alice@elsewhere.example", false),
    ] {
        assert_eq!(bed.directory.may_send_as(&alice, &address(sender)).await.unwrap(), may, "{sender}");
    }
    // No revision is waited for: aliases are asked of the database.
    aliases::delete(&bed.control, &bed.operator, everyone.id, None).await.unwrap();
    assert!(matches!(bed.directory.route(&address("all@route.example")).await.unwrap(), Route::UnknownAddress));
}

/// Aliases written from the far end on are checked; written from the near end, one by one, they may
/// become deeper than that, and still lead to the mailbox.
pub async fn no_depth_of_aliases_loses_mail(bed: Bed) {
    bed.domain(&bed.operator, "deep.example").await;
    bed.mailbox(&bed.operator, "end@deep.example").await;
    let at = |number: usize| address(&format!("a{number}@deep.example"));
    for number in 0..20 {
        let targets = vec![if number == 19 { address("end@deep.example") } else { at(number + 1) }];
        aliases::create(&bed.control, &bed.operator, at(number), targets, Default::default()).await.unwrap();
    }
    assert_eq!(route(&bed, "a0@deep.example").await.0, ["end@deep.example"]);
}

/// Twelve aliases of a hundred addresses each are more than one may come to: neither written, nor,
/// when they came about in another order, delivered in part.
pub async fn an_alias_that_comes_to_too_many_delivers_to_none(bed: Bed) {
    bed.domain(&bed.operator, "many.example").await;
    let all = address("all@many.example");
    let lists: Vec<_> = (0..12).map(|list| address(&format!("list{list}@many.example"))).collect();
    aliases::create(&bed.control, &bed.operator, all.clone(), lists.clone(), Default::default()).await.unwrap();
    for (number, list) in lists.iter().enumerate() {
        let targets = (0..100).map(|to| address(&format!("x{to}@list{number}.example"))).collect();
        aliases::create(&bed.control, &bed.operator, list.clone(), targets, Default::default()).await.unwrap();
    }
    assert!(bed.directory.route(&all).await.is_err());
    let again =
        aliases::create(&bed.control, &bed.operator, address("again@many.example"), lists, Default::default()).await;
    crate::bed::invalid(again, "too_many");
}

/// Readers keep the memory busy while each change must show as soon as it is applied.
pub async fn no_answer_is_older_than_what_was_applied(bed: Bed) {
    let domain = bed.domain(&bed.operator, "fresh.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@fresh.example").await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|reader| {
            let (directory, done, mailbox) = (bed.directory.clone(), done.clone(), mailbox.clone());
            tokio::spawn(async move {
                let mut last = facteur::model::Revision(0);
                while !done.load(Ordering::Relaxed) {
                    let applied = directory.applied();
                    let seen = match reader % 2 {
                        0 => directory.mailbox(mailbox.id).await.unwrap().unwrap(),
                        _ => directory.mailbox_by_address(&mailbox.address).await.unwrap().unwrap(),
                    };
                    // What is older than `applied` must not have been touched since.
                    assert!(seen.as_of >= last.min(applied));
                    last = seen.as_of;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let states = [ProtocolState::Disabled, ProtocolState::Enabled];
    for round in 0..60 {
        let state = states[round % 2];
        let revision = if round % 3 == 0 {
            protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, pop3(ProtocolState::Inherit), None)
                .await
                .unwrap();
            protocols::patch_domain(&bed.control, &bed.operator, domain.id, pop3(state), None).await.unwrap().1
        } else {
            protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, pop3(state), None).await.unwrap().1
        };
        let seen = bed.after(revision, mailbox.id).await;
        assert!(seen.as_of >= revision);
        assert_eq!(seen.access(Protocol::Pop3).allowed, state == ProtocolState::Enabled, "round {round}");
        let seen = bed.directory.mailbox_by_address(&mailbox.address).await.unwrap().unwrap();
        assert_eq!(seen.access(Protocol::Pop3).allowed, state == ProtocolState::Enabled, "round {round}");
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

pub async fn a_rename_leaves_nothing_at_the_old_address(bed: Bed) {
    bed.domain(&bed.operator, "old.example").await;
    let domain = bed.domain(&bed.operator, "new.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@old.example").await;
    assert!(bed.directory.mailbox_by_address(&mailbox.address).await.unwrap().is_some());
    let patch = MailboxPatch { address: Some(address("b@new.example")), ..MailboxPatch::default() };
    let (_, revision) = mailboxes::update(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    let seen = bed.after(revision, mailbox.id).await;
    assert_eq!((seen.address.to_string().as_str(), seen.domain), ("b@new.example", domain.id));
    assert!(bed.directory.mailbox_by_address(&mailbox.address).await.unwrap().is_none());
    // The old address may become another mailbox, the new domain decides for the old one.
    let (other, revision) = mailboxes::create(&bed.control, &bed.operator, new_mailbox("a@old.example")).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(bed.directory.mailbox_by_address(&mailbox.address).await.unwrap().unwrap().id, other.id);
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_domain(&bed.control, &bed.operator, domain.id, off, None).await.unwrap();
    assert!(!bed.after(revision, mailbox.id).await.access(Protocol::Pop3).allowed);
    assert!(bed.after(revision, other.id).await.access(Protocol::Pop3).allowed);
    let revision = mailboxes::delete(&bed.control, &bed.operator, mailbox.id, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert!(bed.directory.mailbox(mailbox.id).await.unwrap().is_none());
}
