//! Plans: what they limit, what they leave to inherit, and who may sell and choose them.

use crate::bed::{ALL, Bed, PASSWORD, PEER, address, client, invalid, new_mailbox, not_allowed, not_found};
use crate::bed::{plain_tenant, pop3, renamed};
use facteur::control::limits::Reached;
use facteur::control::mailboxes::MailboxFilter;
use facteur::control::mailboxes::{self, MailboxPatch, NewMailbox};
use facteur::control::plans::{self, Plan, PlanPatch};
use facteur::control::protocols::{ProtocolsPatch, RestrictionPatch};
use facteur::control::tenants::{self, NewTenant, TenantPatch};
use facteur::control::{Caller, Error, aliases, domains, limits, protocols};
use facteur::directory::EndReason;
use facteur::model::ids::{PlanId, TenantId};
use facteur::model::{LimitName, Limits, Protocol, ProtocolState, Quota, SettingLevel, TenantKind};
use std::time::Duration;

fn named(name: &str) -> PlanPatch {
    PlanPatch { name: Some(name.into()), ..PlanPatch::default() }
}

async fn plan(bed: &Bed, seller: &Caller, patch: PlanPatch) -> Plan {
    let patch = PlanPatch { name: patch.name.or(Some("plan".into())), ..patch };
    plans::create(&bed.control, seller, None, patch).await.unwrap().0
}

async fn choose(bed: &Bed, by: &Caller, tenant: TenantId, plan: Option<PlanId>) -> Result<(), Error> {
    let patch = TenantPatch { plan: Some(plan), ..TenantPatch::default() };
    tenants::update(&bed.control, by, tenant, patch, None).await.map(drop)
}

/// A customer with a plan.
async fn customer(bed: &Bed, above: &Caller, plan: &Plan) -> Caller {
    let (tenant, caller) = bed.tenant(above, TenantKind::Customer, "customer").await;
    choose(bed, above, tenant.id, Some(plan.id)).await.unwrap();
    caller
}

fn from(network: &str) -> RestrictionPatch {
    RestrictionPatch { allow_from: Some(Some(vec![network.parse().unwrap()])), ..RestrictionPatch::default() }
}

#[track_caller]
fn reached<T>(answer: Result<T, Error>, name: LimitName, used: u64, max: u64, layer: TenantKind) {
    let expected = Reached { name, used: Some(used), max: Some(max), layer };
    match answer.err() {
        Some(Error::LimitReached(limit)) => assert_eq!(limit, expected),
        other => panic!("{other:?}"),
    }
}

pub async fn editing_a_plan_reaches_what_inherits(bed: Bed) {
    let control = &bed.control;
    let quota = PlanPatch { quota_bytes: Some(Some(1000)), ..PlanPatch::default() };
    let plan = plan(&bed, &bed.operator, quota).await;
    let caller = customer(&bed, &bed.operator, &plan).await;
    bed.domain(&caller, "plan.example").await;
    let inherits = bed.mailbox_with_password(&caller, "a@plan.example").await;
    let own = NewMailbox { quota: Quota { bytes: Some(5), messages: None }, ..new_mailbox("b@plan.example") };
    let (own, _) = mailboxes::create(control, &caller, NewMailbox { protocols: pop3(ProtocolState::Enabled), ..own })
        .await
        .unwrap();
    assert_eq!((inherits.quota.bytes, inherits.effective_quota.bytes), (None, Some(1000)));
    assert_eq!(inherits.effective_quota.bytes_source, SettingLevel::Plan);
    assert_eq!((own.effective_quota.bytes, own.effective_quota.bytes_source), (Some(5), SettingLevel::Mailbox));
    let sessions = bed.directory.sessions();
    let open = async |id, port| {
        let config = bed.directory.mailbox(id).await.unwrap().unwrap();
        sessions.open(config, Protocol::Pop3, client(port), true).await.unwrap()
    };
    let (ends, stays) = (open(inherits.id, 1).await, open(own.id, 2).await);

    let patch =
        PlanPatch { quota_bytes: Some(Some(2000)), protocols: pop3(ProtocolState::Disabled), ..PlanPatch::default() };
    let (_, revision) = plans::update(control, &caller_of(&bed), plan.id, patch, None).await.unwrap();
    let effect = bed.directory.wait_applied(revision).await;
    assert_eq!((effect.sessions_closed, effect.sessions_remaining), (1, 1));
    let reason = tokio::time::timeout(Duration::from_secs(5), ends.ended()).await.unwrap();
    assert_eq!((reason, stays.ending()), (EndReason::ProtocolDisabled, None));
    let seen = bed.after(revision, inherits.id).await;
    assert_eq!(seen.quota.bytes, Some(2000));
    assert_eq!((seen.access(Protocol::Pop3).allowed, seen.access(Protocol::Pop3).source), (false, SettingLevel::Plan));
    let untouched = mailboxes::get(control, &caller, inherits.id).await.unwrap();
    assert_eq!((untouched.etag, untouched.quota.bytes), (inherits.etag, None), "nothing is copied");

    // A tenant's word goes before its plan's, and another plan holds at once.
    let (_, revision) =
        protocols::patch_tenant(control, &caller, caller.tenant, pop3(ProtocolState::Enabled), None).await.unwrap();
    assert_eq!(bed.after(revision, inherits.id).await.access(Protocol::Pop3).source, SettingLevel::Tenant);
    choose(&bed, &bed.operator, caller.tenant, None).await.unwrap();
    let newest = facteur::control::revisions::newest(control).await.unwrap();
    assert_eq!(bed.after(newest, inherits.id).await.quota.bytes, None);
}

fn caller_of(bed: &Bed) -> Caller {
    bed.operator.clone()
}

pub async fn what_a_plan_does_not_allow_stays_off(bed: Bed) {
    let control = &bed.control;
    let allowed = Some(Some(vec![Protocol::Imap, Protocol::Submission]));
    let plan = plan(&bed, &bed.operator, PlanPatch { allowed, ..PlanPatch::default() }).await;
    let caller = customer(&bed, &bed.operator, &plan).await;
    let on = || pop3(ProtocolState::Enabled);
    let domain = bed.domain(&caller, "off.example").await;
    let mailbox = bed.mailbox(&caller, "a@off.example").await;
    invalid(protocols::patch_mailbox(control, &caller, mailbox.id, on(), None).await, "not_in_plan");
    invalid(protocols::patch_domain(control, &caller, domain.id, on(), None).await, "not_in_plan");
    invalid(protocols::patch_tenant(control, &caller, caller.tenant, on(), None).await, "not_in_plan");
    let with = NewMailbox { protocols: on(), ..new_mailbox("b@off.example") };
    invalid(mailboxes::create(control, &caller, with).await, "not_in_plan");
    let other = "other.example".parse().unwrap();
    invalid(domains::create(control, &caller, None, other, on()).await, "not_in_plan");
    let now = protocols::of_mailbox(control, &caller, mailbox.id).await.unwrap().effective;
    assert_eq!((now.pop3.enabled, now.pop3.source), (false, SettingLevel::Plan));
    assert_eq!(now.pop3.blocked_by, [SettingLevel::Plan]);
    assert!(now.imap.enabled && now.imap.blocked_by.is_empty());

    let all = PlanPatch { allowed: Some(None), ..PlanPatch::default() };
    plans::update(control, &bed.operator, plan.id, all, None).await.unwrap();
    protocols::patch_mailbox(control, &caller, mailbox.id, on(), None).await.unwrap();
}

pub async fn a_login_comes_as_and_from_where_it_may(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "from.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@from.example").await;
    let login = async |protocol, peer: &str, tls| {
        let peer = peer.parse().unwrap();
        bed.login.password(protocol, peer, tls, "a@from.example", PASSWORD.as_bytes()).await.is_ok()
    };
    let plain = async |protocol| login(protocol, "192.0.2.1", false).await;
    assert!(plain(Protocol::Imap).await);
    let tls_only = RestrictionPatch { tls_only: Some(Some(true)), ..RestrictionPatch::default() };
    let patch = ProtocolsPatch { imap_from: tls_only, ..ProtocolsPatch::default() };
    let (now, revision) = protocols::patch_domain(control, &bed.operator, domain.id, patch, None).await.unwrap();
    assert!(now.effective.imap.tls_only && !now.effective.pop3.tls_only);
    bed.directory.wait_applied(revision).await;
    assert!(!plain(Protocol::Imap).await && plain(Protocol::Pop3).await);
    assert!(login(Protocol::Imap, "192.0.2.1", true).await);

    // A session that comes from elsewhere, and one without TLS, end.
    let config = bed.after(revision, mailbox.id).await;
    let sessions = bed.directory.sessions();
    let near = sessions.open(config.clone(), Protocol::Imap, client(1), true).await.unwrap();
    let far = sessions.open(config.clone(), Protocol::Imap, "198.51.100.9:1".parse().unwrap(), true).await.unwrap();
    assert!(sessions.open(config, Protocol::Imap, client(2), false).await.is_err(), "without TLS");
    let patch = ProtocolsPatch { imap_from: from("192.0.2.0/24"), ..ProtocolsPatch::default() };
    let (_, revision) = protocols::patch_mailbox(control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    let effect = bed.directory.wait_applied(revision).await;
    assert_eq!((effect.sessions_closed, effect.sessions_remaining), (1, 1));
    assert_eq!((near.ending(), far.ending()), (None, Some(EndReason::ProtocolDisabled)));
    assert!(!login(Protocol::Imap, "198.51.100.9", true).await);
    assert!(login(Protocol::Imap, "::ffff:192.0.2.77", true).await, "IPv4 that comes as IPv6");
    assert!(login(Protocol::Pop3, "198.51.100.9", true).await, "another protocol");

    let anywhere = RestrictionPatch { allow_from: Some(None), ..RestrictionPatch::default() };
    let patch = ProtocolsPatch { imap_from: anywhere, ..ProtocolsPatch::default() };
    let (_, revision) = protocols::patch_mailbox(control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert!(login(Protocol::Imap, "198.51.100.9", true).await);
    let many = RestrictionPatch { allow_from: Some(Some(vec!["::/0".parse().unwrap(); 101])), ..Default::default() };
    let patch = ProtocolsPatch { imap_from: many, ..ProtocolsPatch::default() };
    invalid(protocols::patch_mailbox(control, &bed.operator, mailbox.id, patch, None).await, "too_many");
}

pub async fn limits_hold_when_many_create_at_once(bed: Bed) {
    let limits = PlanPatch { mailboxes: Some(Some(5)), ..PlanPatch::default() };
    let plan = plan(&bed, &bed.operator, limits).await;
    let caller = customer(&bed, &bed.operator, &plan).await;
    bed.domain(&caller, "many.example").await;
    let tries: Vec<_> = (0..20)
        .map(|number| {
            let (control, caller) = (bed.control.clone(), caller.clone());
            let new = new_mailbox(&format!("m{number}@many.example"));
            tokio::spawn(async move { mailboxes::create(&control, &caller, new).await })
        })
        .collect();
    let mut made = Vec::new();
    for answer in tries {
        match answer.await.unwrap() {
            Ok((mailbox, _)) => made.push(mailbox.id),
            error => reached(error, LimitName::Mailboxes, 5, 5, TenantKind::Customer),
        }
    }
    assert_eq!(made.len(), 5);
    assert_eq!(mailboxes::list(&bed.control, &caller, &MailboxFilter::default(), ALL).await.unwrap().items.len(), 5);
    // One that goes makes room for one.
    mailboxes::delete(&bed.control, &caller, made[0], None).await.unwrap();
    bed.mailbox(&caller, "again@many.example").await;
    let one_more = mailboxes::create(&bed.control, &caller, new_mailbox("more@many.example")).await;
    reached(one_more, LimitName::Mailboxes, 5, 5, TenantKind::Customer);
}

pub async fn every_kind_of_limit_is_counted(bed: Bed) {
    let control = &bed.control;
    let one = Some(Some(1));
    let patch = PlanPatch { domains: one, aliases: one, bytes: Some(Some(100)), ..PlanPatch::default() };
    let plan = plan(&bed, &bed.operator, patch).await;
    let caller = customer(&bed, &bed.operator, &plan).await;
    let domain = bed.domain(&caller, "count.example").await;
    let second =
        domains::create(control, &caller, None, "two.example".parse().unwrap(), ProtocolsPatch::default()).await;
    reached(second, LimitName::Domains, 1, 1, TenantKind::Customer);
    let alias = async |name: &str| {
        let targets = vec![address("x@elsewhere.example")];
        aliases::create(control, &caller, address(name), targets, Default::default()).await
    };
    let (first, _) = alias("x@count.example").await.unwrap();
    reached(alias("y@count.example").await, LimitName::Aliases, 1, 1, TenantKind::Customer);
    aliases::delete(control, &caller, first.id, None).await.unwrap();
    alias("y@count.example").await.unwrap();

    invalid(mailboxes::create(control, &caller, new_mailbox("a@count.example")).await, "required");
    let with = |name: &str, bytes| NewMailbox {
        quota: Quota { bytes: Some(bytes), messages: None },
        ..new_mailbox(&format!("{name}@count.example"))
    };
    let (sixty, _) = mailboxes::create(control, &caller, with("a", 60)).await.unwrap();
    reached(mailboxes::create(control, &caller, with("b", 50)).await, LimitName::Bytes, 60, 100, TenantKind::Customer);
    mailboxes::create(control, &caller, with("b", 40)).await.unwrap();
    let grow = |bytes| MailboxPatch { quota_bytes: Some(Some(bytes)), ..MailboxPatch::default() };
    let refused = mailboxes::update(control, &caller, sixty.id, grow(61), None).await;
    reached(refused, LimitName::Bytes, 100, 100, TenantKind::Customer);
    mailboxes::update(control, &caller, sixty.id, grow(10), None).await.unwrap();
    // What inherits counts by the plan's default.
    let default = PlanPatch { quota_bytes: Some(Some(25)), ..PlanPatch::default() };
    plans::update(control, &bed.operator, plan.id, default, None).await.unwrap();
    bed.mailbox(&caller, "c@count.example").await;
    bed.mailbox(&caller, "d@count.example").await;
    let third = mailboxes::create(control, &caller, new_mailbox("e@count.example")).await;
    reached(third, LimitName::Bytes, 100, 100, TenantKind::Customer);

    let seen = limits::of_tenant(control, &caller, caller.tenant).await.unwrap();
    let figures: Vec<_> = seen.items.iter().map(|item| (item.used, item.max)).collect();
    assert_eq!(figures, [(1, Some(1)), (4, None), (1, Some(1)), (100, Some(100)), (0, None)]);
    let over = PlanPatch { oversell: Some(true), ..PlanPatch::default() };
    plans::update(control, &bed.operator, plan.id, over, None).await.unwrap();
    bed.mailbox(&caller, "e@count.example").await;
    assert!(domains::delete(control, &caller, domain.id, None).await.is_err(), "it is in use");
}

pub async fn a_reseller_sells_no_more_than_it_has(bed: Bed) {
    let control = &bed.control;
    let (reseller_tenant, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let of = |mailboxes| PlanPatch { mailboxes: Some(Some(mailboxes)), ..PlanPatch::default() };
    let pool = plan(&bed, &bed.operator, PlanPatch { name: Some("pool".into()), ..of(10) }).await;
    let small = plan(&bed, &reseller, PlanPatch { name: Some("small".into()), ..of(4) }).await;
    choose(&bed, &bed.operator, reseller_tenant.id, Some(pool.id)).await.unwrap();

    let create = async |plan: Option<PlanId>| {
        let new = NewTenant { plan, ..plain_tenant() };
        tenants::create(control, &reseller, new).await.map(|(tenant, _)| tenant.id)
    };
    invalid(create(None).await, "unlimited");
    let first = create(Some(small.id)).await.unwrap();
    create(Some(small.id)).await.unwrap();
    let third = create(Some(small.id)).await;
    assert!(matches!(&third, Err(Error::LimitReached(limit)) if limit.layer == TenantKind::Reseller), "{third:?}");
    // The reseller's own mailboxes come out of the same pool.
    bed.domain(&reseller, "own.example").await;
    for name in ["a", "b"] {
        bed.mailbox(&reseller, &format!("{name}@own.example")).await;
    }
    let own = mailboxes::create(control, &reseller, new_mailbox("c@own.example")).await;
    assert!(matches!(&own, Err(Error::LimitReached(limit)) if limit.used == Some(10)), "{own:?}");
    // Nor by making the plan larger, or choosing a larger one.
    let larger = plans::update(control, &reseller, small.id, of(5), None).await;
    assert!(matches!(larger, Err(Error::LimitReached(_))), "{larger:?}");
    let big = plan(&bed, &reseller, PlanPatch { name: Some("big".into()), ..of(5) }).await;
    assert!(matches!(choose(&bed, &reseller, first, Some(big.id)).await, Err(Error::LimitReached(_))));
    plans::update(control, &reseller, small.id, of(3), None).await.unwrap();
    choose(&bed, &reseller, first, Some(big.id)).await.unwrap();

    // A pool that shrank keeps nobody from selling less, and from what it does not limit.
    plans::update(control, &bed.operator, pool.id, of(5), None).await.unwrap();
    plans::update(control, &reseller, small.id, of(2), None).await.unwrap();
    choose(&bed, &reseller, first, Some(small.id)).await.unwrap();
    assert!(matches!(choose(&bed, &reseller, first, Some(big.id)).await, Err(Error::LimitReached(_))));
    bed.domain(&reseller, "another.example").await;
    let seen = limits::of_tenant(control, &reseller, reseller.tenant).await.unwrap();
    let of_name = |name| seen.items.iter().find(|item| item.name == name).map(|item| (item.used, item.max));
    assert_eq!(of_name(LimitName::Mailboxes), Some((6, Some(5))));
    assert_eq!(of_name(LimitName::Domains), Some((2, None)), "what is not limited is counted all the same");

    // Where the operator allows overselling, what is there counts, not what was sold.
    let over = PlanPatch { oversell: Some(true), ..of(3) };
    plans::update(control, &bed.operator, pool.id, over, None).await.unwrap();
    create(Some(big.id)).await.unwrap();
    let key = bed.key(&reseller, Some(first), false).await;
    bed.domain(&key, "first.example").await;
    bed.mailbox(&key, "a@first.example").await;
    match mailboxes::create(control, &key, new_mailbox("b@first.example")).await {
        Err(Error::LimitReached(limit)) => {
            assert_eq!((limit.layer, limit.used, limit.max), (TenantKind::Reseller, None, None), "not the customer's");
        }
        other => panic!("{:?}", other.map(drop)),
    }
}

/// Whoever had customers without a plan before it got a pool of its own can put them in order one by one.
pub async fn a_new_pool_holds_back_what_grows(bed: Bed) {
    let control = &bed.control;
    let (reseller_tenant, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (one, _) = bed.tenant(&reseller, TenantKind::Customer, "one").await;
    bed.tenant(&reseller, TenantKind::Customer, "two").await;
    let of = |mailboxes| PlanPatch { mailboxes: Some(Some(mailboxes)), ..PlanPatch::default() };
    let pool = plan(&bed, &bed.operator, PlanPatch { name: Some("pool".into()), ..of(10) }).await;
    let small = plan(&bed, &reseller, PlanPatch { name: Some("small".into()), ..of(4) }).await;
    choose(&bed, &bed.operator, reseller_tenant.id, Some(pool.id)).await.unwrap();
    choose(&bed, &reseller, one.id, Some(small.id)).await.unwrap();
    bed.domain(&reseller, "kept.example").await;
    bed.mailbox(&reseller, "a@kept.example").await;
    invalid(choose(&bed, &reseller, one.id, None).await, "unlimited");
    invalid(tenants::create(control, &reseller, plain_tenant()).await.map(drop), "unlimited");
}

/// The largest quotas of many sum up to something that both databases hold.
pub async fn the_largest_quotas_sum_up(bed: Bed) {
    let control = &bed.control;
    let plan = plan(&bed, &bed.operator, named("plain")).await;
    let caller = customer(&bed, &bed.operator, &plan).await;
    bed.domain(&caller, "large.example").await;
    let with = |name: &str, bytes| NewMailbox {
        quota: Quota { bytes: Some(bytes), messages: None },
        ..new_mailbox(&format!("{name}@large.example"))
    };
    invalid(mailboxes::create(control, &caller, with("a", u64::MAX >> 1)).await, "too_large");
    for name in ["a", "b", "c"] {
        mailboxes::create(control, &caller, with(name, Limits::MOST)).await.unwrap();
    }
    let seen = limits::of_tenant(control, &caller, caller.tenant).await.unwrap();
    let bytes = seen.items.iter().find(|item| item.name == LimitName::Bytes).map(|item| item.used);
    assert_eq!(bytes, Some(3 * Limits::MOST));
}

pub async fn a_plan_is_chosen_above_and_sold_between(bed: Bed) {
    let control = &bed.control;
    let (first_tenant, first) = bed.tenant(&bed.operator, TenantKind::Reseller, "first").await;
    let (_, second) = bed.tenant(&bed.operator, TenantKind::Reseller, "second").await;
    let (customer_tenant, customer) = bed.tenant(&first, TenantKind::Customer, "customer").await;
    let (theirs, others) = (plan(&bed, &first, named("theirs")).await, plan(&bed, &second, named("others")).await);
    let operators = plan(&bed, &bed.operator, named("operators")).await;

    invalid(plans::create(control, &customer, None, named("mine")).await.map(drop), "not_allowed");
    let again = plans::create(control, &first, None, named("theirs")).await;
    assert!(matches!(again, Err(Error::AlreadyExists(_))), "{again:?}");
    invalid(plans::create(control, &first, None, named(" ")).await, "required");
    let much = PlanPatch { bytes: Some(Some(u64::MAX)), ..named("much") };
    invalid(plans::create(control, &first, None, much).await, "too_large");

    invalid(choose(&bed, &first, customer_tenant.id, Some(others.id)).await, "unknown_plan");
    invalid(choose(&bed, &first, customer_tenant.id, Some(operators.id)).await, "unknown_plan");
    invalid(choose(&bed, &bed.operator, first_tenant.id, Some(theirs.id)).await, "unknown_plan");
    not_allowed(choose(&bed, &customer, customer_tenant.id, None).await);
    not_allowed(choose(&bed, &first, first_tenant.id, None).await);
    choose(&bed, &first, customer_tenant.id, Some(theirs.id)).await.unwrap();
    let refused = plans::delete(control, &first, theirs.id, None).await;
    assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");

    // A tenant reads its own plan, and changes none; others see nothing.
    assert_eq!(plans::get(control, &customer, theirs.id).await.unwrap().id, theirs.id);
    assert_eq!(protocols::of_plan(control, &customer, theirs.id).await.unwrap().etag, theirs.etag);
    not_found(plans::update(control, &customer, theirs.id, named("x"), None).await);
    not_found(protocols::patch_plan(control, &customer, theirs.id, pop3(ProtocolState::Disabled), None).await);
    not_found(plans::delete(control, &customer, theirs.id, None).await);
    for caller in [&second, &customer] {
        not_found(plans::get(control, caller, operators.id).await);
    }
    not_found(plans::get(control, &second, theirs.id).await);
    assert_eq!(plans::list(control, &first, ALL).await.unwrap().items.len(), 1);
    assert_eq!(plans::list(control, &bed.operator, ALL).await.unwrap().items.len(), 3);
    not_found(limits::of_tenant(control, &second, customer_tenant.id).await);
    let owner = bed.domain(&customer, "owner.example").await;
    bed.mailbox_with_password(&customer, "me@owner.example").await;
    let me = bed.sign_in.password("me@owner.example", PASSWORD, PEER).await.unwrap().caller;
    not_found(plans::get(control, &me, theirs.id).await);
    assert_eq!(owner.tenant, customer_tenant.id);

    choose(&bed, &first, customer_tenant.id, None).await.unwrap();
    plans::delete(control, &first, theirs.id, None).await.unwrap();
    tenants::update(control, &first, customer_tenant.id, renamed("still there"), None).await.unwrap();
}
