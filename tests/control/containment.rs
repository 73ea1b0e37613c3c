//! Containing a mailbox: what ends with it, what goes on, and that releasing restores what was.

use crate::bed::{ALL, Bed, PASSWORD, PEER, client, not_allowed, pop3};
use facteur::control::app_passwords::{self, NewAppPassword};
use facteur::control::mailboxes::MailboxFilter;
use facteur::control::{Error, containment, domains, mailboxes, protocols, suspensions};
use facteur::db::suspensions::Suspended;
use facteur::directory::{Applied, EndReason};
use facteur::model::{Protocol, ProtocolState, TenantKind};

const NAME: &str = "a@contained.example";

pub async fn a_contained_mailbox_is_used_by_nobody_until_it_is_released(bed: Bed) {
    bed.domain(&bed.operator, "contained.example").await;
    let id = bed.mailbox_with_password(&bed.operator, NAME).await.id;
    let new = NewAppPassword {
        name: "phone".into(),
        protocols: Protocol::ALL.to_vec(),
        allow_from: Vec::new(),
        expires_at: None,
    };
    let (_, phone, _) = app_passwords::create(&bed.control, &bed.operator, id, new).await.unwrap();
    let off = pop3(ProtocolState::Disabled);
    let (_, revision) = protocols::patch_mailbox(&bed.control, &bed.operator, id, off, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    let opens =
        async |protocol, password: &str| bed.login.password(protocol, PEER, true, NAME, password.as_bytes()).await;
    let mut open = Vec::new();
    for (protocol, password) in [(Protocol::Imap, PASSWORD), (Protocol::Submission, &phone)] {
        let admitted = opens(protocol, password).await.unwrap();
        open.push(bed.directory.sessions().open(admitted, protocol, client(1), true).await.unwrap());
    }
    let owner = bed.sign_in.password(NAME, PASSWORD, PEER).await.unwrap();

    let reason = || "sends spam".to_owned();
    let (seen, revision) = containment::contain(&bed.control, &bed.operator, id, reason()).await.unwrap();
    assert_eq!(seen.contained.as_ref().map(|c| c.reason.as_str()), Some("sends spam"));
    assert_eq!(mailboxes::get(&bed.control, &bed.operator, id).await.unwrap().etag, seen.etag);
    let applied = bed.directory.wait_applied(revision).await;
    assert_eq!(applied, Applied { sessions_closed: 2, sessions_remaining: 0 });
    assert!(open.iter().all(|session| session.ending() == Some(EndReason::Suspended)));
    for protocol in Protocol::ALL {
        assert!(opens(*protocol, PASSWORD).await.is_err() && opens(*protocol, &phone).await.is_err());
    }
    assert!(bed.sign_in.password(NAME, PASSWORD, PEER).await.is_err());
    let now = bed.directory.mailbox(id).await.unwrap().unwrap();
    assert!(now.may_receive && now.takes_mail && !now.may_send);
    let listed = mailboxes::list(&bed.control, &bed.operator, &MailboxFilter::default(), ALL).await.unwrap();
    assert!(listed.items.iter().all(|mailbox| mailbox.contained.is_some() == (mailbox.id == id)));

    // Once, and not undone by the way for suspensions.
    let again = containment::contain(&bed.control, &bed.operator, id, reason()).await;
    assert!(matches!(again, Err(Error::InUse(_))));
    let shown = suspensions::list(&bed.control, &bed.operator, Suspended::Mailbox(id)).await.unwrap();
    assert!(shown.len() == 1 && shown[0].containment);
    let lifted = suspensions::lift(&bed.control, &bed.operator, Suspended::Mailbox(id), shown[0].id).await;
    assert!(matches!(lifted, Err(Error::InUse(_))));

    let (seen, revision) = containment::release(&bed.control, &bed.operator, id).await.unwrap();
    assert!(seen.contained.is_none());
    assert_eq!(mailboxes::get(&bed.control, &bed.operator, id).await.unwrap().etag, seen.etag);
    bed.directory.wait_applied(revision).await;
    assert!(opens(Protocol::Imap, PASSWORD).await.is_ok() && opens(Protocol::Submission, &phone).await.is_ok());
    assert!(opens(Protocol::Pop3, PASSWORD).await.is_err(), "what was off before is off again");
    assert!(bed.sign_in.recognise(&owner.access_token).await.unwrap().is_none(), "a sign-in does not come back");
    assert!(bed.sign_in.refresh(&owner.refresh_token).await.is_err());
    let free = containment::release(&bed.control, &bed.operator, id).await;
    assert!(matches!(free, Err(Error::InUse(_))));
}

pub async fn a_mailbox_is_released_where_it_was_contained_or_above(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "seller").await;
    let domain = bed.domain(&reseller, "contained.example").await;
    let id = bed.mailbox_with_password(&reseller, NAME).await.id;
    containment::contain(&bed.control, &bed.operator, id, "abuse".into()).await.unwrap();
    not_allowed(containment::release(&bed.control, &reseller, id).await);
    // Deleting it would free the address.
    not_allowed(mailboxes::delete(&bed.control, &reseller, id, None).await);
    containment::release(&bed.control, &bed.operator, id).await.unwrap();
    containment::contain(&bed.control, &reseller, id, "abuse".into()).await.unwrap();
    containment::release(&bed.control, &reseller, id).await.unwrap();
    let owner = bed.sign_in.password(NAME, PASSWORD, PEER).await.unwrap().caller;
    not_allowed(containment::contain(&bed.control, &owner, id, "mine".into()).await);
    mailboxes::delete(&bed.control, &reseller, id, None).await.unwrap();
    domains::delete(&bed.control, &reseller, domain.id, None).await.unwrap();
}
