//! Lists: what they are filtered by, in which order, page by page.

use crate::bed::{Bed, PASSWORD, PEER, START, address, new_mailbox, not_found, pop3};
use bytes::Bytes;
use facteur::control::aliases::{self, AliasFilter, AliasUse};
use facteur::control::containment;
use facteur::control::domains::{self, DomainFilter};
use facteur::control::keys::{self, KeyFilter};
use facteur::control::lists::{DomainState, EndState, ListPage, MailboxState, Parts, Switch, Switches, parts};
use facteur::control::mailboxes::{self, MailboxFilter, NewMailbox};
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::tenants::{self, TenantFilter};
use facteur::control::users::{self, UserFilter};
use facteur::control::{Caller, usage_copy};
use facteur::db::suspensions::Suspended;
use facteur::model::{Protocol, ProtocolState, Quota, SuspensionScope, TenantKind, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

fn by(parts: &'static Parts, sort: &str, descending: bool, limit: usize) -> ListPage {
    let sort = parts.sorts.iter().find(|key| key.name == sort).unwrap();
    ListPage { sort: Some(sort), descending, after: None, limit }
}

/// The addresses of all pages.
async fn walk(bed: &Bed, caller: &Caller, filter: &MailboxFilter, mut page: ListPage) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let paged = mailboxes::list(&bed.control, caller, filter, page.clone()).await.unwrap();
        assert!(paged.items.len() <= page.limit);
        all.extend(paged.items.iter().map(|mailbox| mailbox.address.to_string()));
        match paged.next {
            Some(next) => page.after = Some(next),
            None => return all,
        }
    }
}

async fn found(bed: &Bed, filter: MailboxFilter) -> BTreeSet<String> {
    let page = by(&parts::MAILBOXES, "id", false, 1000);
    let all = walk(bed, &bed.operator, &filter, page).await;
    all.iter().map(|address| address.split('@').next().unwrap().to_owned()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Every order shows each mailbox once, whatever the size of a page, also when rows are equal in it.
pub async fn pages_are_whole_in_every_order(bed: Bed) {
    let (customer, _) = bed.tenant(&bed.operator, TenantKind::Customer, "one").await;
    bed.domain(&bed.operator, "a.example").await;
    let new = domains::create(
        &bed.control,
        &bed.operator,
        Some(customer.id),
        "b.example".parse().unwrap(),
        domains::DomainPatch::default(),
    );
    new.await.unwrap();
    let mut made = Vec::new();
    for (number, local) in ["zoe", "ada", "Änne", "bob_x", "bobax", "b%b", "mia"].iter().enumerate() {
        let at = format!("{local}@{}.example", if number % 2 == 0 { "a" } else { "b" });
        bed.mailbox(&bed.operator, &at).await;
        made.push(at);
        if number % 3 == 0 {
            bed.clock.set(bed.clock.now_ms() + 1000);
        }
    }
    let mut by_key: Vec<(String, String)> = made.iter().map(|at| (address(at).key().to_owned(), at.clone())).collect();
    by_key.sort();
    let by_key: Vec<String> = by_key.into_iter().map(|(_, at)| at).collect();
    let all = MailboxFilter::default();
    for limit in [1, 2, 3, 1000] {
        for (sort, wanted) in [("id", &made), ("created_at", &made), ("address", &by_key), ("used_bytes", &made)] {
            let up = walk(&bed, &bed.operator, &all, by(&parts::MAILBOXES, sort, false, limit)).await;
            assert_eq!(&up, wanted, "{sort} by {limit}");
            let mut down = walk(&bed, &bed.operator, &all, by(&parts::MAILBOXES, sort, true, limit)).await;
            down.reverse();
            assert_eq!(&down, wanted, "-{sort} by {limit}");
        }
    }
    // What is deleted under way is not missed, and what was shown is not shown again.
    let mut page = by(&parts::MAILBOXES, "address", false, 2);
    let first = mailboxes::list(&bed.control, &bed.operator, &all, page.clone()).await.unwrap();
    mailboxes::delete(&bed.control, &bed.operator, first.items[1].id, None).await.unwrap();
    page.after = first.next;
    assert_eq!(walk(&bed, &bed.operator, &all, page).await, by_key[2..]);
    // A tenant's own are those of its domains.
    let filter = MailboxFilter { tenant: Some(customer.id), ..MailboxFilter::default() };
    let below = walk(&bed, &bed.operator, &filter, by(&parts::MAILBOXES, "address", false, 2)).await;
    assert!(below.len() >= 2 && below.iter().all(|at| at.ends_with("@b.example")), "{below:?}");
}

/// A prefix is a prefix, whatever letters it has.
pub async fn prefixes_are_taken_by_the_letter(bed: Bed) {
    bed.domain(&bed.operator, "a.example").await;
    for local in ["bob", "bob_x", "bobax", "b%b", "Änne", "straße"] {
        bed.mailbox(&bed.operator, &format!("{local}@a.example")).await;
    }
    let of = async |prefix: &str| {
        found(&bed, MailboxFilter { prefix: Some(prefix.into()), ..MailboxFilter::default() }).await
    };
    assert_eq!(of("bob").await, names(&["bob", "bob_x", "bobax"]));
    assert_eq!(of("BOB_").await, names(&["bob_x"]));
    assert_eq!(of("b%").await, names(&["b%b"]));
    assert_eq!(of("%").await, names(&[]));
    assert_eq!(of("_").await, names(&[]));
    assert_eq!(of("än").await, names(&["Änne"]));
    assert_eq!(of("STRASS").await, names(&["straße"]));
    assert_eq!(of("bob@").await, names(&["bob"]));
    assert_eq!(of("bob@A.ex").await, names(&["bob"]));
    assert_eq!(of("' OR 1=1 --").await, names(&[]));
    assert_eq!(of("").await.len(), 6);
    for (prefix, code) in
        [("a\0".to_owned(), "control_character"), ("a\n".into(), "control_character"), ("x".repeat(10_240), "too_long")]
    {
        let filter = MailboxFilter { prefix: Some(prefix.clone()), ..MailboxFilter::default() };
        crate::bed::invalid(mailboxes::list(&bed.control, &bed.operator, &filter, crate::bed::ALL).await, code);
        let filter = UserFilter { prefix: Some(prefix), ..UserFilter::default() };
        crate::bed::invalid(users::list(&bed.control, &bed.operator, &filter, crate::bed::ALL).await, code);
    }
    let domains = DomainFilter { prefix: Some("A.".into()), ..DomainFilter::default() };
    assert_eq!(domains::list(&bed.control, &bed.operator, &domains, crate::bed::ALL).await.unwrap().items.len(), 1);
    let users = UserFilter { prefix: Some("OPER".into()), ..UserFilter::default() };
    assert_eq!(users::list(&bed.control, &bed.operator, &users, crate::bed::ALL).await.unwrap().items.len(), 1);
    bed.tenant(&bed.operator, TenantKind::Reseller, "Acme").await;
    let tenants =
        TenantFilter { prefix: Some("aC".into()), kind: Some(TenantKind::Reseller), ..TenantFilter::default() };
    assert_eq!(tenants::list(&bed.control, &bed.operator, &tenants, crate::bed::ALL).await.unwrap().items.len(), 1);
}

/// Each mailbox is in one state, and the states share them out.
pub async fn every_mailbox_is_in_one_state(bed: Bed) {
    for name in ["a.example", "s.example"] {
        bed.domain(&bed.operator, name).await;
    }
    let control = &bed.control;
    for local in ["plain@a", "held@a", "suspended@a", "gone@a", "ended@a", "both@a", "over@a", "in@s"] {
        let expires_at = (local == "ended@a").then_some(Timestamp(START + 1000));
        let new = NewMailbox { expires_at, ..new_mailbox(&format!("{local}.example")) };
        let mailbox = mailboxes::create(control, &bed.operator, new).await.unwrap().0;
        let suspend = async |until: Option<i64>| {
            let new =
                NewSuspension { scope: SuspensionScope::Receive, reason: "unpaid".into(), until: until.map(Timestamp) };
            suspensions::create(control, &bed.operator, Suspended::Mailbox(mailbox.id), new).await.unwrap();
        };
        match local {
            "suspended@a" => suspend(None).await,
            "over@a" => suspend(Some(START + 1000)).await,
            "both@a" | "held@a" => {
                containment::contain(control, &bed.operator, mailbox.id, "spam".into()).await.unwrap();
                if local == "both@a" {
                    suspend(None).await;
                }
            }
            "gone@a" => drop(mailboxes::delete_softly(control, &bed.operator, mailbox.id, 30, None).await.unwrap()),
            "in@s" => {
                let new = NewSuspension { scope: SuspensionScope::Login, reason: "unpaid".into(), until: None };
                suspensions::create(control, &bed.operator, Suspended::Domain(mailbox.domain), new).await.unwrap();
            }
            _ => {}
        }
    }
    bed.clock.set(START + 2000);
    let of = async |state| found(&bed, MailboxFilter { state: Some(state), ..MailboxFilter::default() }).await;
    assert_eq!(of(MailboxState::Active).await, names(&["plain", "over"]));
    assert_eq!(of(MailboxState::Suspended).await, names(&["suspended", "in"]));
    assert_eq!(of(MailboxState::Contained).await, names(&["held", "both"]));
    assert_eq!(of(MailboxState::Expired).await, names(&["ended"]));
    assert_eq!(of(MailboxState::Deleted).await, names(&["gone"]));
    assert_eq!(found(&bed, MailboxFilter::default()).await.len(), 7);
    let domains_in = async |state| {
        let filter = DomainFilter { state: Some(state), ..DomainFilter::default() };
        let items = domains::list(control, &bed.operator, &filter, crate::bed::ALL).await.unwrap().items;
        items.iter().map(|domain| domain.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(domains_in(DomainState::Active).await, ["a.example"]);
    assert_eq!(domains_in(DomainState::Suspended).await, ["s.example"]);
    // What the filter by protocol says is what the directory does.
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Submission] {
        let mut on = BTreeSet::new();
        let all = mailboxes::list(control, &bed.operator, &MailboxFilter::default(), crate::bed::ALL).await.unwrap();
        for mailbox in all.items {
            let protocols = facteur::control::protocols::of_mailbox(control, &bed.operator, mailbox.id).await.unwrap();
            let effective = protocols.effective;
            let access = match protocol {
                Protocol::Imap => effective.imap,
                Protocol::Pop3 => effective.pop3,
                Protocol::Submission => effective.submission,
            };
            if access.enabled {
                on.insert(mailbox.address.local().to_owned());
            }
        }
        assert_eq!(
            found(&bed, MailboxFilter { protocols: switch(protocol, Switch::Enabled), ..MailboxFilter::default() })
                .await,
            on
        );
        let off =
            found(&bed, MailboxFilter { protocols: switch(protocol, Switch::Disabled), ..MailboxFilter::default() })
                .await;
        assert!(on.is_disjoint(&off) && on.len() + off.len() == 7, "{on:?} {off:?}");
    }
}

fn switch(protocol: Protocol, to: Switch) -> Switches {
    let mut switches = Switches::default();
    match protocol {
        Protocol::Imap => switches.imap = Some(to),
        Protocol::Pop3 => switches.pop3 = Some(to),
        Protocol::Submission => switches.submission = Some(to),
    }
    switches
}

/// The nearest level decides, and no level switches on what a plan forbids.
pub async fn protocols_are_filtered_as_they_are_in_effect(bed: Bed) {
    use ProtocolState::{Disabled, Enabled};
    bed.domain(&bed.operator, "a.example").await;
    let off = bed.domain(&bed.operator, "off.example").await;
    domains::update(&bed.control, &bed.operator, off.id, pop3(Disabled), None).await.unwrap();
    for (local, says) in
        [("inherits@a", None), ("off@a", Some(Disabled)), ("below@off", None), ("on@off", Some(Enabled))]
    {
        let protocols = says.map(pop3).unwrap_or_default();
        let new = NewMailbox { protocols, ..new_mailbox(&format!("{local}.example")) };
        mailboxes::create(&bed.control, &bed.operator, new).await.unwrap();
    }
    let of = async |to| {
        found(&bed, MailboxFilter { protocols: switch(Protocol::Pop3, to), ..MailboxFilter::default() }).await
    };
    assert_eq!(of(Switch::Enabled).await, names(&["inherits", "on"]));
    assert_eq!(of(Switch::Disabled).await, names(&["off", "below"]));
    let domains = async |to| {
        let filter = DomainFilter { protocols: switch(Protocol::Pop3, to), ..DomainFilter::default() };
        domains::list(&bed.control, &bed.operator, &filter, crate::bed::ALL).await.unwrap().items.len()
    };
    assert_eq!((domains(Switch::Enabled).await, domains(Switch::Disabled).await), (1, 1));
    let customers = bed.tenant(&bed.operator, TenantKind::Customer, "none").await.0;
    let nobody = MailboxFilter { tenant: Some(customers.id), ..MailboxFilter::default() };
    assert!(found(&bed, nobody).await.is_empty());
}

/// What nobody used for long, and what is full.
pub async fn what_is_unused_or_full_is_found(bed: Bed) {
    bed.domain(&bed.operator, "a.example").await;
    let control = &bed.control;
    for (local, bytes) in [("full", Some(10)), ("half", Some(1000)), ("free", None)] {
        let new = NewMailbox {
            quota: Quota { bytes, messages: None },
            password: crate::bed::clear(PASSWORD),
            ..new_mailbox(&format!("{local}@a.example"))
        };
        mailboxes::create(control, &bed.operator, new).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let store = match bed.db.postgres() {
        Some(pool) => facteur::store::Store::open_postgres(pool.clone(), folder.path(), bed.clock.clone()).await,
        None => facteur::store::Store::open_sqlite(folder.path(), bed.clock.clone()).await,
    };
    let store = store.unwrap();
    let all = mailboxes::list(control, &bed.operator, &MailboxFilter::default(), crate::bed::ALL).await.unwrap().items;
    for (mailbox, octets) in all.iter().zip([10, 20, 5]) {
        append(&store, mailbox.id, mailbox.tenant, octets).await;
    }
    usage_copy::copy(control, &store).await.unwrap();
    let of = async |filter: MailboxFilter| found(&bed, filter).await;
    let none = MailboxFilter::default;
    assert_eq!(of(MailboxFilter { over_quota: Some(true), ..none() }).await, names(&["full"]));
    assert_eq!(of(MailboxFilter { over_quota: Some(false), ..none() }).await, names(&["free", "half"]));
    assert_eq!(of(MailboxFilter { used_above: Some(10), ..none() }).await, names(&["half"]));
    assert_eq!(of(MailboxFilter { used_above: Some(i64::MAX), ..none() }).await, names(&[]));
    let order = walk(&bed, &bed.operator, &none(), by(&parts::MAILBOXES, "used_bytes", true, 1)).await;
    assert_eq!(order, ["half@a.example", "full@a.example", "free@a.example"]);
    // What a crash kept from being copied is found by comparing.
    append(&store, all[2].id, all[2].tenant, 100).await;
    drop(store.take_usage_changed());
    let mut after = Some(facteur::model::ids::MailboxId(0));
    while let Some(from) = after {
        after = usage_copy::check(control, &store, from).await.unwrap();
    }
    usage_copy::copy(control, &store).await.unwrap();
    assert_eq!(of(MailboxFilter { used_above: Some(100), ..none() }).await, names(&["free"]));
    store.close().await;

    bed.clock.set(START + 3_600_000);
    let since = Some(Timestamp(bed.clock.now_ms()));
    assert_eq!(of(MailboxFilter { not_used_since: since, ..none() }).await.len(), 3);
    let attempt = bed.login.password(Protocol::Imap, PEER, true, "half@a.example", PASSWORD.as_bytes()).await;
    assert!(attempt.is_ok());
    let unused = async || of(MailboxFilter { not_used_since: since, ..none() }).await;
    // The login is noted behind its answer.
    while unused().await.len() == 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(unused().await, names(&["free", "full"]));
    let young = Some(Timestamp(START));
    assert!(of(MailboxFilter { not_used_since: young, ..none() }).await.is_empty(), "younger than the moment");
}

async fn append(
    store: &facteur::store::Store,
    id: facteur::model::ids::MailboxId,
    tenant: facteur::model::ids::TenantId,
    octets: usize,
) {
    use facteur::store::{Delivery, MailboxRef};
    let mut stager = store.stage();
    stager.write(&vec![b'x'; octets]).await.unwrap();
    let body = Arc::new(stager.finish().await.unwrap());
    let mailbox = MailboxRef { id, tenant };
    let delivery = Delivery { mailbox, quota: Quota::default(), prefix: Bytes::new(), internal_date: 1 };
    store.deliver(body, vec![delivery]).await.unwrap();
}

/// Aliases and keys end; nobody sees what lies beside or above.
pub async fn other_lists_are_filtered_too(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "a.example").await;
    for (local, end) in [("soon", Some(START + 1000)), ("never", None)] {
        let used = AliasUse { expires_at: Some(end.map(Timestamp)), who_may_post: None, posters: None };
        let target = vec![address("x@elsewhere.example")];
        aliases::create(control, &bed.operator, address(&format!("{local}@a.example")), target, used).await.unwrap();
    }
    bed.clock.set(START + 2000);
    for (state, wanted) in [(EndState::Active, "never@a.example"), (EndState::Expired, "soon@a.example")] {
        let filter = AliasFilter { state: Some(state), ..AliasFilter::default() };
        let items = aliases::list(control, &bed.operator, &filter, crate::bed::ALL).await.unwrap().items;
        assert_eq!(items.iter().map(|alias| alias.address.to_string()).collect::<Vec<_>>(), [wanted]);
    }
    let (one, caller) = bed.tenant(&bed.operator, TenantKind::Customer, "one").await;
    let (other, _) = bed.tenant(&bed.operator, TenantKind::Customer, "other").await;
    let keys_of = |tenant| KeyFilter { tenant, ..KeyFilter::default() };
    assert_eq!(
        keys::list(control, &bed.operator, &keys_of(Some(one.id)), crate::bed::ALL).await.unwrap().items.len(),
        1
    );
    not_found(keys::list(control, &caller, &keys_of(Some(other.id)), crate::bed::ALL).await);
    assert_eq!(keys::list(control, &caller, &keys_of(None), crate::bed::ALL).await.unwrap().items.len(), 1);
    let since = KeyFilter { not_used_since: Some(Timestamp(START)), ..KeyFilter::default() };
    assert!(keys::list(control, &bed.operator, &since, crate::bed::ALL).await.unwrap().items.is_empty());
    for sort in ["name", "created_at", "last_used_at"] {
        let page = by(&parts::KEYS, sort, true, 1);
        assert!(keys::list(control, &bed.operator, &KeyFilter::default(), page).await.unwrap().next.is_some());
    }
    let page = by(&parts::TENANTS, "name", false, 2);
    let items = tenants::list(control, &bed.operator, &TenantFilter::default(), page).await.unwrap().items;
    assert!(items[0].name.to_lowercase() <= items[1].name.to_lowercase());
    // A key or user of a tenant names no plan of another: the filter finds nothing.
    let plan = Some(facteur::model::ids::PlanId(7));
    assert!(
        tenants::list(control, &caller, &TenantFilter { plan, ..TenantFilter::default() }, crate::bed::ALL)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
