//! How often the directory asks the database about addresses that are nobody's, and that it is right all the same.

use crate::bed::{Bed, address};
use facteur::control::domains::DomainPatch;
use facteur::control::mailboxes;
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::{aliases, domains};
use facteur::db::suspensions::Suspended;
use facteur::directory::Route;
use facteur::model::{DomainName, SuspensionScope};

/// Where an address leads, in a word or as the first mailbox, and how many look-ups that took.
async fn route(bed: &Bed, to: &str) -> (String, u64) {
    let before = bed.directory.look_ups();
    let word = match bed.directory.route(&address(to)).await.unwrap() {
        Route::UnknownAddress => "unknown".to_owned(),
        Route::NotLocal => "not local".to_owned(),
        Route::Local { mailboxes, .. } => mailboxes.first().map(|it| it.address.to_string()).unwrap_or_default(),
    };
    (word, bed.directory.look_ups() - before)
}

fn word(text: &str, look_ups: u64) -> (String, u64) {
    (text.to_owned(), look_ups)
}

pub async fn unknown_recipients_cost_one_look_up_and_unknown_domains_none(bed: Bed) {
    bed.domain(&bed.operator, "look.example").await;
    bed.directory.wait_applied(bed_newest(&bed).await).await;
    assert_eq!(route(&bed, "first@look.example").await, word("unknown", 2), "the domain, and the address");
    for guess in ["a@look.example", "b+detail@look.example", "a@look.example"] {
        assert_eq!(route(&bed, guess).await, word("unknown", 1), "{guess}");
    }
    assert_eq!(route(&bed, "a@other.example").await, word("not local", 1));
    for guess in ["a@other.example", "b@other.example", "c+detail@other.example"] {
        assert_eq!(route(&bed, guess).await, word("not local", 0), "{guess}");
    }
    let name: DomainName = "other.example".parse().unwrap();
    assert!(!bed.directory.is_local(&name).await.unwrap());

    // It is right again at once when there is something.
    let mailbox = bed.mailbox(&bed.operator, "a@look.example").await;
    assert_eq!(route(&bed, "a@look.example").await.0, "a@look.example");
    assert_eq!(route(&bed, "a@look.example").await, word("a@look.example", 0));
    assert_eq!(route(&bed, "a+detail@look.example").await, word("a@look.example", 1), "the mailbox is in memory");
    bed.domain(&bed.operator, "other.example").await;
    bed.directory.wait_applied(bed_newest(&bed).await).await;
    assert!(bed.directory.is_local(&name).await.unwrap());
    assert_eq!(route(&bed, "a@other.example").await.0, "unknown");
    bed.mailbox(&bed.operator, "a@other.example").await;
    assert_eq!(route(&bed, "a@other.example").await.0, "a@other.example");

    mailboxes::delete(&bed.control, &bed.operator, mailbox.id, None).await.unwrap();
    bed.directory.wait_applied(bed_newest(&bed).await).await;
    assert_eq!(route(&bed, "a@look.example").await, word("unknown", 1));
}

pub async fn a_domain_in_memory_is_never_older_than_what_was_applied(bed: Bed) {
    let (control, operator) = (&bed.control, &bed.operator);
    let domain = bed.domain(operator, "look.example").await;
    let sink = bed.mailbox(operator, "sink@look.example").await;
    bed.directory.wait_applied(bed_newest(&bed).await).await;
    assert_eq!(route(&bed, "x@look.example").await.0, "unknown");
    let patch = DomainPatch { catch_all: Some(Some(sink.address.clone())), ..DomainPatch::default() };
    let (_, revision) = domains::update(control, operator, domain.id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(route(&bed, "x@look.example").await.0, "sink@look.example");

    // A domain that stands for it is void with it, and bears its own suspension.
    let (name, new) =
        ("spelled.example".parse().unwrap(), DomainPatch { alias_of: Some(domain.id), ..Default::default() });
    let (spelled, revision) = domains::create(control, operator, None, name, new).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(route(&bed, "x@spelled.example").await.0, "sink@look.example");
    let patch = DomainPatch { catch_all: Some(None), ..DomainPatch::default() };
    let (_, revision) = domains::update(control, operator, domain.id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(route(&bed, "x@spelled.example").await.0, "unknown");
    let new = NewSuspension { scope: SuspensionScope::Receive, reason: "test".into(), until: None };
    let of = Suspended::Domain(spelled.id);
    let (_, revision) = suspensions::create(control, operator, of, new).await.unwrap();
    bed.directory.wait_applied(revision).await;
    let Route::Local { suspended, .. } = bed.directory.route(&address("sink@spelled.example")).await.unwrap() else {
        panic!("the mailbox is there")
    };
    assert_eq!(suspended, [SuspensionScope::Receive]);

    domains::delete(control, operator, spelled.id, None).await.unwrap();
    bed.directory.wait_applied(bed_newest(&bed).await).await;
    assert_eq!(route(&bed, "sink@spelled.example").await, word("not local", 1));
    assert_eq!(route(&bed, "sink@spelled.example").await, word("not local", 0));
    let to = vec![sink.address.clone()];
    aliases::create(control, operator, address("info@look.example"), to, Default::default()).await.unwrap();
    assert_eq!(route(&bed, "info@look.example").await.0, "sink@look.example");
}

async fn bed_newest(bed: &Bed) -> facteur::model::Revision {
    facteur::control::revisions::newest(&bed.control).await.unwrap()
}
