//! What addresses come to: subaddresses, domains that stand for others, catch-all, reserved ones, lists, and ends.

use crate::bed::{Bed, PASSWORD, PEER, START, address, client, invalid, new_mailbox};
use facteur::control::aliases::{self, AliasUse};
use facteur::control::domains::{self, DomainPatch};
use facteur::control::lists::MailboxState;
use facteur::control::mailboxes::MailboxFilter;
use facteur::control::mailboxes::{self, MailboxPatch, NewMailbox};
use facteur::control::suspensions::{self, NewSuspension};
use facteur::control::{Error, jobs};
use facteur::db::suspensions::Suspended;
use facteur::directory::{EndReason, Route};
use facteur::model::ids::MailboxId;
use facteur::model::{EmailAddress, MailboxMode, Protocol, SuspensionScope, TenantKind, Timestamp, WhoMayPost};

const DAY: i64 = 24 * 3600 * 1000;

/// The mailboxes that an address comes to.
async fn leads_to(bed: &Bed, at: &str) -> Vec<MailboxId> {
    match bed.directory.route(&address(at)).await.unwrap() {
        Route::Local { mailboxes, remote, .. } => {
            assert!(remote.is_empty(), "{remote:?}");
            mailboxes.iter().map(|mailbox| mailbox.id).collect()
        }
        Route::UnknownAddress => Vec::new(),
        Route::NotLocal => panic!("{at} is not local"),
    }
}

async fn admits(bed: &Bed, list: &str, sender: Option<&str>) -> bool {
    let sender: Option<EmailAddress> = sender.map(address);
    match bed.directory.route(&address(list)).await.unwrap() {
        Route::Local { lists, .. } => lists.iter().all(|list| list.admits(sender.as_ref())),
        other => panic!("{other:?}"),
    }
}

async fn change(bed: &Bed, id: facteur::model::ids::DomainId, patch: DomainPatch) {
    let (_, revision) = domains::update(&bed.control, &bed.operator, id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
}

async fn patch(bed: &Bed, id: MailboxId, patch: MailboxPatch) {
    let (_, revision) = mailboxes::update(&bed.control, &bed.operator, id, patch, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
}

pub async fn a_detail_belongs_to_its_user(bed: Bed) {
    let domain = bed.domain(&bed.operator, "sub.example").await;
    let user = bed.mailbox(&bed.operator, "user@sub.example").await;
    let own = bed.mailbox(&bed.operator, "user+own@sub.example").await;
    assert_eq!(leads_to(&bed, "User+anything+else@sub.example").await, [user.id]);
    assert_eq!(leads_to(&bed, "user+own@sub.example").await, [own.id], "an address of its own goes before");
    assert!(
        leads_to(&bed, "other+x@sub.example").await.is_empty() && leads_to(&bed, "+x@sub.example").await.is_empty()
    );
    let config = bed.directory.mailbox(user.id).await.unwrap().unwrap();
    assert!(bed.directory.may_send_as(&config, &address("user+x@sub.example")).await.unwrap());
    let separator = |text: Option<&str>| DomainPatch { separator: Some(text.map(str::to_owned)), ..Default::default() };
    change(&bed, domain.id, separator(Some("-"))).await;
    assert_eq!(leads_to(&bed, "user-x@sub.example").await, [user.id]);
    assert!(leads_to(&bed, "user+x@sub.example").await.is_empty());
    change(&bed, domain.id, separator(None)).await;
    assert!(leads_to(&bed, "user-x@sub.example").await.is_empty());
    let wrong = domains::update(&bed.control, &bed.operator, domain.id, separator(Some("@")), None).await;
    invalid(wrong, "invalid");
}

pub async fn a_domain_stands_for_another(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "real.example").await;
    let user = bed.mailbox(&bed.operator, "user@real.example").await;
    let create = async |name: &str, target| {
        let new = DomainPatch { alias_of: Some(target), ..DomainPatch::default() };
        domains::create(control, &bed.operator, None, name.parse().unwrap(), new).await
    };
    let (alias, revision) = create("alias.example", domain.id).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!(leads_to(&bed, "user@alias.example").await, [user.id]);
    assert_eq!(leads_to(&bed, "user+x@alias.example").await, [user.id]);
    assert!(leads_to(&bed, "nobody@alias.example").await.is_empty());
    let config = bed.directory.mailbox(user.id).await.unwrap().unwrap();
    assert!(bed.directory.may_send_as(&config, &address("user@alias.example")).await.unwrap());
    invalid(create("third.example", alias.id).await, "alias_domain");
    invalid(mailboxes::create(control, &bed.operator, new_mailbox("a@alias.example")).await, "alias_domain");
    let (_, customer) = bed.tenant(&bed.operator, facteur::model::TenantKind::Customer, "c").await;
    let foreign = DomainPatch { alias_of: Some(domain.id), ..DomainPatch::default() };
    let theirs = domains::create(control, &customer, None, "theirs.example".parse().unwrap(), foreign).await;
    invalid(theirs, "unknown_domain");
    let refused = domains::delete(control, &bed.operator, domain.id, None).await;
    assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");
}

pub async fn unknown_and_reserved_addresses_go_where_they_are_told(bed: Bed) {
    let domain = bed.domain(&bed.operator, "all.example").await;
    assert!(leads_to(&bed, "postmaster@all.example").await.is_empty(), "nobody is there yet");
    let first = bed.mailbox(&bed.operator, "first@all.example").await;
    let second = bed.mailbox(&bed.operator, "second@all.example").await;
    assert_eq!(leads_to(&bed, "Postmaster@all.example").await, [first.id]);
    assert_eq!(leads_to(&bed, "abuse@all.example").await, [first.id]);
    assert!(leads_to(&bed, "unknown@all.example").await.is_empty());
    let all = |to: Option<&str>| DomainPatch { catch_all: Some(to.map(address)), ..DomainPatch::default() };
    change(&bed, domain.id, all(Some("second@all.example"))).await;
    assert_eq!(leads_to(&bed, "unknown@all.example").await, [second.id]);
    assert_eq!(leads_to(&bed, "unknown+x@all.example").await, [second.id]);
    assert_eq!(leads_to(&bed, "first@all.example").await, [first.id]);
    assert_eq!(leads_to(&bed, "abuse@all.example").await, [second.id]);
    let reserved = DomainPatch { reserved_to: Some(Some(address("first@all.example"))), ..DomainPatch::default() };
    change(&bed, domain.id, reserved).await;
    assert_eq!(leads_to(&bed, "abuse@all.example").await, [first.id]);
    let own = bed.mailbox(&bed.operator, "abuse@all.example").await;
    assert_eq!(leads_to(&bed, "abuse@all.example").await, [own.id]);
    let circle = domains::update(&bed.control, &bed.operator, domain.id, all(Some("nobody@all.example")), None).await;
    invalid(circle, "unknown_address");
    change(&bed, domain.id, all(None)).await;
    assert!(leads_to(&bed, "unknown@all.example").await.is_empty());
}

pub async fn a_mailbox_sends_or_receives_alone(bed: Bed) {
    bed.domain(&bed.operator, "mode.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@mode.example").await;
    let mode = |mode| MailboxPatch { mode: Some(mode), ..MailboxPatch::default() };
    let may = async || {
        let config = bed.directory.mailbox(mailbox.id).await.unwrap().unwrap();
        let takes = leads_to(&bed, "a@mode.example").await == [mailbox.id];
        (config.access(Protocol::Submission).allowed && config.may_send, takes, config.access(Protocol::Imap).allowed)
    };
    assert_eq!(may().await, (true, true, true));
    patch(&bed, mailbox.id, mode(MailboxMode::SendOnly)).await;
    assert_eq!(may().await, (true, false, true));
    patch(&bed, mailbox.id, mode(MailboxMode::ReceiveOnly)).await;
    assert_eq!(may().await, (false, true, true));
    patch(&bed, mailbox.id, mode(MailboxMode::Both)).await;
    assert_eq!(may().await, (true, true, true));
}

pub async fn a_mailbox_and_an_alias_end_when_they_say(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "end.example").await;
    let at = |ms| Some(Timestamp(START + ms));
    let past = NewMailbox { expires_at: at(0), ..new_mailbox("past@end.example") };
    invalid(mailboxes::create(control, &bed.operator, past).await, "past");
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@end.example").await;
    patch(&bed, mailbox.id, MailboxPatch { expires_at: Some(at(DAY)), ..MailboxPatch::default() }).await;
    let until = AliasUse { expires_at: Some(at(DAY)), ..AliasUse::default() };
    let targets = vec![address("a@end.example")];
    aliases::create(control, &bed.operator, address("b@end.example"), targets, until).await.unwrap();
    assert_eq!(leads_to(&bed, "b@end.example").await, [mailbox.id]);
    let login =
        async || bed.login.password(Protocol::Imap, PEER, true, "a@end.example", PASSWORD.as_bytes()).await.is_ok();
    assert!(login().await);
    let config = bed.directory.mailbox(mailbox.id).await.unwrap().unwrap();
    let session = bed.directory.sessions().open(config, Protocol::Imap, client(1), true).await.unwrap();

    bed.clock.set(START + DAY);
    assert!(leads_to(&bed, "a@end.example").await.is_empty() && leads_to(&bed, "b@end.example").await.is_empty());
    assert!(!login().await && session.ending().is_none());
    assert!(bed.sign_in.password("a@end.example", PASSWORD, PEER).await.is_err());
    jobs::due(control).await.unwrap();
    let told = facteur::control::revisions::newest(control).await.unwrap();
    bed.directory.wait_applied(told).await;
    assert_eq!(session.ending(), Some(EndReason::ProtocolDisabled));
    jobs::due(control).await.unwrap();
    assert_eq!(facteur::control::revisions::newest(control).await.unwrap(), told, "it ends once");
    patch(&bed, mailbox.id, MailboxPatch { expires_at: Some(None), ..MailboxPatch::default() }).await;
    assert!(login().await);
}

pub async fn a_deleted_mailbox_is_restored_as_it_was(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "soft.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "a@soft.example").await;
    let delete = async || {
        let revision = mailboxes::delete_softly(control, &bed.operator, mailbox.id, 7, None).await.unwrap();
        bed.directory.wait_applied(revision).await;
    };
    let login =
        async || bed.login.password(Protocol::Imap, PEER, true, "a@soft.example", PASSWORD.as_bytes()).await.is_ok();
    let config = bed.directory.mailbox(mailbox.id).await.unwrap().unwrap();
    let session = bed.directory.sessions().open(config, Protocol::Imap, client(1), true).await.unwrap();
    delete().await;
    assert_eq!(session.ending(), Some(EndReason::MailboxGone));
    assert!(!login().await && leads_to(&bed, "a@soft.example").await.is_empty());
    assert!(bed.sign_in.password("a@soft.example", PASSWORD, PEER).await.is_err());
    let taken = mailboxes::create(control, &bed.operator, new_mailbox("a@soft.example")).await;
    assert!(matches!(taken, Err(Error::AlreadyExists(_))), "its address waits for it");
    let listed = mailboxes::list(control, &bed.operator, &MailboxFilter::default(), crate::bed::ALL).await.unwrap();
    let deleted = mailboxes::list(
        control,
        &bed.operator,
        &MailboxFilter { state: Some(MailboxState::Deleted), ..MailboxFilter::default() },
        crate::bed::ALL,
    )
    .await
    .unwrap();
    assert_eq!((listed.items.len(), deleted.items.len()), (0, 1));
    assert_eq!(deleted.items[0].purge_at, Some(Timestamp(START + 7 * DAY)));
    let changed = mailboxes::update(control, &bed.operator, mailbox.id, MailboxPatch::default(), None).await;
    assert!(matches!(changed, Err(Error::InUse(_))));
    assert!(domains::delete(control, &bed.operator, domain.id, None).await.is_err());

    bed.clock.set(START + 6 * DAY);
    jobs::due(control).await.unwrap();
    let (back, revision) = mailboxes::restore(control, &bed.operator, mailbox.id, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    assert_eq!((back.deleted_at, back.purge_at, back.name), (None, None, mailbox.name.clone()));
    assert!(login().await && leads_to(&bed, "a@soft.example").await == [mailbox.id]);
    assert!(matches!(mailboxes::restore(control, &bed.operator, mailbox.id, None).await, Err(Error::InUse(_))));

    delete().await;
    bed.clock.set(START + 20 * DAY);
    jobs::due(control).await.unwrap();
    crate::bed::not_found(mailboxes::get(control, &bed.operator, mailbox.id).await);
    assert_eq!(jobs::purges(control).await.unwrap(), [mailbox.id]);
    bed.mailbox(&bed.operator, "a@soft.example").await;
}

/// Not even a catch-all gets what was meant for somebody who may come back.
pub async fn what_has_ended_falls_to_nobody(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "past.example").await;
    let all = bed.mailbox(&bed.operator, "all@past.example").await;
    let gone = bed.mailbox(&bed.operator, "gone@past.example").await;
    let until = AliasUse { expires_at: Some(Some(Timestamp(START + DAY))), ..AliasUse::default() };
    let targets = vec![address("all@past.example")];
    aliases::create(control, &bed.operator, address("brief@past.example"), targets, until).await.unwrap();
    let all_to = Some(Some(address("all@past.example")));
    change(&bed, domain.id, DomainPatch { catch_all: all_to, ..DomainPatch::default() }).await;
    assert_eq!(leads_to(&bed, "anything@past.example").await, [all.id]);
    let revision = mailboxes::delete_softly(control, &bed.operator, gone.id, 7, None).await.unwrap();
    bed.directory.wait_applied(revision).await;
    bed.clock.set(START + DAY);
    for past in ["gone@past.example", "gone+x@past.example", "brief@past.example"] {
        assert!(leads_to(&bed, past).await.is_empty(), "{past}");
    }
    let config = bed.directory.mailbox(all.id).await.unwrap().unwrap();
    assert!(!bed.directory.may_send_as(&config, &address("gone@past.example")).await.unwrap());
    // Who was to take reserved addresses is gone, too: somebody takes them all the same.
    let to_gone = DomainPatch {
        catch_all: Some(None),
        reserved_to: Some(Some(address("gone@past.example"))),
        ..Default::default()
    };
    change(&bed, domain.id, to_gone).await;
    assert_eq!(leads_to(&bed, "Postmaster@past.example").await, [all.id]);
}

pub async fn the_hosts_postmaster_is_somebody(bed: Bed) {
    let lead = async || match bed.directory.route_postmaster(&address("postmaster@host.example")).await.unwrap() {
        Route::Local { mailboxes, .. } => mailboxes.first().map(|mailbox| mailbox.id),
        _ => None,
    };
    assert_eq!(lead().await, None);
    let (_, customer) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    bed.domain(&customer, "theirs.example").await;
    bed.mailbox(&customer, "a@theirs.example").await;
    assert_eq!(lead().await, None, "a customer does not get the host's mail");
    bed.domain(&bed.operator, "ours.example").await;
    let own = bed.mailbox(&bed.operator, "a@ours.example").await;
    assert_eq!(lead().await, Some(own.id));
    bed.domain(&bed.operator, "host.example").await;
    let host = bed.mailbox(&bed.operator, "b@host.example").await;
    assert_eq!(lead().await, Some(host.id));
}

/// A domain's suspensions hold for its aliases, for what stands for it, and for who would leave it.
pub async fn a_suspended_domain_is_suspended_by_every_way(bed: Bed) {
    let control = &bed.control;
    let (_, customer) = bed.tenant(&bed.operator, TenantKind::Customer, "customer").await;
    let held = bed.domain(&customer, "held.example").await;
    bed.domain(&customer, "free.example").await;
    let bob = bed.mailbox(&customer, "bob@free.example").await;
    let inside = bed.mailbox(&customer, "inside@held.example").await;
    let targets = vec![address("bob@free.example")];
    aliases::create(control, &customer, address("sales@held.example"), targets, AliasUse::default()).await.unwrap();
    let other = DomainPatch { alias_of: Some(bob.domain), ..DomainPatch::default() };
    let (other, _) = domains::create(control, &customer, None, "other.example".parse().unwrap(), other).await.unwrap();
    let taken = DomainPatch { catch_all: Some(Some(address("bob@free.example"))), ..DomainPatch::default() };
    invalid(domains::update(control, &customer, other.id, taken, None).await, "alias_domain");
    let suspended = async |at: &str| match bed.directory.route(&address(at)).await.unwrap() {
        Route::Local { suspended, .. } => suspended,
        other => panic!("{at}: {other:?}"),
    };
    let bobs = async |at: &str| {
        let config = bed.directory.mailbox(bob.id).await.unwrap().unwrap();
        bed.directory.may_send_as(&config, &address(at)).await.unwrap()
    };
    for at in ["sales@held.example", "bob@other.example"] {
        assert!(suspended(at).await.is_empty() && bobs(at).await, "{at}");
    }
    for scope in [SuspensionScope::Receive, SuspensionScope::SendReject] {
        for of in [held.id, other.id] {
            let new = NewSuspension { scope, reason: String::new(), until: None };
            let (_, revision) = suspensions::create(control, &bed.operator, Suspended::Domain(of), new).await.unwrap();
            bed.directory.wait_applied(revision).await;
        }
    }
    for at in ["sales@held.example", "bob@other.example"] {
        assert!(suspended(at).await.contains(&SuspensionScope::Receive) && !bobs(at).await, "{at}");
    }
    assert!(suspended("bob@free.example").await.is_empty() && bobs("bob@free.example").await);
    let leave = || MailboxPatch { address: Some(address("inside@free.example")), ..MailboxPatch::default() };
    crate::bed::not_allowed(mailboxes::update(control, &customer, inside.id, leave(), None).await);
    mailboxes::update(control, &bed.operator, inside.id, leave(), None).await.unwrap();
}

pub async fn a_rename_leaves_an_alias_if_wished(bed: Bed) {
    bed.domain(&bed.operator, "left.example").await;
    let mailbox = bed.mailbox(&bed.operator, "old@left.example").await;
    let to =
        |name: &str, leave_alias| MailboxPatch { address: Some(address(name)), leave_alias, ..MailboxPatch::default() };
    patch(&bed, mailbox.id, to("new@left.example", true)).await;
    assert_eq!(leads_to(&bed, "old@left.example").await, [mailbox.id]);
    patch(&bed, mailbox.id, to("newest@left.example", false)).await;
    assert!(leads_to(&bed, "new@left.example").await.is_empty());
    let alone = MailboxPatch { leave_alias: true, ..MailboxPatch::default() };
    invalid(mailboxes::update(&bed.control, &bed.operator, mailbox.id, alone, None).await, "needs_address");
}

pub async fn a_list_takes_mail_from_whom_it_says(bed: Bed) {
    let control = &bed.control;
    bed.domain(&bed.operator, "list.example").await;
    let member = bed.mailbox(&bed.operator, "member@list.example").await;
    bed.mailbox(&bed.operator, "other@list.example").await;
    let who = |who| AliasUse {
        who_may_post: Some(who),
        posters: Some(vec![address("boss@elsewhere.example")]),
        ..AliasUse::default()
    };
    let targets = vec![address("member@list.example")];
    let (list, revision) =
        aliases::create(control, &bed.operator, address("list@list.example"), targets, who(WhoMayPost::Anyone))
            .await
            .unwrap();
    bed.directory.wait_applied(revision).await;
    let senders = ["member@list.example", "other@list.example", "x@elsewhere.example", "boss@elsewhere.example"];
    let table = [
        (WhoMayPost::Anyone, [true, true, true, true], true),
        (WhoMayPost::Members, [true, false, false, true], false),
        (WhoMayPost::Domain, [true, true, false, true], false),
        (WhoMayPost::Listed, [false, false, false, true], false),
    ];
    for (kind, expected, bounces) in table {
        let (_, revision) = aliases::update(control, &bed.operator, list.id, None, who(kind), None).await.unwrap();
        bed.directory.wait_applied(revision).await;
        for (sender, expected) in senders.iter().zip(expected) {
            assert_eq!(admits(&bed, "list@list.example", Some(sender)).await, expected, "{kind} {sender}");
        }
        assert_eq!(admits(&bed, "list@list.example", None).await, bounces, "{kind}");
    }
    let config = bed.directory.mailbox(member.id).await.unwrap().unwrap();
    assert!(!bed.directory.may_send_as(&config, &address("list@list.example")).await.unwrap());
    // A list in an alias is still a list.
    let targets = vec![address("list@list.example")];
    aliases::create(control, &bed.operator, address("all@list.example"), targets, AliasUse::default()).await.unwrap();
    assert!(!admits(&bed, "all@list.example", Some("member@list.example")).await);
}

pub async fn a_loop_is_refused_by_whatever_way_it_goes(bed: Bed) {
    let control = &bed.control;
    let domain = bed.domain(&bed.operator, "ring.example").await;
    let spelled = DomainPatch { alias_of: Some(domain.id), ..DomainPatch::default() };
    domains::create(control, &bed.operator, None, "spelled.example".parse().unwrap(), spelled).await.unwrap();
    let user = bed.mailbox(&bed.operator, "user@ring.example").await;
    let create = async |at: &str, to: &str| {
        aliases::create(control, &bed.operator, address(at), vec![address(to)], AliasUse::default()).await
    };
    let catch_all = async |to: &str| {
        let patch = DomainPatch { catch_all: Some(Some(address(to))), ..DomainPatch::default() };
        domains::update(control, &bed.operator, domain.id, patch, None).await
    };
    // A detail, another spelling, and both.
    for to in ["a+x@ring.example", "a@spelled.example", "A+x@Spelled.example"] {
        invalid(create("a@ring.example", to).await, "loop");
    }
    let (a, _) = create("a@ring.example", "user+x@spelled.example").await.unwrap();
    // By way of who takes the rest.
    catch_all("a@ring.example").await.unwrap();
    let update = async |to: &str| {
        aliases::update(control, &bed.operator, a.id, Some(vec![address(to)]), AliasUse::default(), None).await
    };
    invalid(update("nobody@ring.example").await, "loop");
    invalid(update("nobody+x@spelled.example").await, "loop");
    invalid(update("postmaster@spelled.example").await, "loop");
    create("b@ring.example", "nobody@ring.example").await.unwrap();
    invalid(update("b@ring.example").await, "loop");
    invalid(catch_all("b@ring.example").await, "loop");
    // An address of its own goes before the detail and the rest.
    bed.mailbox(&bed.operator, "a+own@ring.example").await;
    update("a+own@ring.example").await.unwrap();
    update("user@ring.example").await.unwrap();
    assert_eq!(leads_to(&bed, "b@ring.example").await, [user.id]);
}

pub async fn a_route_ends_whatever_the_rows_say(bed: Bed) {
    bed.domain(&bed.operator, "ring.example").await;
    let user = bed.mailbox(&bed.operator, "user@ring.example").await;
    for at in ["a@ring.example", "b@ring.example"] {
        aliases::create(
            &bed.control,
            &bed.operator,
            address(at),
            vec![address("x@elsewhere.example")],
            AliasUse::default(),
        )
        .await
        .unwrap();
    }
    let mut tx = bed.db.write().await.unwrap();
    for sql in [
        r#"UPDATE aliases SET targets = '["b@ring.example", "a@ring.example", "a+x@ring.example"]' WHERE address = 'a@ring.example'"#,
        r#"UPDATE aliases SET targets = '["a@ring.example", "none@ring.example", "user@ring.example"]' WHERE address = 'b@ring.example'"#,
        "UPDATE domains SET catch_all = 'a@ring.example'",
    ] {
        assert_eq!(tx.execute(sql, &[]).await.unwrap(), 1);
    }
    tx.commit().await.unwrap();
    for at in ["a@ring.example", "b+x@ring.example", "unknown@ring.example", "postmaster@ring.example"] {
        assert_eq!(leads_to(&bed, at).await, [user.id], "{at}");
    }
}
