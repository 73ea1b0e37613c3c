//! Usage history: days of mailboxes, domains and tenants, and what counting costs.

use crate::bed::{Bed, PASSWORD, PEER, START, not_found};
use facteur::control::usage::{self, Days, UsageDay};
use facteur::control::{Error, jobs, mailboxes};
use facteur::directory::Counting;
use facteur::model::ids::{DomainId, MailboxId, TenantId};
use facteur::model::{Day, Protocol, TenantKind, Usage, bounds};
use tokio_util::sync::CancellationToken;

const DAY: i64 = 24 * 3_600_000;

fn holds(bytes: u64, messages: u64) -> Usage {
    Usage { bytes, messages }
}

async fn of_mailbox(bed: &Bed, id: MailboxId) -> Vec<UsageDay> {
    usage::of_mailbox(&bed.control, &bed.operator, id, Days::default()).await.unwrap()
}

async fn of_domain(bed: &Bed, id: DomainId) -> (Usage, UsageDay) {
    let (now, days) = usage::of_domain(&bed.control, &bed.operator, id, Days::default()).await.unwrap();
    (now, *days.last().unwrap())
}

async fn of_tenant(bed: &Bed, id: TenantId) -> Usage {
    usage::of_tenant(&bed.control, &bed.operator, id, Days::default()).await.unwrap().0
}

pub async fn days_show_what_was_held_and_sums_follow(bed: Bed) {
    let (customer, caller) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    let domain = bed.domain(&caller, "usage.example").await.id;
    let (a, b) = (bed.mailbox(&caller, "a@usage.example").await.id, bed.mailbox(&caller, "b@usage.example").await.id);
    assert_eq!(usage::to_count(&bed.control, MailboxId(0)).await.unwrap(), [a, b]);
    assert_eq!(of_mailbox(&bed, a).await.last().unwrap().bytes, None, "nothing was counted yet");
    assert_eq!(usage::count(&bed.control, &[(a, holds(100, 2)), (b, holds(0, 0))]).await.unwrap(), 1);
    // What did not change is not written again, and what is empty never was.
    assert_eq!(usage::count(&bed.control, &[(a, holds(100, 2)), (b, holds(0, 0))]).await.unwrap(), 0);
    let mut tx = bed.db.read().await.unwrap();
    assert!(tx.one("SELECT 1 FROM usage_days WHERE subject = $1", &[b.0.into()]).await.unwrap().is_none());
    drop(tx);
    bed.clock.set(START + 3 * DAY);
    assert_eq!(usage::count(&bed.control, &[(a, holds(60, 1)), (b, holds(7, 1))]).await.unwrap(), 2);
    let days = of_mailbox(&bed, a).await;
    let held: Vec<_> = days.iter().rev().take(5).map(|day| day.bytes).collect();
    assert_eq!(
        held,
        [Some(60), Some(100), Some(100), Some(100), None],
        "a day without a change is like the one before"
    );
    assert_eq!(days.len(), 30);
    let (now, today) = of_domain(&bed, domain).await;
    assert_eq!((now, today.bytes, today.messages), (holds(67, 2), Some(67), Some(2)));
    assert_eq!(of_tenant(&bed, customer.id).await, holds(67, 2));
    assert_eq!(of_tenant(&bed, bed.operator.tenant).await, holds(67, 2));

    // A mailbox that moves takes what it holds along, one that goes takes it away.
    let second = bed.domain(&caller, "second.example").await.id;
    let patch = mailboxes::MailboxPatch { address: Some("a@second.example".parse().unwrap()), ..Default::default() };
    mailboxes::update(&bed.control, &caller, a, patch, None).await.unwrap();
    assert_eq!(usage::count(&bed.control, &[(a, holds(60, 1)), (b, holds(7, 1))]).await.unwrap(), 1);
    assert_eq!((of_domain(&bed, domain).await.0, of_domain(&bed, second).await.0), (holds(7, 1), holds(60, 1)));
    mailboxes::delete(&bed.control, &caller, a, None).await.unwrap();
    assert_eq!(usage::count_gone(&bed.control).await.unwrap(), 1);
    assert_eq!(usage::count_gone(&bed.control).await.unwrap(), 0);
    assert_eq!(of_domain(&bed, second).await.0, holds(0, 0));
    assert_eq!(of_tenant(&bed, customer.id).await, holds(7, 1));
}

pub async fn logins_and_messages_are_counted_by_day(bed: Bed) {
    let domain = bed.domain(&bed.operator, "usage.example").await.id;
    let id = bed.mailbox_with_password(&bed.operator, "a@usage.example").await.id;
    for protocol in [Protocol::Imap, Protocol::Imap, Protocol::Pop3] {
        bed.login.password(protocol, PEER, true, "a@usage.example", PASSWORD.as_bytes()).await.unwrap();
    }
    let config = bed.directory.mailbox(id).await.unwrap().unwrap();
    let (activity, counting) = Counting::new(bed.directory.clone());
    activity.received(&config, START);
    activity.received(&config, START + DAY);
    activity.sent(&config, START, 3);
    let stop = CancellationToken::new();
    stop.cancel();
    counting.run(stop).await;
    let counted = async {
        loop {
            let today = *of_mailbox(&bed, id).await.last().unwrap();
            if today.logins.imap == 2 && today.logins.pop3 == 1 {
                return today;
            }
            tokio::task::yield_now().await;
        }
    };
    let today = tokio::time::timeout(std::time::Duration::from_secs(20), counted).await.expect("logins are counted");
    assert_eq!((today.received, today.sent, today.logins.submission, today.bytes), (1, 1, 0, None));
    assert_eq!(of_domain(&bed, domain).await.1.received, 1);
    bed.clock.set(START + DAY);
    let days = of_mailbox(&bed, id).await;
    assert_eq!((days[29].received, days[29].logins.imap, days[28].logins.imap), (1, 0, 2));
}

pub async fn days_are_asked_for_within_bounds_and_kept_for_a_time(bed: Bed) {
    let (_, stranger) = bed.tenant(&bed.operator, TenantKind::Customer, "stranger").await;
    bed.domain(&bed.operator, "usage.example").await;
    let id = bed.mailbox(&bed.operator, "a@usage.example").await.id;
    usage::count(&bed.control, &[(id, holds(5, 1))]).await.unwrap();
    not_found(usage::of_mailbox(&bed.control, &stranger, id, Days::default()).await);
    let ask = async |from: &str, to: &str| {
        let day = |text: &str| text.parse::<Day>().ok();
        let days = Days { from: day(from), to: day(to) };
        usage::of_mailbox(&bed.control, &bed.operator, id, days).await
    };
    for (from, to) in [("2026-01-02", "2026-01-01"), ("2020-01-01", "2026-01-01"), ("9999-12-01", "")] {
        assert!(matches!(ask(from, to).await, Err(Error::Invalid(_))), "{from} {to}");
    }
    assert_eq!(ask("2026-01-01", "2026-01-01").await.unwrap().len(), 1);
    // Of the future nothing is shown.
    let today = Day::of(START);
    assert_eq!(ask(&today.to_string(), "2099-01-01").await.unwrap().len(), 1);

    // Much later the old rows go, but what is still held stays known.
    bed.clock.set(START + DAY);
    usage::count(&bed.control, &[(id, holds(9, 1))]).await.unwrap();
    bed.clock.set(START + (bounds::USAGE_DAYS + 10) * DAY);
    jobs::forget(&bed.control).await.unwrap();
    let mut tx = bed.db.read().await.unwrap();
    let rows = tx.all("SELECT day FROM usage_days WHERE subject = $1", &[id.0.into()]).await.unwrap();
    assert_eq!(rows.len(), 1);
    drop(tx);
    assert_eq!(of_mailbox(&bed, id).await.last().unwrap().bytes, Some(9));
}

pub async fn of_many_nodes_one_counts_each_hour(bed: Bed) {
    let other = bed.second_node().await;
    let turns = futures_util::future::join_all((0..10).map(|n| {
        let control = if n % 2 == 0 { &bed.control } else { &other.control };
        usage::take_turn(control)
    }));
    assert_eq!(turns.await.into_iter().filter(|turn| *turn.as_ref().unwrap()).count(), 1);
    bed.clock.set(START + 3_600_000);
    assert!(usage::take_turn(&bed.control).await.unwrap() && !usage::take_turn(&other.control).await.unwrap());
}
