//! How much may be sent in a day: by plans of the whole tree, at once, on several nodes, hour by hour.

use crate::bed::{Bed, Node, START, pop3};
use facteur::control::plans::{self, PlanPatch};
use facteur::control::tenants::{self, TenantPatch};
use facteur::control::{Caller, limits, protocols};
use facteur::directory::{Counting, MailboxConfig};
use facteur::model::ids::{MailboxId, TenantId};
use facteur::model::{LimitName, ProtocolState, TenantKind};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const HOUR: i64 = 3_600_000;

/// Gives a tenant a plan with a limit on what it sends.
async fn limit(bed: &Bed, seller: &Caller, tenant: TenantId, name: &str, sends: u64) {
    let plan = PlanPatch {
        name: Some(name.into()),
        sends_per_day: Some(Some(sends)),
        oversell: Some(true),
        ..PlanPatch::default()
    };
    let (plan, _) = plans::create(&bed.control, seller, None, plan).await.unwrap();
    let patch = TenantPatch { plan: Some(Some(plan.id)), ..TenantPatch::default() };
    let (_, revision) = tenants::update(&bed.control, seller, tenant, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
}

async fn config(node: &Node, id: MailboxId) -> Arc<MailboxConfig> {
    node.directory.mailbox(id).await.unwrap().unwrap()
}

pub async fn of_many_who_send_at_once_so_many_may(bed: Bed) {
    let (customer, caller) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    limit(&bed, &bed.operator, customer.id, "ten", 10).await;
    bed.domain(&caller, "sends.example").await;
    let ids = [bed.mailbox(&caller, "a@sends.example").await.id, bed.mailbox(&caller, "b@sends.example").await.id];
    let other = bed.second_node().await;
    let send = |number: usize| {
        let node = if number.is_multiple_of(2) { &*bed } else { &other };
        async move {
            let mailbox = config(node, ids[number % 3 % 2]).await;
            node.directory.take_sends(&mailbox, 1).await.unwrap()
        }
    };
    let sent = join_all((0..30).map(send)).await.into_iter().filter(|taken| *taken).count();
    assert_eq!(sent, 10);
    let mailbox = config(&bed, ids[0]).await;
    assert_eq!(bed.directory.sends_left(&mailbox).await.unwrap(), Some(0));
    let shown = limits::of_tenant(&bed.control, &caller, customer.id).await.unwrap();
    let item = shown.items.iter().find(|item| item.name == LimitName::SendsPerDay).unwrap();
    assert_eq!((item.used, item.max, shown.sent_last_day), (10, Some(10), 10));
    let of_mailboxes =
        [limits::sent_last_day(&bed.control, ids[0]).await, limits::sent_last_day(&bed.control, ids[1]).await];
    assert_eq!(of_mailboxes.into_iter().map(Result::unwrap).sum::<u64>(), 10);
    // What was not sent after all is free again.
    bed.directory.give_back_sends(&mailbox, 2).await;
    assert!(!bed.directory.take_sends(&mailbox, 3).await.unwrap(), "all of it or nothing");
    assert!(other.directory.take_sends(&mailbox, 2).await.unwrap());
}

pub async fn a_day_goes_by_hour_by_hour(bed: Bed) {
    let (customer, caller) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    limit(&bed, &bed.operator, customer.id, "ten", 10).await;
    bed.domain(&caller, "sends.example").await;
    let id = bed.mailbox(&caller, "a@sends.example").await.id;
    let mailbox = config(&bed, id).await;
    assert!(bed.directory.take_sends(&mailbox, 4).await.unwrap());
    bed.clock.set(START + 5 * HOUR);
    assert!(bed.directory.take_sends(&mailbox, 6).await.unwrap());
    bed.clock.set(START + 23 * HOUR);
    assert!(!bed.directory.take_sends(&mailbox, 1).await.unwrap());
    bed.clock.set(START + 24 * HOUR);
    assert_eq!(bed.directory.sends_left(&mailbox).await.unwrap(), Some(4));
    facteur::control::jobs::forget(&bed.control).await.unwrap();
    assert_eq!(bed.directory.sends_left(&mailbox).await.unwrap(), Some(4), "what is forgotten counted for nothing");
    bed.clock.set(START + 48 * HOUR);
    assert_eq!(bed.directory.sends_left(&mailbox).await.unwrap(), Some(10));
}

pub async fn every_level_of_the_tree_limits_what_is_sent(bed: Bed) {
    let (reseller, seller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    limit(&bed, &bed.operator, reseller.id, "seven", 7).await;
    let mut mailboxes = Vec::new();
    for name in ["one", "two"] {
        let (tenant, caller) = bed.tenant(&seller, TenantKind::Customer, name).await;
        limit(&bed, &seller, tenant.id, name, 3).await;
        bed.domain(&caller, &format!("{name}.example")).await;
        mailboxes.push(config(&bed, bed.mailbox(&caller, &format!("a@{name}.example")).await.id).await);
    }
    bed.domain(&seller, "own.example").await;
    let own = config(&bed, bed.mailbox(&seller, "a@own.example").await.id).await;
    assert!(bed.directory.take_sends(&mailboxes[0], 3).await.unwrap());
    assert!(!bed.directory.take_sends(&mailboxes[0], 1).await.unwrap(), "the customer's plan");
    assert!(bed.directory.take_sends(&own, 3).await.unwrap());
    assert_eq!(bed.directory.sends_left(&mailboxes[1]).await.unwrap(), Some(1), "the reseller's plan");
    assert!(!bed.directory.take_sends(&mailboxes[1], 2).await.unwrap());
    assert!(bed.directory.take_sends(&mailboxes[1], 1).await.unwrap());
    // Nothing limits the operator's own, which is counted behind its back.
    bed.domain(&bed.operator, "free.example").await;
    let free = bed.mailbox(&bed.operator, "a@free.example").await.id;
    let config = config(&bed, free).await;
    assert_eq!(bed.directory.sends_left(&config).await.unwrap(), None);
    let (activity, counting) = Counting::new(bed.directory.clone());
    activity.sent(&config, START, 5);
    activity.sent(&config, START, 1);
    let stop = CancellationToken::new();
    stop.cancel();
    // A shutdown writes what is there.
    counting.run(stop).await;
    assert_eq!(limits::sent_last_day(&bed.control, free).await.unwrap(), 6);
    let all = limits::of_tenant(&bed.control, &bed.operator, bed.operator.tenant).await.unwrap().sent_last_day;
    assert_eq!(all, 3 + 3 + 1 + 6, "the operator's count is everybody's");
}

pub async fn a_new_limit_holds_at_once(bed: Bed) {
    let (customer, caller) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    bed.domain(&caller, "sends.example").await;
    let id = bed.mailbox(&caller, "a@sends.example").await.id;
    assert_eq!(bed.directory.sends_left(&*config(&bed, id).await).await.unwrap(), None);
    limit(&bed, &bed.operator, customer.id, "two", 2).await;
    let left = async || bed.directory.sends_left(&*config(&bed, id).await).await.unwrap();
    assert_eq!(left().await, Some(2));
    // Another setting leaves it as it is.
    let (_, revision) =
        protocols::patch_mailbox(&bed.control, &caller, id, pop3(ProtocolState::Disabled), None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(left().await, Some(2));
}
