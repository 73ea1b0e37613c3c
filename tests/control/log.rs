//! The revision log, suspensions, and answers that are given once.

use crate::bed::{
    ALL, Bed, PASSWORD, START, address, clear, invalid, new_mailbox, not_allowed, not_found, pop3, user_patch,
};
use facteur::control::aliases::AliasFilter;
use facteur::control::idempotency::{self, Begun};
use facteur::control::keys::{self, NewKey};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::{aliases, domains, history, protocols, revisions, users, webhooks};
use facteur::db::suspensions::Suspended;
use facteur::model::Revision;
use facteur::model::{Duty, Protocol, ProtocolState, SettingLevel, SuspensionScope, TenantKind, Timestamp};
use std::time::Duration;

fn stop(scope: SuspensionScope, until: Option<i64>) -> NewSuspension {
    NewSuspension { scope, reason: "unpaid".into(), until: until.map(Timestamp) }
}

/// Twenty writers on two nodes where there are two; some are refused, and leave no gap.
pub async fn revisions_have_no_gap_and_follow_the_order_of_commits(bed: Bed) {
    let second = bed.second_node().await;
    bed.domain(&bed.operator, "log.example").await;
    let begin = revisions::newest(&bed.control).await.unwrap();
    let writers: Vec<_> = (0..20)
        .map(|writer| {
            let control = if writer % 2 == 0 { bed.control.clone() } else { second.control.clone() };
            let caller = bed.operator.clone();
            tokio::spawn(async move {
                let mut made = Vec::new();
                for number in 0..5 {
                    let new = new_mailbox(&format!("w{writer}-{}@log.example", number / 2));
                    match mailboxes::create(&control, &caller, new).await {
                        Ok((_, revision)) => made.push(revision.0),
                        Err(error) => assert!(matches!(error, facteur::control::Error::AlreadyExists(_)), "{error:?}"),
                    }
                }
                made
            })
        })
        .collect();
    let mut made = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted());
        made.extend(own);
    }
    made.sort_unstable();
    assert_eq!(made, (begin.0 + 1..=begin.0 + 60).collect::<Vec<_>>());
    let (log, _) = revisions::list(&bed.control, &bed.operator, None, None, 1000).await.unwrap();
    assert!(log.windows(2).all(|pair| pair[0].number == pair[1].number + 1));
    for node in [&bed.directory, &second.directory] {
        node.wait_applied(Revision(begin.0 + 60)).await;
        assert_eq!(node.applied(), Revision(begin.0 + 60));
    }
}

pub async fn no_revision_holds_a_secret(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "canary.example").await;
    let canary = "canary-in-the-coal-mine";
    let (user, _) = users::create(control, &bed.operator, None, "canary", clear(canary), Duty::Admin).await.unwrap();
    users::update(control, &bed.operator, user.id, user_patch(None, clear(canary)), None).await.unwrap();
    let new = mailboxes::NewMailbox { password: clear(canary), ..new_mailbox("a@canary.example") };
    let (mailbox, _) = mailboxes::create(control, &bed.operator, new).await.unwrap();
    let patch = MailboxPatch { password: clear(canary), ..MailboxPatch::default() };
    mailboxes::update(control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    let new =
        NewKey { name: "panel".into(), tenant: None, read_only: false, expires_at: None, grants: Default::default() };
    let (key, text, _) = keys::create(control, &bed.operator, new).await.unwrap();
    keys::delete(control, &bed.operator, key.id, None).await.unwrap();
    mailboxes::delete(control, &bed.operator, mailbox.id, None).await.unwrap();
    users::delete(control, &bed.operator, user.id, None).await.unwrap();

    let (log, _) = revisions::list(control, &bed.operator, None, None, 1000).await.unwrap();
    assert_eq!(log.len(), 10);
    for revision in log {
        let shown = serde_json::to_string(&revision).unwrap();
        assert!(!shown.contains(canary) && !shown.contains(&text) && !shown.contains("argon2"), "{shown}");
        assert!(revision.action == "bootstrap" || revision.before.is_some() || revision.after.is_some());
    }
}

pub async fn the_log_shows_the_subtree_page_by_page(bed: Bed) {
    let control = &bed.control;
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "r").await;
    let (_, customer) = bed.tenant(&reseller, TenantKind::Customer, "c").await;
    bed.domain(&customer, "log.example").await;
    let mailbox = bed.mailbox(&customer, "a@log.example").await;
    for state in [ProtocolState::Disabled, ProtocolState::Enabled, ProtocolState::Inherit] {
        protocols::patch_mailbox(control, &customer, mailbox.id, pop3(state), None).await.unwrap();
    }
    let object = mailbox.id.to_string();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = revisions::list(control, &reseller, Some(&object), before, 3).await.unwrap();
        assert!(page.len() <= 3);
        seen.extend(page);
        before = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.windows(2).all(|pair| pair[0].number > pair[1].number));
    assert_eq!((seen[0].action.as_str(), seen[3].action.as_str()), ("update_mailbox_protocols", "create_mailbox"));
    assert_eq!(seen[0].before.as_ref().unwrap()["pop3"]["state"], "enabled");
    assert_eq!(seen[0].after.as_ref().unwrap()["pop3"]["state"], "inherit");
    assert_eq!(seen[0].caller, customer.id.to_string());
    let of = async |caller| revisions::list(control, caller, None, None, 1000).await.unwrap().0.len();
    // The customer's key, domain, mailbox and its changes, and the customer itself; then the reseller and its key.
    assert_eq!((of(&customer).await, of(&reseller).await, of(&bed.operator).await), (7, 9, 10));
    not_found(revisions::get(control, &customer, 1).await);
    not_found(revisions::get(control, &bed.operator, 1000).await);
    assert!(revisions::list(control, &customer, Some("a\0"), None, 10).await.unwrap().0.is_empty());
}

pub async fn a_suspension_lifts_without_a_trace(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "stop.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@stop.example").await;
    protocols::patch_mailbox(control, &bed.operator, mailbox.id, pop3(ProtocolState::Disabled), None).await.unwrap();
    let before = protocols::of_mailbox(control, &bed.operator, mailbox.id).await.unwrap();
    for of in [Suspended::Mailbox(mailbox.id), Suspended::Domain(domain.id)] {
        let (made, revision) =
            suspensions::create(control, &bed.operator, of, stop(SuspensionScope::Login, None)).await.unwrap();
        let now = protocols::of_mailbox(control, &bed.operator, mailbox.id).await.unwrap();
        assert_eq!((now.effective.imap.enabled, now.effective.imap.source), (false, SettingLevel::Suspension));
        assert_eq!(now.settings, before.settings, "no setting is edited");
        let seen = bed.after(revision, mailbox.id).await;
        assert!(!seen.access(Protocol::Imap).allowed && seen.may_receive && !seen.may_send);
        assert_eq!(suspensions::list(control, &bed.operator, of).await.unwrap().len(), 1);

        let revision = suspensions::lift(control, &bed.operator, of, made.id).await.unwrap();
        let now = protocols::of_mailbox(control, &bed.operator, mailbox.id).await.unwrap();
        assert_eq!(now.effective.imap, before.effective.imap);
        assert_eq!(now.effective.pop3, before.effective.pop3);
        let seen = bed.after(revision, mailbox.id).await;
        assert!(seen.access(Protocol::Imap).allowed && !seen.access(Protocol::Pop3).allowed && seen.may_send);
        not_found(suspensions::lift(control, &bed.operator, of, made.id).await);
    }
    let of = Suspended::Mailbox(mailbox.id);
    let scopes = [(SuspensionScope::Receive, false, true, true), (SuspensionScope::SendReject, true, false, true)];
    for (scope, receive, send, read) in scopes {
        let (made, revision) = suspensions::create(control, &bed.operator, of, stop(scope, None)).await.unwrap();
        let seen = bed.after(revision, mailbox.id).await;
        assert_eq!((seen.may_receive, seen.may_send, seen.access(Protocol::Imap).allowed), (receive, send, read));
        suspensions::lift(control, &bed.operator, of, made.id).await.unwrap();
    }
}

pub async fn a_suspension_made_above_stays_below(bed: Bed) {
    let control = &bed.control;
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "r").await;
    let (_, customer) = bed.tenant(&reseller, TenantKind::Customer, "c").await;
    let domain = bed.domain(&customer, "stop.example").await;
    let mailbox = bed.mailbox(&customer, "a@stop.example").await;
    for of in [Suspended::Mailbox(mailbox.id), Suspended::Domain(domain.id)] {
        let (made, _) = suspensions::create(control, &reseller, of, stop(SuspensionScope::Login, None)).await.unwrap();
        not_allowed(suspensions::lift(control, &customer, of, made.id).await);
        suspensions::lift(control, &reseller, of, made.id).await.unwrap();
        let (made, _) = suspensions::create(control, &customer, of, stop(SuspensionScope::Login, None)).await.unwrap();
        suspensions::lift(control, &bed.operator, of, made.id).await.unwrap();
    }
}

/// Deleting and making it anew would be a way around.
pub async fn what_was_suspended_above_is_not_deleted_below(bed: Bed) {
    let control = &bed.control;
    let (_, customer) = bed.tenant(&bed.operator, TenantKind::Customer, "c").await;
    let domain = bed.domain(&customer, "stop.example").await;
    let mailbox = bed.mailbox(&customer, "a@stop.example").await;
    let stop = stop(SuspensionScope::SendReject, None);
    suspensions::create(control, &bed.operator, Suspended::Domain(domain.id), stop.clone()).await.unwrap();
    suspensions::create(control, &bed.operator, Suspended::Mailbox(mailbox.id), stop).await.unwrap();
    not_allowed(mailboxes::delete(control, &customer, mailbox.id, None).await);
    mailboxes::delete(control, &bed.operator, mailbox.id, None).await.unwrap();
    not_allowed(facteur::control::domains::delete(control, &customer, domain.id, None).await);
    facteur::control::domains::delete(control, &bed.operator, domain.id, None).await.unwrap();
}

pub async fn a_suspension_ends_when_it_says(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "stop.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@stop.example").await;
    let of = Suspended::Mailbox(mailbox.id);
    let past = stop(SuspensionScope::Login, Some(START));
    invalid(suspensions::create(control, &bed.operator, of, past).await, "past");
    let later = stop(SuspensionScope::Login, Some(START + 1000));
    let (_, revision) = suspensions::create(control, &bed.operator, of, later).await.unwrap();
    assert!(!bed.after(revision, mailbox.id).await.access(Protocol::Imap).allowed);
    bed.clock.set(START + 999);
    assert!(!bed.after(revision, mailbox.id).await.access(Protocol::Imap).allowed);
    bed.clock.set(START + 1000);
    assert!(bed.after(revision, mailbox.id).await.access(Protocol::Imap).allowed);
    let by_address = bed.directory.mailbox_by_address(&mailbox.address).await.unwrap().unwrap();
    assert!(by_address.access(Protocol::Imap).allowed);
    let now = protocols::of_mailbox(control, &bed.operator, mailbox.id).await.unwrap();
    assert_eq!((now.effective.imap.enabled, now.effective.imap.source), (true, SettingLevel::System));
}

pub async fn an_idempotency_key_answers_once(bed: Bed) {
    let (control, seal, by) = (&bed.control, &bed.seal, &bed.operator);
    let begin = async |key, request: &[u8]| idempotency::begin(control, seal, by, key, request).await.unwrap();
    assert!(matches!(begin("k", b"request").await, Begun::Fresh));
    assert!(matches!(begin("k", b"request").await, Begun::Running));
    assert!(matches!(begin("k", b"another").await, Begun::Mismatch));
    idempotency::finish(control, seal, by, "k", 201, b"the answer").await.unwrap();
    match begin("k", b"request").await {
        Begun::Answered(201, body) => assert_eq!(body, b"the answer"),
        _ => panic!("it was answered"),
    }
    assert!(matches!(begin("k", b"another").await, Begun::Mismatch));
    let other = bed.key(by, None, false).await;
    assert!(matches!(idempotency::begin(control, seal, &other, "k", b"request").await.unwrap(), Begun::Fresh));

    assert!(matches!(begin("given back", b"request").await, Begun::Fresh));
    idempotency::release(control, by, "given back").await.unwrap();
    assert!(matches!(begin("given back", b"request").await, Begun::Fresh));
    idempotency::release(control, by, "k").await.unwrap();
    assert!(matches!(begin("k", b"request").await, Begun::Answered(201, _)), "an answer is not given back");

    bed.clock.set(START + 120_001);
    assert_eq!(
        fresh_of_ten(&bed, "given back").await,
        0,
        "what stopped halfway may have been done: it never runs again"
    );
    assert_eq!(fresh_of_ten(&bed, "new").await, 1, "of racing requests one runs");
    bed.clock.set(START + 25 * 3600 * 1000);
    assert!(matches!(begin("k", b"another").await, Begun::Fresh), "a day later it is forgotten");
}

/// How many of ten requests at once with one key run.
async fn fresh_of_ten(bed: &Bed, key: &'static str) -> usize {
    let tries: Vec<_> = (0..10)
        .map(|_| {
            let (control, seal, caller) = (bed.control.clone(), bed.seal.clone(), bed.operator.clone());
            tokio::spawn(async move { idempotency::begin(&control, &seal, &caller, key, b"request").await.unwrap() })
        })
        .collect();
    let mut fresh = 0;
    for begun in tries {
        match begun.await.unwrap() {
            Begun::Fresh => fresh += 1,
            Begun::Running => {}
            Begun::Answered(..) | Begun::Done(_) | Begun::Mismatch => panic!("nobody answered"),
        }
    }
    fresh
}

pub async fn of_ten_requests_with_one_key_one_runs(bed: Bed) {
    for key in ["a", "b", "c"] {
        assert_eq!(fresh_of_ten(&bed, key).await, 1);
    }
    let targets = vec![address("x@elsewhere.example")];
    bed.domain(&bed.operator, "once.example").await;
    aliases::create(&bed.control, &bed.operator, address("a@once.example"), targets, Default::default()).await.unwrap();
    assert_eq!(aliases::list(&bed.control, &bed.operator, &AliasFilter::default(), ALL).await.unwrap().items.len(), 1);
    assert!(bed.sign_in.password("operator", PASSWORD, crate::bed::PEER).await.is_ok());
}

/// What is older than it is kept goes to a file whole, and then out of the log; nothing of it is secret.
pub async fn old_history_is_exported_before_it_is_dropped(bed: Bed) {
    let control = &bed.control;
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(24 * 3600);
    bed.domain(&bed.operator, "old.example").await;
    let canary = "canary-in-the-coal-mine";
    let new = mailboxes::NewMailbox { password: clear(canary), ..new_mailbox("a@old.example") };
    mailboxes::create(control, &bed.operator, new).await.unwrap();
    assert_eq!(history::export(control, folder.path(), day).await.unwrap(), 0, "nothing is old");
    bed.clock.set(START + 2 * 24 * 3600 * 1000);
    bed.domain(&bed.operator, "new.example").await;
    assert_eq!(history::export(control, folder.path(), day).await.unwrap(), 0, "a day's worth goes into one file");
    bed.clock.set(START + 2 * 24 * 3600 * 1000 + 1);
    let newest = revisions::newest(control).await.unwrap();
    assert_eq!(history::export(control, folder.path(), day).await.unwrap(), 3);
    assert_eq!(history::export(control, folder.path(), day).await.unwrap(), 0);

    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].ends_with("revisions-000000000001-000000000003.jsonl"), "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[1]["action"], &lines[1]["after"]["name"]),
        (3, &"create_domain".into(), &"old.example".into())
    );
    assert!(!text.contains(canary) && !text.contains("argon2"));

    let (kept, _) = revisions::list(control, &bed.operator, None, None, 1000).await.unwrap();
    assert_eq!(kept.iter().map(|revision| revision.number).collect::<Vec<_>>(), [newest.0]);
    not_found(revisions::get(control, &bed.operator, 1).await);
    let gone = revisions::after(control, &bed.operator, 0, 10).await.err();
    assert!(matches!(gone, Some(facteur::control::Error::HistoryDropped(oldest)) if oldest == newest.0), "{gone:?}");
    assert_eq!(revisions::after(control, &bed.operator, newest.0 - 1, 10).await.unwrap().items.len(), 1);
    // However old it grows, the newest stays: the log begins somewhere.
    bed.clock.set(START + 9 * 24 * 3600 * 1000);
    assert_eq!(history::export(control, folder.path(), day).await.unwrap(), 0);
    bed.domain(&bed.operator, "next.example").await;
    assert_eq!(revisions::newest(control).await.unwrap().0, newest.0 + 1);
}

/// Whether a request was done is known from its key, however its answer got lost: as the server died, or the commit's own
/// answer did.
pub async fn what_is_done_is_known_though_its_answer_is_lost(bed: Bed) {
    let (control, seal, by) = (&bed.control, &bed.seal, &bed.operator);
    let begin = async |key| idempotency::begin(control, seal, by, key, b"request").await.unwrap();
    let under = |key: &str| {
        let mut caller = by.clone();
        caller.intent.once = Some(key.into());
        caller
    };
    assert!(matches!(begin("lost").await, Begun::Fresh));
    bed.domain(&under("lost"), "lost.example").await;
    let revision = revisions::newest(control).await.unwrap();
    // The handler saw a failure, or nobody saw anything: the key is not given back.
    idempotency::release(control, by, "lost").await.unwrap();
    assert!(matches!(begin("lost").await, Begun::Done(number) if number == revision.0));
    let made = revisions::get(control, by, revision.0).await.unwrap();
    assert_eq!(made.after.unwrap()["name"], "lost.example");
    // What was refused left nothing: it may be tried again.
    assert!(matches!(begin("refused").await, Begun::Fresh));
    let name = "lost.example".parse().unwrap();
    let again = domains::create(control, &under("refused"), None, name, domains::DomainPatch::default()).await;
    assert!(matches!(again, Err(facteur::control::Error::AlreadyExists(_))));
    idempotency::release(control, by, "refused").await.unwrap();
    assert!(matches!(begin("refused").await, Begun::Fresh));
}

/// A row of the log that cannot be read is shown as what it is, and hides none of the others.
pub async fn a_damaged_revision_breaks_itself_alone(bed: Bed) {
    let control = &bed.control;
    for name in ["a.example", "b.example", "c.example", "d.example"] {
        bed.domain(&bed.operator, name).await;
    }
    let newest = revisions::newest(control).await.unwrap().0;
    let mut tx = bed.db.write().await.unwrap();
    let garbage = "UPDATE revisions SET touches = 'garbage', after_json = '{\"id\": ' WHERE number = $1";
    tx.execute(garbage, &[(newest - 2).into()]).await.unwrap();
    // SQLite keeps whatever it is given, PostgreSQL what is text.
    let octets = if bed.db.is_shared() {
        "UPDATE revisions SET action = 'two' || CHR(10) || 'lines' WHERE number = $1"
    } else {
        "UPDATE revisions SET action = X'FF00', before_json = X'80', at = 'never' WHERE number = $1"
    };
    tx.execute(octets, &[(newest - 1).into()]).await.unwrap();
    tx.commit().await.unwrap();

    let (all, _) = revisions::list(control, &bed.operator, None, None, 1000).await.unwrap();
    let damaged = |items: &[revisions::RevisionView]| -> Vec<(i64, bool)> {
        items.iter().map(|one| (one.number, one.damaged == Some("unreadable"))).collect()
    };
    assert_eq!(damaged(&all[..4]), [(newest, false), (newest - 1, true), (newest - 2, true), (newest - 3, false)]);
    let feed = revisions::after(control, &bed.operator, newest - 4, 1000).await.unwrap();
    assert_eq!((feed.items.len(), feed.next_after), (4, newest));
    for number in [newest - 2, newest - 1] {
        let detail = revisions::detail(control, &bed.operator, number).await.unwrap();
        assert!(detail.not_revertible.is_some() && detail.revision.damaged.is_some(), "{detail:?}");
    }
    assert!(revisions::get(control, &bed.operator, newest).await.unwrap().damaged.is_none());
    let folder = tempfile::tempdir().unwrap();
    bed.clock.set(START + 9 * 24 * 3600 * 1000);
    let exported = history::export(control, folder.path(), Duration::from_secs(24 * 3600)).await.unwrap();
    assert_eq!(exported, u64::try_from(newest - 1).unwrap(), "all but the newest");
}

/// What a webhook has still to send stays in the log, however old it is.
pub async fn history_waits_for_webhooks(bed: Bed) {
    let control = &bed.control;
    let outbound = facteur::net::Outbound::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
    let patch = webhooks::WebhookPatch {
        url: Some("http://127.0.0.1:9/".into()),
        events: Some(vec!["create_domain".into()]),
        ..webhooks::WebhookPatch::default()
    };
    let (webhook, ..) = webhooks::create(control, (&bed.seal, &outbound), &bed.operator, None, patch).await.unwrap();
    let first = revisions::newest(control).await.unwrap().0;
    bed.tenant(&bed.operator, TenantKind::Customer, "nothing of its own").await;
    bed.domain(&bed.operator, "waits.example").await;
    let waits = revisions::newest(control).await.unwrap().0;
    bed.domain(&bed.operator, "newest.example").await;
    bed.clock.set(START + 9 * 24 * 3600 * 1000);
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(24 * 3600);
    assert!(history::export(control, folder.path(), day).await.unwrap() > 0);
    assert!(waits > first + 1);
    assert_eq!(revisions::after(control, &bed.operator, waits - 1, 10).await.unwrap().items[0].number, waits);
    assert_eq!(history::export(control, folder.path(), day).await.unwrap(), 0);
    webhooks::delete(control, &bed.operator, webhook.id, None).await.unwrap();
    assert!(history::export(control, folder.path(), day).await.unwrap() > 0);
    not_found(revisions::get(control, &bed.operator, waits).await);
}
