//! Who reaches what: the tree of tenants, keys that may only read, owners of mailboxes.

use crate::bed::{
    ALL, Bed, PASSWORD, PEER, address, clear, invalid, new_mailbox, not_allowed, not_found, plain_tenant, pop3,
    renamed, user_patch,
};
use facteur::control::aliases::AliasFilter;
use facteur::control::domains::DomainFilter;
use facteur::control::keys::KeyFilter;
use facteur::control::keys::{self, NewKey};
use facteur::control::mailboxes::MailboxFilter;
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::protocols::ProtocolsPatch;
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::tenants::TenantFilter;
use facteur::control::tenants::{self, NewTenant};
use facteur::control::users::UserFilter;
use facteur::control::{Caller, CallerId, aliases, domains, protocols, revisions, users};
use facteur::db::suspensions::Suspended;
use facteur::model::{Duty, ProtocolState, Role, SuspensionScope, TenantKind};

/// Two resellers, each with a customer.
async fn two_resellers(bed: &Bed) -> [(Caller, Caller); 2] {
    let (_, first) = bed.tenant(&bed.operator, TenantKind::Reseller, "first").await;
    let (_, first_customer) = bed.tenant(&first, TenantKind::Customer, "first's customer").await;
    let (_, second) = bed.tenant(&bed.operator, TenantKind::Reseller, "second").await;
    let (_, second_customer) = bed.tenant(&second, TenantKind::Customer, "second's customer").await;
    [(first, first_customer), (second, second_customer)]
}

pub async fn tenants_stand_only_where_their_kind_may(bed: Bed) {
    let [(reseller, customer), _] = two_resellers(&bed).await;
    assert_eq!((reseller.role, customer.role), (Role::Reseller, Role::Customer));
    let create = async |caller: &Caller, kind| {
        let new = NewTenant { name: "new".into(), kind, parent: None, ..plain_tenant() };
        tenants::create(&bed.control, caller, new).await
    };
    create(&bed.operator, TenantKind::Customer).await.unwrap();
    create(&reseller, TenantKind::Customer).await.unwrap();
    for kind in [TenantKind::Operator, TenantKind::Reseller, TenantKind::Customer] {
        invalid(create(&customer, kind).await, "not_allowed");
    }
    invalid(create(&reseller, TenantKind::Reseller).await, "not_allowed");
    invalid(create(&reseller, TenantKind::Operator).await, "not_allowed");
    invalid(create(&bed.operator, TenantKind::Operator).await, "not_allowed");
    let empty = NewTenant { name: " ".into(), kind: TenantKind::Customer, parent: None, ..plain_tenant() };
    invalid(tenants::create(&bed.control, &reseller, empty).await, "required");
    let above =
        NewTenant { name: "x".into(), kind: TenantKind::Customer, parent: Some(bed.operator.tenant), ..plain_tenant() };
    not_found(tenants::create(&bed.control, &reseller, above).await);
    not_allowed(tenants::delete(&bed.control, &reseller, reseller.tenant, None).await);
    not_allowed(tenants::delete(&bed.control, &customer, customer.tenant, None).await);
}

pub async fn a_tenant_is_deleted_once_it_is_empty(bed: Bed) {
    let new = NewTenant { name: "short".into(), kind: TenantKind::Customer, parent: None, ..plain_tenant() };
    let (tenant, _) = tenants::create(&bed.control, &bed.operator, new).await.unwrap();
    let name = "short.example".parse().unwrap();
    let (domain, _) =
        domains::create(&bed.control, &bed.operator, Some(tenant.id), name, ProtocolsPatch::default()).await.unwrap();
    let refused = tenants::delete(&bed.control, &bed.operator, tenant.id, None).await;
    assert!(matches!(refused, Err(facteur::control::Error::InUse(_))), "{refused:?}");
    domains::delete(&bed.control, &bed.operator, domain.id, None).await.unwrap();
    tenants::delete(&bed.control, &bed.operator, tenant.id, None).await.unwrap();
    not_found(tenants::get(&bed.control, &bed.operator, tenant.id).await);
}

pub async fn what_lies_elsewhere_is_not_there(bed: Bed) {
    let [(_, owner), (stranger, stranger_customer)] = two_resellers(&bed).await;
    let control = &bed.control;
    let domain = bed.domain(&owner, "owner.example").await;
    let mailbox = bed.mailbox(&owner, "a@owner.example").await;
    let targets = vec![address("a@owner.example")];
    let (alias, _) = aliases::create(control, &owner, address("b@owner.example"), targets.clone(), Default::default())
        .await
        .unwrap();
    let (user, _) = users::create(control, &owner, None, "owner", clear(PASSWORD), Duty::Admin).await.unwrap();
    let new_key =
        NewKey { name: "k".into(), tenant: None, read_only: false, expires_at: None, grants: Default::default() };
    let (key, _, _) = keys::create(control, &owner, new_key.clone()).await.unwrap();
    let (of_mailbox, of_domain) = (Suspended::Mailbox(mailbox.id), Suspended::Domain(domain.id));
    let stop = || NewSuspension { scope: SuspensionScope::Login, reason: "x".into(), until: None };
    let (suspension, revision) = suspensions::create(control, &owner, of_mailbox, stop()).await.unwrap();

    for caller in [&stranger, &stranger_customer] {
        not_found(tenants::get(control, caller, owner.tenant).await);
        not_found(tenants::update(control, caller, owner.tenant, renamed("x"), None).await);
        not_found(tenants::delete(control, caller, owner.tenant, None).await);
        not_found(users::get(control, caller, user.id).await);
        not_found(users::update(control, caller, user.id, user_patch(None, clear("another one")), None).await);
        not_found(users::delete(control, caller, user.id, None).await);
        not_found(users::create(control, caller, Some(owner.tenant), "spy", clear(PASSWORD), Duty::Admin).await);
        not_found(keys::get(control, caller, key.id).await);
        not_found(keys::update(control, caller, key.id, Some("x".into()), None, None).await);
        not_found(keys::delete(control, caller, key.id, None).await);
        not_found(keys::create(control, caller, NewKey { tenant: Some(owner.tenant), ..new_key.clone() }).await);
        not_found(domains::get(control, caller, domain.id).await);
        not_found(domains::get_by_name(control, caller, &domain.name).await);
        not_found(domains::update(control, caller, domain.id, pop3(ProtocolState::Disabled), None).await);
        not_found(domains::delete(control, caller, domain.id, None).await);
        not_found(
            domains::list(
                control,
                caller,
                &DomainFilter { tenant: Some(owner.tenant), ..DomainFilter::default() },
                ALL,
            )
            .await,
        );
        let theirs = "theirs.example".parse().unwrap();
        not_found(domains::create(control, caller, Some(owner.tenant), theirs, ProtocolsPatch::default()).await);
        not_found(protocols::of_domain(control, caller, domain.id).await);
        not_found(protocols::of_mailbox(control, caller, mailbox.id).await);
        not_found(protocols::patch_domain(control, caller, domain.id, pop3(ProtocolState::Disabled), None).await);
        not_found(protocols::patch_mailbox(control, caller, mailbox.id, pop3(ProtocolState::Disabled), None).await);
        not_found(mailboxes::get(control, caller, mailbox.id).await);
        not_found(mailboxes::get_by_address(control, caller, &mailbox.address).await);
        not_found(mailboxes::update(control, caller, mailbox.id, MailboxPatch::default(), None).await);
        not_found(mailboxes::delete(control, caller, mailbox.id, None).await);
        not_found(mailboxes::last_logins(control, caller, mailbox.id).await);
        not_found(
            mailboxes::list(
                control,
                caller,
                &MailboxFilter { domain: Some(domain.id), ..MailboxFilter::default() },
                ALL,
            )
            .await,
        );
        not_found(
            mailboxes::list(
                control,
                caller,
                &MailboxFilter { tenant: Some(owner.tenant), ..MailboxFilter::default() },
                ALL,
            )
            .await,
        );
        invalid(mailboxes::create(control, caller, new_mailbox("spy@owner.example")).await, "unknown_domain");
        not_found(aliases::get(control, caller, alias.id).await);
        not_found(aliases::update(control, caller, alias.id, Some(targets.clone()), Default::default(), None).await);
        not_found(aliases::delete(control, caller, alias.id, None).await);
        not_found(
            aliases::list(control, caller, &AliasFilter { domain: Some(domain.id), ..AliasFilter::default() }, ALL)
                .await,
        );
        let spying =
            aliases::create(control, caller, address("spy@owner.example"), targets.clone(), Default::default()).await;
        invalid(spying, "unknown_domain");
        for of in [of_mailbox, of_domain] {
            not_found(suspensions::list(control, caller, of).await);
            not_found(suspensions::create(control, caller, of, stop()).await);
            not_found(suspensions::lift(control, caller, of, suspension.id).await);
        }
        not_found(revisions::get(control, caller, revision.0).await);
        let seen = revisions::list(control, caller, Some(&mailbox.id.to_string()), None, 100).await.unwrap();
        assert!(seen.0.is_empty());
    }
}

pub async fn lists_show_what_lies_at_and_below(bed: Bed) {
    let [(reseller, customer), (other, other_customer)] = two_resellers(&bed).await;
    let control = &bed.control;
    for (caller, domain) in [(&customer, "one.example"), (&other_customer, "two.example"), (&reseller, "own.example")] {
        bed.domain(caller, domain).await;
        bed.mailbox(caller, &format!("a@{domain}")).await;
        let alias = address(&format!("b@{domain}"));
        aliases::create(control, caller, alias, vec![address("c@elsewhere.example")], Default::default())
            .await
            .unwrap();
        users::create(control, caller, None, domain, clear(PASSWORD), Duty::Admin).await.unwrap();
    }
    let expected =
        [(&bed.operator, 3, 5), (&reseller, 2, 2), (&customer, 1, 1), (&other, 1, 2), (&other_customer, 1, 1)];
    for (caller, objects, tenant_count) in expected {
        assert_eq!(domains::list(control, caller, &DomainFilter::default(), ALL).await.unwrap().items.len(), objects);
        assert_eq!(
            mailboxes::list(control, caller, &MailboxFilter::default(), ALL).await.unwrap().items.len(),
            objects
        );
        assert_eq!(aliases::list(control, caller, &AliasFilter::default(), ALL).await.unwrap().items.len(), objects);
        assert_eq!(
            tenants::list(control, caller, &TenantFilter::default(), ALL).await.unwrap().items.len(),
            tenant_count
        );
        assert_eq!(
            keys::list(control, caller, &KeyFilter::default(), ALL).await.unwrap().items.len(),
            tenant_count.min(4)
        );
        let operators = usize::from(caller.role == Role::Operator);
        assert_eq!(
            users::list(control, caller, &UserFilter::default(), ALL).await.unwrap().items.len(),
            objects + operators
        );
    }
    let by_tenant = mailboxes::list(
        control,
        &bed.operator,
        &MailboxFilter { tenant: Some(reseller.tenant), ..MailboxFilter::default() },
        ALL,
    )
    .await
    .unwrap();
    assert_eq!(by_tenant.items.len(), 2);
}

pub async fn pages_show_everything_once(bed: Bed) {
    bed.domain(&bed.operator, "pages.example").await;
    for number in 0..7 {
        bed.mailbox(&bed.operator, &format!("m{number}@pages.example")).await;
    }
    let first = facteur::control::PageRequest { after: 0, limit: 3 };
    let (mut seen, mut page) = (Vec::new(), facteur::control::lists::ListPage::from(first));
    loop {
        let answer =
            mailboxes::list(&bed.control, &bed.operator, &MailboxFilter::default(), page.clone()).await.unwrap();
        assert!(answer.items.len() <= 3);
        seen.extend(answer.items.iter().map(|mailbox| mailbox.address.to_string()));
        match answer.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, (0..7).map(|number| format!("m{number}@pages.example")).collect::<Vec<_>>());
}

pub async fn a_mailboxs_owner_reaches_it_alone(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "own.example").await;
    let own = bed.mailbox_with_password(&bed.operator, "me@own.example").await;
    let other = bed.mailbox(&bed.operator, "other@own.example").await;
    let me = bed.sign_in.password("Me@Own.Example", PASSWORD, PEER).await.unwrap().caller;
    assert_eq!((me.id, me.role), (CallerId::Mailbox(own.id), Role::MailboxUser));

    mailboxes::get(control, &me, own.id).await.unwrap();
    protocols::of_mailbox(control, &me, own.id).await.unwrap();
    suspensions::list(control, &me, Suspended::Mailbox(own.id)).await.unwrap();
    let rename = MailboxPatch { name: Some("Me".into()), ..MailboxPatch::default() };
    let (changed, _) = mailboxes::update(control, &me, own.id, rename.clone(), None).await.unwrap();
    assert_eq!(changed.name, "Me");
    for patch in [
        MailboxPatch { address: Some(address("you@own.example")), ..MailboxPatch::default() },
        MailboxPatch { quota_bytes: Some(None), ..MailboxPatch::default() },
        MailboxPatch { quota_messages: Some(Some(1)), ..MailboxPatch::default() },
    ] {
        not_allowed(mailboxes::update(control, &me, own.id, patch, None).await);
    }
    not_found(mailboxes::get(control, &me, other.id).await);
    not_found(mailboxes::update(control, &me, other.id, rename, None).await);
    not_found(protocols::of_mailbox(control, &me, other.id).await);
    not_found(domains::get(control, &me, domain.id).await);
    not_found(tenants::get(control, &me, me.tenant).await);
    not_allowed(protocols::patch_mailbox(control, &me, own.id, pop3(ProtocolState::Enabled), None).await);
    not_allowed(mailboxes::delete(control, &me, own.id, None).await);
    not_allowed(mailboxes::create(control, &me, new_mailbox("new@own.example")).await);
    not_allowed(mailboxes::list(control, &me, &MailboxFilter::default(), ALL).await);
    not_allowed(users::list(control, &me, &UserFilter::default(), ALL).await);
    let own = mailbox_log(control, &me).await;
    assert!(own.iter().all(|object| *object == me.id.to_string()) && !own.is_empty(), "{own:?}");
    not_allowed(revisions::list(control, &me, Some("dom_0000000000001"), None, 10).await);
    let key = NewKey { name: "k".into(), tenant: None, read_only: true, expires_at: None, grants: Default::default() };
    not_allowed(keys::create(control, &me, key).await);
}

pub async fn a_key_that_may_only_read_changes_nothing(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "read.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@read.example").await;
    let reader = bed.key(&bed.operator, None, true).await;
    let before = revisions::newest(control).await.unwrap();
    mailboxes::get(control, &reader, mailbox.id).await.unwrap();
    not_allowed(mailboxes::update(control, &reader, mailbox.id, MailboxPatch::default(), None).await);
    not_allowed(mailboxes::delete(control, &reader, mailbox.id, None).await);
    not_allowed(mailboxes::create(control, &reader, new_mailbox("b@read.example")).await);
    not_allowed(domains::delete(control, &reader, domain.id, None).await);
    not_allowed(protocols::patch_domain(control, &reader, domain.id, pop3(ProtocolState::Disabled), None).await);
    not_allowed(protocols::patch_mailbox(control, &reader, mailbox.id, pop3(ProtocolState::Disabled), None).await);
    not_allowed(users::create(control, &reader, None, "x", clear(PASSWORD), Duty::Admin).await);
    let key =
        NewKey { name: "wider".into(), tenant: None, read_only: false, expires_at: None, grants: Default::default() };
    not_allowed(keys::create(control, &reader, key).await);
    assert_eq!(revisions::newest(control).await.unwrap(), before);
}

/// The objects of the revisions that somebody sees.
async fn mailbox_log(control: &facteur::control::Control, caller: &Caller) -> Vec<String> {
    let (log, _) = revisions::list(control, caller, None, None, 1000).await.unwrap();
    log.into_iter().map(|revision| revision.object).collect()
}
