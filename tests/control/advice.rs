//! Advice from use: what is on and unused is named, and switched off unless it was used meanwhile.

use crate::bed::{ALL, Bed, PASSWORD, PEER, START, not_allowed, not_found, pop3};
use facteur::control::advice::{self, Wanted};
use facteur::control::{Caller, Error, PageRequest, mailboxes, protocols};
use facteur::model::ids::MailboxId;
use facteur::model::{Protocol, ProtocolState, TenantKind, Timestamp};

const DAY: i64 = 24 * 3_600_000;
const POP3: Wanted = Wanted { protocol: Protocol::Pop3, days: 90, domain: None, tenant: None };

async fn named(bed: &Bed, caller: &Caller, wanted: Wanted) -> Vec<MailboxId> {
    let found = advice::unused(&bed.control, caller, wanted, ALL).await.unwrap();
    found.items.into_iter().map(|one| one.mailbox).collect()
}

async fn login(bed: &Bed, name: &str) {
    bed.login.password(Protocol::Pop3, PEER, true, name, PASSWORD.as_bytes()).await.unwrap();
}

/// Waits until the last login by POP3 is written.
async fn noted(bed: &Bed, id: MailboxId, at: i64) {
    let waited = async {
        loop {
            let all = mailboxes::last_logins(&bed.control, &bed.operator, id).await.unwrap();
            if all.iter().any(|login| login.at == Timestamp(at)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect("the login is noted");
}

pub async fn what_is_on_and_unused_is_named(bed: Bed) {
    let (_, customer) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    let (_, stranger) = bed.tenant(&bed.operator, TenantKind::Customer, "stranger").await;
    let domain = bed.domain(&customer, "use.example").await.id;
    let mut ids = Vec::new();
    for name in ["used", "once", "never", "off"] {
        ids.push(bed.mailbox_with_password(&customer, &format!("{name}@use.example")).await.id);
    }
    let [used, once, never, off] = ids[..] else { unreachable!() };
    let (_, revision) =
        protocols::patch_mailbox(&bed.control, &customer, off, pop3(ProtocolState::Disabled), None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    login(&bed, "once@use.example").await;
    noted(&bed, once, START).await;
    assert!(named(&bed, &customer, POP3).await.is_empty(), "what is new had no time to be used");
    bed.clock.set(START + 100 * DAY);
    let fresh = bed.mailbox(&customer, "fresh@use.example").await.id;
    login(&bed, "used@use.example").await;
    noted(&bed, used, START + 100 * DAY).await;
    assert_eq!(named(&bed, &customer, POP3).await, [once, never]);
    assert_eq!(named(&bed, &customer, Wanted { domain: Some(domain), ..POP3 }).await, [once, never]);
    assert_eq!(named(&bed, &customer, Wanted { days: 101, ..POP3 }).await, []);
    let imap = Wanted { protocol: Protocol::Imap, ..POP3 };
    assert_eq!(named(&bed, &bed.operator, imap).await, [used, once, never, off]);
    assert!(named(&bed, &stranger, POP3).await.is_empty());
    not_found(advice::unused(&bed.control, &stranger, Wanted { domain: Some(domain), ..POP3 }, ALL).await);
    for days in [0, 3651] {
        let refused = advice::unused(&bed.control, &customer, Wanted { days, ..POP3 }, ALL).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{days}");
    }
    let shown = advice::unused(&bed.control, &customer, POP3, ALL).await.unwrap().items;
    assert_eq!((shown[0].last_login_at, shown[1].last_login_at), (Some(Timestamp(START)), None));
    // Page by page nothing is left out.
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = advice::unused(&bed.control, &customer, imap, PageRequest { after, limit: 1 }).await.unwrap();
        all.extend(page.items.into_iter().map(|one| one.mailbox));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(all, [used, once, never, off]);
    assert!(!all.contains(&fresh));

    // What was used since is not switched off.
    advice::switch_off(&bed.control, &customer, never, Protocol::Pop3, None).await.unwrap();
    let since = advice::switch_off(&bed.control, &customer, used, Protocol::Pop3, Some(Timestamp(START))).await;
    assert!(matches!(since, Err(Error::InUse(_))));
    not_found(advice::switch_off(&bed.control, &stranger, once, Protocol::Pop3, Some(Timestamp(START))).await);
    let reader = bed.key(&customer, None, true).await;
    not_allowed(advice::switch_off(&bed.control, &reader, once, Protocol::Pop3, Some(Timestamp(START))).await);
    let revision =
        advice::switch_off(&bed.control, &customer, once, Protocol::Pop3, Some(Timestamp(START))).await.unwrap();
    assert!(!bed.after(revision, once).await.access(Protocol::Pop3).allowed);
    assert!(named(&bed, &customer, POP3).await.is_empty());
}
