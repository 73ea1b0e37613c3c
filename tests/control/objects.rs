//! Domains, mailboxes, aliases: one name is one thing, what is in use stays, nobody overwrites unseen.

use crate::bed::{Bed, address, invalid, new_mailbox, not_found, pop3, renamed, user_patch};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::protocols::ProtocolsPatch;
use facteur::control::{Error, aliases, domains, jobs, keys, protocols, tenants, users};
use facteur::model::{Duty, ProtocolState, TenantKind};

pub async fn a_domain_has_one_spelling(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "Bücher.Example").await;
    assert_eq!((domain.name.as_str(), domain.display_name.as_str()), ("xn--bcher-kva.example", "bücher.example"));
    let (_, customer) = bed.tenant(&bed.operator, TenantKind::Customer, "c").await;
    for (spelling, caller) in [("bücher.example", &bed.operator), ("XN--BCHER-KVA.example", &customer)] {
        let again = domains::create(control, caller, None, spelling.parse().unwrap(), ProtocolsPatch::default()).await;
        assert!(matches!(again, Err(Error::AlreadyExists(_))), "{:?}", again.err());
    }
    let found = domains::get_by_name(control, &bed.operator, &"BÜCHER.example".parse().unwrap()).await.unwrap();
    assert_eq!(found.id, domain.id);
}

pub async fn an_address_is_one_thing(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "one.example").await;
    let mailbox = bed.mailbox(&bed.operator, "Alice@one.example").await;
    let targets = || vec![address("x@elsewhere.example")];
    let (alias, _) =
        aliases::create(control, &bed.operator, address("sales@one.example"), targets(), Default::default())
            .await
            .unwrap();
    let exists = |error: Option<Error>| assert!(matches!(error, Some(Error::AlreadyExists(_))), "{error:?}");
    exists(mailboxes::create(control, &bed.operator, new_mailbox("ALICE@ONE.example")).await.err());
    exists(mailboxes::create(control, &bed.operator, new_mailbox("Sales@one.example")).await.err());
    exists(
        aliases::create(control, &bed.operator, address("alice@one.example"), targets(), Default::default())
            .await
            .err(),
    );
    exists(
        aliases::create(control, &bed.operator, address("SALES@one.example"), targets(), Default::default())
            .await
            .err(),
    );
    let rename = |to: &str| MailboxPatch { address: Some(address(to)), ..MailboxPatch::default() };
    exists(mailboxes::update(control, &bed.operator, mailbox.id, rename("sales@one.example"), None).await.err());

    let (renamed, _) =
        mailboxes::update(control, &bed.operator, mailbox.id, rename("ALICE@one.example"), None).await.unwrap();
    assert_eq!(renamed.address.to_string(), "ALICE@one.example", "its own address in another spelling is no clash");
    mailboxes::update(control, &bed.operator, mailbox.id, rename("bob@one.example"), None).await.unwrap();
    bed.mailbox(&bed.operator, "alice@one.example").await;
    aliases::delete(control, &bed.operator, alias.id, None).await.unwrap();
    mailboxes::delete(control, &bed.operator, mailbox.id, None).await.unwrap();
    bed.mailbox(&bed.operator, "sales@one.example").await;
    bed.mailbox(&bed.operator, "bob@one.example").await;
    assert_eq!(jobs::purges(control).await.unwrap(), [mailbox.id], "its mail still has to go");
    jobs::purged(control, mailbox.id).await.unwrap();
    assert!(jobs::purges(control).await.unwrap().is_empty());
}

pub async fn of_many_who_want_an_address_one_gets_it(bed: Bed) {
    bed.domain(&bed.operator, "race.example").await;
    let tries: Vec<_> = (0..20)
        .map(|number| {
            let (control, caller) = (bed.control.clone(), bed.operator.clone());
            tokio::spawn(async move {
                if number % 2 == 0 {
                    mailboxes::create(&control, &caller, new_mailbox("one@race.example")).await.map(|(_, r)| r)
                } else {
                    let targets = vec![address("x@elsewhere.example")];
                    aliases::create(&control, &caller, address("One@race.example"), targets, Default::default())
                        .await
                        .map(|(_, r)| r)
                }
            })
        })
        .collect();
    let mut made = 0;
    for answer in tries {
        match answer.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, Error::AlreadyExists(_)), "{error:?}"),
        }
    }
    assert_eq!(made, 1);
}

pub async fn what_is_in_use_is_not_deleted(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "used.example").await;
    let refused = async || {
        let answer = domains::delete(control, &bed.operator, domain.id, None).await;
        assert!(matches!(answer, Err(Error::InUse(_))), "{answer:?}");
    };
    let mailbox = bed.mailbox(&bed.operator, "a@used.example").await;
    refused().await;
    mailboxes::delete(control, &bed.operator, mailbox.id, None).await.unwrap();
    let targets = vec![address("x@elsewhere.example")];
    let (alias, _) =
        aliases::create(control, &bed.operator, address("a@used.example"), targets, Default::default()).await.unwrap();
    refused().await;
    aliases::delete(control, &bed.operator, alias.id, None).await.unwrap();
    domains::delete(control, &bed.operator, domain.id, None).await.unwrap();
    not_found(domains::get(control, &bed.operator, domain.id).await);
}

pub async fn aliases_lead_somewhere(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "loop.example").await;
    let at = |number: usize| address(&format!("a{number}@loop.example"));
    let create = async |number, to| aliases::create(control, &bed.operator, at(number), to, Default::default()).await;
    invalid(create(0, vec![]).await, "required");
    invalid(create(0, vec![address("A0@loop.example")]).await, "loop");
    let many = (0..101).map(|number| address(&format!("x{number}@elsewhere.example"))).collect();
    invalid(create(0, many).await, "too_many");
    // Each points to the next, up to an address that is none yet.
    for number in 0..5 {
        create(number, vec![at(number + 1)]).await.unwrap();
    }
    invalid(create(5, vec![at(0)]).await, "loop");
    invalid(create(5, vec![address("x@elsewhere.example"), at(3)]).await, "loop");
    let (last, _) = create(5, vec![address("x@elsewhere.example"), address("X@elsewhere.example")]).await.unwrap();
    assert_eq!(last.targets.len(), 1, "one address once");
    invalid(
        aliases::update(control, &bed.operator, last.id, Some(vec![at(2)]), Default::default(), None).await,
        "loop",
    );
    aliases::update(
        control,
        &bed.operator,
        last.id,
        Some(vec![address("y@elsewhere.example")]),
        Default::default(),
        None,
    )
    .await
    .unwrap();

    // From the far end: each points to the one before.
    create(100, vec![address("x@elsewhere.example")]).await.unwrap();
    let mut deepest = 100;
    let refused = loop {
        match create(deepest + 1, vec![at(deepest)]).await {
            Ok(_) => deepest += 1,
            Err(error) => break error,
        }
        assert!(deepest < 150);
    };
    invalid::<()>(Err(refused), "too_deep");
    assert_eq!(deepest, 100 + facteur::model::bounds::ALIAS_DEPTH);
}

pub async fn nobody_overwrites_what_he_has_not_seen(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "etag.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@etag.example").await;
    let targets = vec![address("x@elsewhere.example")];
    let (alias, _) =
        aliases::create(control, &bed.operator, address("b@etag.example"), targets, Default::default()).await.unwrap();
    let (tenant, caller) = bed.tenant(&bed.operator, TenantKind::Customer, "c").await;
    let (user, _) =
        users::create(control, &caller, None, "u", crate::bed::clear(crate::bed::PASSWORD), Duty::Admin).await.unwrap();
    let new =
        keys::NewKey { name: "k".into(), tenant: None, read_only: false, expires_at: None, grants: Default::default() };
    let (key, _, _) = keys::create(control, &caller, new).await.unwrap();
    let by = &bed.operator;
    let stale = |error: Option<Error>| assert!(matches!(error, Some(Error::Stale)), "{error:?}");
    let rename = MailboxPatch { name: Some("A".into()), ..MailboxPatch::default() };
    let off = || pop3(ProtocolState::Disabled);
    let none = users_none;

    let (seen, _) = mailboxes::update(control, by, mailbox.id, rename.clone(), Some(&[mailbox.etag])).await.unwrap();
    assert_ne!(seen.etag, mailbox.etag);
    stale(mailboxes::update(control, by, mailbox.id, rename, Some(&[mailbox.etag])).await.err());
    stale(protocols::patch_mailbox(control, by, mailbox.id, off(), Some(&[mailbox.etag])).await.err());
    let (seen, _) = protocols::patch_mailbox(control, by, mailbox.id, off(), Some(&[seen.etag])).await.unwrap();
    assert_eq!(mailboxes::get(control, by, mailbox.id).await.unwrap().etag, seen.etag);
    stale(mailboxes::delete(control, by, mailbox.id, Some(&[mailbox.etag])).await.err());
    let (seen, _) = domains::update(control, by, domain.id, off(), Some(&[domain.etag])).await.unwrap();
    stale(domains::update(control, by, domain.id, off(), Some(&[domain.etag])).await.err());
    stale(domains::delete(control, by, domain.id, Some(&[seen.etag - 1])).await.err());
    aliases::update(control, by, alias.id, None, Default::default(), Some(&[alias.etag])).await.unwrap();
    stale(aliases::update(control, by, alias.id, None, Default::default(), Some(&[alias.etag])).await.err());
    stale(aliases::delete(control, by, alias.id, Some(&[alias.etag])).await.err());
    tenants::update(control, by, tenant.id, renamed("d"), Some(&[tenant.etag])).await.unwrap();
    stale(tenants::update(control, by, tenant.id, Default::default(), Some(&[tenant.etag])).await.err());
    stale(tenants::delete(control, by, tenant.id, Some(&[tenant.etag])).await.err());
    users::update(control, by, user.id, user_patch(Some("v".into()), none()), Some(&[user.etag])).await.unwrap();
    stale(users::update(control, by, user.id, user_patch(None, none()), Some(&[user.etag])).await.err());
    stale(users::delete(control, by, user.id, Some(&[user.etag])).await.err());
    keys::update(control, by, key.id, Some("l".into()), None, Some(&[key.etag])).await.unwrap();
    stale(keys::update(control, by, key.id, None, None, Some(&[key.etag])).await.err());
    stale(keys::delete(control, by, key.id, Some(&[key.etag])).await.err());
}

fn users_none() -> facteur::control::passwords::NewPassword {
    Default::default()
}
