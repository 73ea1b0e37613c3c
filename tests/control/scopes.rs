//! What narrows a key: resources and actions, domains, networks; and that no key makes a wider one.

use crate::bed::{ALL, Bed, PASSWORD, PEER, address, clear, invalid, new_mailbox, not_allowed, not_found, user_patch};
use facteur::control::keys::KeyFilter;
use facteur::control::keys::{self, NewKey};
use facteur::control::mailboxes::MailboxFilter;
use facteur::control::{Caller, aliases, domains, mailboxes, own_password, tenants, users};
use facteur::db::keys::Grants;
use facteur::model::{Duty, Resource, Role};

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
    assert_eq!(
        mailboxes::list(control, &key, &MailboxFilter { domain: Some(own.id), ..MailboxFilter::default() }, ALL)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    not_found(domains::get(control, &key, other.id).await);
    not_found(mailboxes::get(control, &key, elsewhere.id).await);
    not_found(
        mailboxes::list(control, &key, &MailboxFilter { domain: Some(other.id), ..MailboxFilter::default() }, ALL)
            .await,
    );
    not_allowed(mailboxes::list(control, &key, &MailboxFilter::default(), ALL).await);
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
    let seen = keys::list(control, &key, &KeyFilter::default(), ALL).await.unwrap().items;
    assert!(seen.iter().any(|key| key.id == narrow.id) && seen.iter().all(|key| key.id != wide.id), "{seen:?}");
    // A user has neither scopes nor an end; a webhook tells what the key may not read.
    not_allowed(users::create(control, &key, None, "wider", clear(PASSWORD), Duty::Admin).await);
    not_allowed(key.may_use(Resource::Webhooks, true));
}

/// A user of a duty, signed in.
async fn of_duty(bed: &Bed, name: &str, duty: Duty) -> Caller {
    users::create(&bed.control, &bed.operator, None, name, clear(PASSWORD), duty).await.unwrap();
    bed.sign_in.password(name, PASSWORD, PEER).await.unwrap().caller
}

pub async fn a_duty_narrows_a_user(bed: Bed) {
    let control = &bed.control;
    let (reader, support) =
        (of_duty(&bed, "auditor", Duty::ReadOnly).await, of_duty(&bed, "helper", Duty::Support).await);
    bed.domain(&bed.operator, "own.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@own.example").await;
    for (who, duty) in [(&reader, Duty::ReadOnly), (&support, Duty::Support)] {
        assert_eq!((who.role, who.duty), (Role::Operator, Some(duty)));
        for resource in Resource::ALL {
            let may = who.may_use(resource, true).is_ok();
            assert_eq!(may, duty == Duty::Support && resource == Resource::Sessions, "{duty} {}", resource.as_str());
        }
        assert!(who.may_use(Resource::Mailboxes, false).is_ok() && who.may_use(Resource::Revisions, false).is_ok());
        mailboxes::get(control, who, mailbox.id).await.unwrap();
        // Nobody hands out what he lacks, nor makes a way around it.
        not_allowed(users::create(control, who, None, "wider", clear(PASSWORD), Duty::Admin).await);
        assert!(keys::create(control, who, new_key(Grants::default())).await.is_err());
    }
    mailboxes::may_end_sessions(control, &support, mailbox.id).await.unwrap();
    not_allowed(mailboxes::may_end_sessions(control, &reader, mailbox.id).await);
    assert!(reader.may_use(Resource::Keys, false).is_ok(), "the auditor sees everything");
    not_allowed(support.may_use(Resource::Keys, false));
    not_allowed(support.may_use(Resource::Webhooks, false));
    invalid(keys::create(control, &support, new_key(Grants::default())).await, "wider_than_own");
    make(&bed, &support, scopes(&["mailboxes:read", "sessions:write"])).await.unwrap();
    invalid(make(&bed, &support, scopes(&["mailboxes:write"])).await, "wider_than_own");
}

pub async fn a_duty_is_chosen_by_another_and_holds_at_once(bed: Bed) {
    let control = &bed.control;
    let (user, _) = users::create(control, &bed.operator, None, "mia", clear(PASSWORD), Duty::Admin).await.unwrap();
    let signed_in = bed.sign_in.password("mia", PASSWORD, PEER).await.unwrap();
    let mia = bed.sign_in.recognise(&signed_in.access_token).await.unwrap().unwrap();
    let to = |duty| users::UserPatch { duty: Some(duty), ..users::UserPatch::default() };
    not_allowed(users::update(control, &mia, user.id, to(Duty::Support), None).await);
    let (after, _) = users::update(control, &bed.operator, user.id, to(Duty::ReadOnly), None).await.unwrap();
    assert_eq!(after.duty, Duty::ReadOnly);
    // The same token, from the next request on.
    let mia = bed.sign_in.recognise(&signed_in.access_token).await.unwrap().unwrap();
    assert!(mia.read_only && mia.may_use(Resource::Domains, true).is_err());
    not_allowed(users::update(control, &mia, user.id, user_patch(Some("mia2".into()), Default::default()), None).await);

    // Its own password is its own, but not for who has a token alone.
    let change = async |caller: &Caller, old: &str, new: &str| {
        own_password::change(control, &bed.sign_in, caller, (old, new.to_owned()), PEER).await
    };
    invalid(change(&mia, "not the password", "a password of mine").await, "wrong_password");
    invalid(change(&mia, PASSWORD, "short").await, "too_short");
    change(&mia, PASSWORD, "a password of mine").await.unwrap();
    assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_some(), "who changed it goes on");
    let again = bed.sign_in.password("mia", "a password of mine", PEER).await.unwrap();
    bed.sign_in.sign_out(&again.access_token).await.unwrap();
    assert!(bed.sign_in.recognise(&again.access_token).await.unwrap().is_none());
    let key = bed.key(&bed.operator, None, false).await;
    not_allowed(change(&key, PASSWORD, "a password of mine").await);
}
