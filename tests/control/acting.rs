//! Acting for somebody below: who may, what the log says of it, and what it is not good for.

use crate::bed::{Bed, PASSWORD, PEER, START, clear, invalid, not_allowed, not_found, user_patch};
use facteur::auth::tokens::ACCESS_SECONDS;
use facteur::control::keys::{self, NewKey};
use facteur::control::mailboxes::{self, MailboxPatch};
use facteur::control::sign_in::SignedIn;
use facteur::control::sign_ins::{self, Of};
use facteur::control::{Caller, Error, login_as, own_password, revisions, second_factor, tenants, users};
use facteur::model::{Duty, TenantKind};

const REASON: &str = "ticket 4711";

async fn act(bed: &Bed, caller: &Caller, of: Of) -> Result<SignedIn, Error> {
    let why = (REASON.to_owned(), PEER.into());
    login_as::begin(&bed.control, &bed.sign_in, caller, of, why).await.map(|(signed_in, _)| signed_in)
}

pub async fn what_is_done_for_somebody_is_under_both_names(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (rita, _) = users::create(&bed.control, &reseller, None, "rita", clear(PASSWORD), Duty::Admin).await.unwrap();
    bed.domain(&reseller, "for.example").await;
    let mailbox = bed.mailbox_with_password(&reseller, "ada@for.example").await;
    let ada = bed.sign_in.password("ada@for.example", PASSWORD, PEER).await.unwrap();
    let acting = act(&bed, &reseller, Of::Mailbox(mailbox.id)).await.unwrap();
    let caller = bed.sign_in.recognise(&acting.access_token).await.unwrap().unwrap();
    assert_eq!((caller.id, caller.actor.clone()), (ada.caller.id, Some(reseller.id.to_string())));
    let patch = MailboxPatch { name: Some("Ada L.".into()), ..MailboxPatch::default() };
    mailboxes::update(&bed.control, &caller, mailbox.id, patch, None).await.unwrap();
    // The owner sees it, in the log and among the sign-ins, and ends it.
    let (log, _) = revisions::list(&bed.control, &ada.caller, None, None, 2).await.unwrap();
    assert_eq!((log[0].action.as_str(), &log[0].caller), ("update_mailbox", &reseller.id.to_string()));
    assert_eq!(log[0].on_behalf_of, Some(mailbox.id.to_string()));
    assert_eq!((log[1].action.as_str(), &log[1].on_behalf_of), ("login_as", &None));
    assert_eq!(log[1].after.as_ref().unwrap()["reason"], REASON);
    assert_eq!(revisions::get(&bed.control, &ada.caller, log[0].number).await.unwrap().number, log[0].number);
    let seen = sign_ins::list(&bed.control, &ada.caller, Of::Mailbox(mailbox.id)).await.unwrap();
    let said = seen[0].acting.as_ref().unwrap();
    assert_eq!((said.by.as_str(), said.reason.as_str()), (reseller.id.to_string().as_str(), REASON));
    assert!(seen[1].acting.is_none());
    sign_ins::revoke(&bed.control, &ada.caller, Of::Mailbox(mailbox.id), seen[0].id).await.unwrap();
    assert!(bed.sign_in.recognise(&acting.access_token).await.unwrap().is_none());

    // It is a matter of minutes, and of who acts still standing above.
    let acting = act(&bed, &bed.operator, Of::User(rita.id)).await.unwrap();
    assert!(acting.refresh_token.is_empty());
    bed.clock.set(START + ACCESS_SECONDS * 1000);
    assert!(bed.sign_in.recognise(&acting.access_token).await.unwrap().is_none());
    let (second, _) =
        users::create(&bed.control, &bed.operator, None, "second", clear(PASSWORD), Duty::Admin).await.unwrap();
    let support = bed.sign_in.password("second", PASSWORD, PEER).await.unwrap().caller;
    let acting = act(&bed, &support, Of::User(rita.id)).await.unwrap();
    assert!(bed.sign_in.recognise(&acting.access_token).await.unwrap().is_some());
    users::delete(&bed.control, &bed.operator, second.id, None).await.unwrap();
    assert!(bed.sign_in.recognise(&acting.access_token).await.unwrap().is_none());
    // A new password of whom it is for ends it, too.
    let acting = act(&bed, &bed.operator, Of::User(rita.id)).await.unwrap();
    users::update(&bed.control, &reseller, rita.id, user_patch(None, clear("another password")), None).await.unwrap();
    assert!(bed.sign_in.recognise(&acting.access_token).await.unwrap().is_none());
}

pub async fn who_acts_stands_above_and_says_why(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (_, customers) = bed.tenant(&reseller, TenantKind::Customer, "customer").await;
    let (_, other) = bed.tenant(&bed.operator, TenantKind::Reseller, "other").await;
    let make = async |by: &Caller, name: &str| {
        users::create(&bed.control, by, None, name, clear(PASSWORD), Duty::Admin).await.unwrap().0.id
    };
    let (rita, carl) = (make(&reseller, "rita").await, make(&customers, "carl").await);
    bed.domain(&customers, "above.example").await;
    let mailbox = bed.mailbox(&customers, "a@above.example").await.id;
    for of in [Of::User(carl), Of::Mailbox(mailbox)] {
        not_found(act(&bed, &other, of).await);
        not_allowed(act(&bed, &customers, of).await);
        act(&bed, &reseller, of).await.unwrap();
        act(&bed, &bed.operator, of).await.unwrap();
    }
    // Neither beside nor above, and not without a reason.
    not_allowed(act(&bed, &reseller, Of::User(rita)).await);
    not_found(act(&bed, &customers, Of::User(rita)).await);
    for nothing in ["", "  "] {
        let why = (nothing.to_owned(), PEER.into());
        invalid(
            login_as::begin(&bed.control, &bed.sign_in, &bed.operator, Of::User(carl), why).await.map(drop),
            "required",
        );
    }
    // Whoever is narrowed would be less so as somebody else.
    let narrow = NewKey {
        name: "narrow".into(),
        tenant: None,
        read_only: false,
        expires_at: None,
        grants: facteur::db::keys::Grants { scopes: Some(vec!["users:write".parse().unwrap()]), ..Default::default() },
    };
    let (_, text, _) = keys::create(&bed.control, &bed.operator, narrow).await.unwrap();
    let narrow = bed.sign_in.recognise(&text).await.unwrap().unwrap();
    not_allowed(act(&bed, &narrow, Of::User(carl)).await);
    let reads = bed.key(&bed.operator, None, true).await;
    not_allowed(act(&bed, &reads, Of::User(carl)).await);
    let acting = act(&bed, &bed.operator, Of::User(rita)).await.unwrap().caller;
    not_allowed(act(&bed, &acting, Of::User(carl)).await);
}

pub async fn who_acts_leaves_nothing_that_opens_later(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (rita, _) = users::create(&bed.control, &reseller, None, "rita", clear(PASSWORD), Duty::Admin).await.unwrap();
    bed.domain(&reseller, "later.example").await;
    let mailbox = bed.mailbox_with_password(&reseller, "a@later.example").await.id;
    let (control, sign_in) = (&bed.control, &bed.sign_in);
    let mine = bed.sign_in.password("rita", PASSWORD, PEER).await.unwrap().caller;
    for of in [Of::User(rita.id), Of::Mailbox(mailbox)] {
        let token = act(&bed, &bed.operator, of).await.unwrap().access_token;
        let acting = bed.sign_in.recognise(&token).await.unwrap().unwrap();
        not_allowed(own_password::change(control, sign_in, &acting, (PASSWORD, "a new password".into()), PEER).await);
        not_allowed(second_factor::enrol(control, sign_in, &acting, (PASSWORD, "h"), PEER).await.map(drop));
        not_allowed(second_factor::disable(control, sign_in, &acting, (PASSWORD, "1"), PEER).await);
        let patch = MailboxPatch { password: clear("a new password"), ..MailboxPatch::default() };
        not_allowed(mailboxes::update(control, &acting, mailbox, patch, None).await);
        let app = facteur::control::app_passwords::NewAppPassword {
            name: "x".into(),
            protocols: facteur::model::Protocol::ALL.to_vec(),
            allow_from: Vec::new(),
            expires_at: None,
        };
        not_allowed(facteur::control::app_passwords::create(control, &acting, mailbox, app).await.map(drop));
        let key =
            NewKey { name: "k".into(), tenant: None, read_only: true, expires_at: None, grants: Default::default() };
        not_allowed(keys::create(control, &acting, key).await.map(drop));
        not_allowed(users::create(control, &acting, None, "mole", clear(PASSWORD), Duty::Admin).await);
        not_allowed(users::update(control, &acting, rita.id, user_patch(None, clear("a new password")), None).await);
        not_allowed(users::delete(control, &acting, rita.id, None).await);
    }
    let acting = act(&bed, &bed.operator, Of::User(rita.id)).await.unwrap().caller;
    not_allowed(sign_ins::revoke(control, &acting, Of::User(rita.id), mine.sign_in.unwrap()).await);
    // What is no key to anything is done as by the user.
    tenants::get(control, &acting, reseller.tenant).await.unwrap();
    bed.domain(&acting, "made.example").await;
    sign_ins::revoke(control, &acting, Of::User(rita.id), acting.sign_in.unwrap()).await.unwrap();
}
