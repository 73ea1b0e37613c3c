//! What narrows a key: resources and actions, domains, networks; and that no key makes a wider one.

use crate::bed::{ALL, Bed, PASSWORD, address, clear, invalid, new_mailbox, not_allowed, not_found};
use facteur::control::keys::{self, NewKey};
use facteur::control::{Caller, aliases, domains, mailboxes, tenants, users};
use facteur::db::keys::Grants;
use facteur::model::Resource;

fn new_key(grants: Grants) -> NewKey {
    NewKey { name: "narrow".into(), tenant: None, read_only: false, expires_at: None, grants }
}

async fn make(bed: &Bed, maker: &Caller, grants: Grants) -> Result<Caller, facteur::control::Error> {
    let (_, text, _) = keys::create(&bed.control, maker, new_key(grants)).await?;
    Ok(bed.sign_in.recognise(&text).await.unwrap().unwrap())
}

fn scopes(words: &[&str]) -> Grants {
    Grants { scopes: Some(words.iter().map(|word| word.parse().unwrap()).collect()), ..Grants::default() }
}

fn networks(words: &[&str]) -> Grants {
    Grants { allow_from: Some(words.iter().map(|word| word.parse().unwrap()).collect()), ..Grants::default() }
}

pub async fn a_key_is_for_what_its_scopes_say(bed: Bed) {
    let key = make(&bed, &bed.operator, scopes(&["mailboxes:read", "keys:write"])).await.unwrap();
    assert!(key.may_use(Resource::Mailboxes, false).is_ok() && key.may_use(Resource::Keys, true).is_ok());
    not_allowed(key.may_use(Resource::Mailboxes, true));
    not_allowed(key.may_use(Resource::Domains, false));
    assert!(bed.operator.may_use(Resource::Domains, true).is_ok());
    invalid(make(&bed, &key, Grants::default()).await, "wider_than_own");
    invalid(make(&bed, &key, scopes(&["mailboxes:write"])).await, "wider_than_own");
    invalid(make(&bed, &key, scopes(&["*:read"])).await, "wider_than_own");
    make(&bed, &key, scopes(&["keys:read", "mailboxes:read"])).await.unwrap();
    invalid(make(&bed, &bed.operator, scopes(&[])).await, "required");
}

pub async fn a_key_for_a_domain_reaches_that_alone(bed: Bed) {
    let control = &bed.control;
    let (own, other) =
        (bed.domain(&bed.operator, "own.example").await, bed.domain(&bed.operator, "other.example").await);
    let elsewhere = bed.mailbox(&bed.operator, "a@other.example").await;
    let key = make(&bed, &bed.operator, Grants { domains: Some(vec![own.id]), ..Grants::default() }).await.unwrap();
    let mailbox = bed.mailbox(&key, "a@own.example").await;
    domains::get(control, &key, own.id).await.unwrap();
    mailboxes::get(control, &key, mailbox.id).await.unwrap();
    let targets = vec![address("a@own.example")];
    aliases::create(control, &key, address("b@own.example"), targets, Default::default()).await.unwrap();
    assert_eq!(mailboxes::list(control, &key, Some(own.id), None, ALL).await.unwrap().items.len(), 1);
    not_found(domains::get(control, &key, other.id).await);
    not_found(mailboxes::get(control, &key, elsewhere.id).await);
    not_found(mailboxes::list(control, &key, Some(other.id), None, ALL).await);
    not_allowed(mailboxes::list(control, &key, None, None, ALL).await);
    invalid(mailboxes::create(control, &key, new_mailbox("b@other.example")).await, "unknown_domain");
    not_found(tenants::get(control, &key, bed.operator.tenant).await);
    not_found(keys::create(control, &key, new_key(Grants::default())).await);
    let third = "third.example".parse().unwrap();
    not_found(domains::create(control, &key, None, third, domains::DomainPatch::default()).await);
}

pub async fn a_key_is_good_where_it_says(bed: Bed) {
    let maker = &bed.operator;
    let (made, text, _) = keys::create(&bed.control, maker, new_key(networks(&["192.0.2.0/24"]))).await.unwrap();
    let from = |address: &str| Some(address.parse().unwrap());
    assert!(bed.sign_in.recognise_at(&text, from("198.51.100.1")).await.unwrap().is_none());
    assert!(keys::get(&bed.control, maker, made.id).await.unwrap().last_used_at.is_none());
    let key = bed.sign_in.recognise_at(&text, from("::ffff:192.0.2.9")).await.unwrap().unwrap();
    assert_eq!(keys::get(&bed.control, maker, made.id).await.unwrap().last_used_from.as_deref(), Some("192.0.2.9"));
    invalid(make(&bed, &key, Grants::default()).await, "wider_than_own");
    invalid(make(&bed, &key, networks(&["192.0.0.0/16"])).await, "wider_than_own");
    make(&bed, &key, networks(&["192.0.2.1"])).await.unwrap();
}

pub async fn a_narrow_key_sees_and_makes_nothing_wider(bed: Bed) {
    let control = &bed.control;
    let (wide, _, _) = keys::create(control, &bed.operator, new_key(Grants::default())).await.unwrap();
    let (narrow, _, _) = keys::create(control, &bed.operator, new_key(scopes(&["keys:read"]))).await.unwrap();
    let key = make(&bed, &bed.operator, scopes(&["keys:write", "users:write", "webhooks:write"])).await.unwrap();
    not_found(keys::get(control, &key, wide.id).await);
    not_found(keys::update(control, &key, wide.id, Some("mine".into()), None, None).await);
    not_found(keys::delete(control, &key, wide.id, None).await);
    keys::get(control, &key, narrow.id).await.unwrap();
    let seen = keys::list(control, &key, ALL).await.unwrap().items;
    assert!(seen.iter().any(|key| key.id == narrow.id) && seen.iter().all(|key| key.id != wide.id), "{seen:?}");
    // A user has neither scopes nor an end; a webhook tells what the key may not read.
    not_allowed(users::create(control, &key, None, "wider", clear(PASSWORD)).await);
    not_allowed(key.may_use(Resource::Webhooks, true));
}
