//! Invitations and password resets: the links that set a password once, and the mail that brings them.

use crate::bed::{ALL, Bed, PASSWORD, PEER, START, address, clear, invalid, not_allowed, not_found, user_patch};
use facteur::control::invitations::{self, NewInvitation};
use facteur::control::letters::Letterhead;
use facteur::control::outbox::{self, Outcome, Outgoing};
use facteur::control::passwords::NewPassword;
use facteur::control::recovery::{self, RecoveryPatch};
use facteur::control::sign_ins::Of;
use facteur::control::{Caller, Error, password_links, revisions, users};
use facteur::model::{Duty, Locale, TenantKind, bounds};
use std::net::IpAddr;

const NEW: &str = "chosen by the owner";
const TO: &str = "ada@elsewhere.example";

fn head() -> Letterhead {
    let from = address("postmaster@mail.example");
    Letterhead { from, link_url: "https://panel.example".into(), host: "mail.example".into() }
}

/// What is due in the outbox.
async fn due(bed: &Bed) -> Vec<Outgoing> {
    outbox::due(&bed.control, &bed.seal, &head()).await.unwrap()
}

/// The token of a letter, and its text.
fn token(outgoing: &Outgoing) -> (String, String) {
    let message = mail_parser::MessageParser::default().parse(&outgoing.message).unwrap();
    let text = message.body_text(0).unwrap().into_owned();
    let (_, rest) = text.split_once("#token=").unwrap();
    (rest.split_whitespace().next().unwrap().to_owned(), text)
}

/// Takes the one letter that is due, which goes out.
async fn letter(bed: &Bed) -> (String, String) {
    let all = due(bed).await;
    assert_eq!(all.len(), 1);
    outbox::done(&bed.control, &all[0], Outcome::Sent).await.unwrap();
    token(&all[0])
}

async fn invite(bed: &Bed, caller: &Caller, of: Of, to: &str) -> Result<invitations::Invitation, Error> {
    let new = NewInvitation { of, to: address(to), locale: None, reads: Some(Locale::French) };
    invitations::create(&bed.control, &bed.sign_in, caller, new).await.map(|(invitation, _)| invitation)
}

async fn confirm(bed: &Bed, token: &str, password: &str) -> Result<(), Error> {
    password_links::confirm(&bed.control, token, password.to_owned()).await.map(drop)
}

async fn reset(bed: &Bed, name: &str, from: IpAddr) -> Result<(), Error> {
    password_links::request(&bed.control, &bed.sign_in, name, None, from).await
}

async fn recovers(bed: &Bed, of: Of, to: &str) {
    let patch = RecoveryPatch { address: Some(Some(address(to))), ..RecoveryPatch::default() };
    recovery::update(&bed.control, &bed.sign_in, &bed.operator, of, patch, PEER).await.unwrap();
}

pub async fn an_invitation_lets_its_owner_choose_the_password_once(bed: Bed) {
    let (user, _) =
        users::create(&bed.control, &bed.operator, None, "alice", NewPassword::default(), Duty::Admin).await.unwrap();
    bed.domain(&bed.operator, "links.example").await;
    let mailbox = bed.mailbox(&bed.operator, "ada@links.example").await.id;
    for (of, name) in [(Of::User(user.id), "alice"), (Of::Mailbox(mailbox), "ada@links.example")] {
        assert!(bed.sign_in.password(name, "", PEER).await.is_err());
        let invitation = invite(&bed, &bed.operator, of, TO).await.unwrap();
        assert_eq!((invitation.state.as_str(), invitation.locale), ("pending", Locale::French));
        let (token, text) = letter(&bed).await;
        assert!(token.len() >= 43 && text.contains("Choisissez") && text.contains(name), "{text}");
        invalid(confirm(&bed, &token, "password1").await, "too_common");
        invalid(confirm(&bed, &token, &format!("{name}{name}")).await, "made_of_name");
        for wrong in ["", "x", &token[1..], &format!("{token}x"), "a\0b"] {
            invalid(confirm(&bed, wrong, NEW).await, "invalid_token");
        }
        let tries = (0..4).map(|_| {
            let (control, token) = (bed.control.clone(), token.clone());
            tokio::spawn(async move { password_links::confirm(&control, &token, NEW.into()).await })
        });
        let mut taken = 0;
        for one in tries.collect::<Vec<_>>() {
            taken += usize::from(one.await.unwrap().is_ok());
        }
        assert_eq!(taken, 1, "a link opens once");
        bed.sign_in.password(name, NEW, PEER).await.unwrap();
        let seen = invitations::get(&bed.control, &bed.operator, invitation.id).await.unwrap();
        assert_eq!((seen.state.as_str(), seen.mail.unwrap().state.as_str()), ("used", "sent"));
        // Whoever took it reads mail there.
        let known = recovery::get(&bed.control, &bed.operator, of).await.unwrap();
        assert_eq!(known.recovery_address, Some(address(TO)));
        assert!(matches!(invite(&bed, &bed.operator, of, TO).await, Err(Error::InUse(_))));
        let (log, _) = revisions::list(&bed.control, &bed.operator, None, None, 1000).await.unwrap();
        let log = serde_json::to_string(&log).unwrap();
        assert!(log.contains("accept_invitation") && !log.contains(&token) && !log.contains(NEW));
    }
}

pub async fn an_invitation_is_sent_anew_or_revoked_by_who_reaches_it(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (_, other) = bed.tenant(&bed.operator, TenantKind::Reseller, "other").await;
    bed.domain(&reseller, "links.example").await;
    let of = Of::Mailbox(bed.mailbox(&reseller, "ada@links.example").await.id);
    not_found(invite(&bed, &other, of, TO).await);
    let reads = bed.key(&reseller, None, true).await;
    not_allowed(invite(&bed, &reads, of, TO).await);
    invalid(invite(&bed, &reseller, of, "ada@links.example").await, "itself");
    let invitation = invite(&bed, &reseller, of, TO).await.unwrap();
    let first = letter(&bed).await.0;
    not_found(invitations::get(&bed.control, &other, invitation.id).await);
    not_found(invitations::revoke(&bed.control, &other, invitation.id).await);
    not_found(invitations::resend(&bed.control, &bed.sign_in, &other, invitation.id).await);
    assert!(invitations::list(&bed.control, &other, ALL).await.unwrap().items.is_empty());
    assert_eq!(invitations::list(&bed.control, &bed.operator, ALL).await.unwrap().items.len(), 1);
    invitations::resend(&bed.control, &bed.sign_in, &reseller, invitation.id).await.unwrap();
    let second = letter(&bed).await.0;
    invalid(confirm(&bed, &first, NEW).await, "invalid_token");
    invitations::revoke(&bed.control, &reseller, invitation.id).await.unwrap();
    invalid(confirm(&bed, &second, NEW).await, "invalid_token");
    let again = invitations::resend(&bed.control, &bed.sign_in, &reseller, invitation.id).await;
    assert!(matches!(again, Err(Error::InUse(_))), "{:?}", again.err());
    // What waits goes out no more once it is revoked; of several invitations the newest opens.
    let third = invite(&bed, &reseller, of, TO).await.unwrap();
    invitations::revoke(&bed.control, &reseller, third.id).await.unwrap();
    assert!(due(&bed).await.is_empty());
    invite(&bed, &reseller, of, TO).await.unwrap();
    let older = letter(&bed).await.0;
    invite(&bed, &reseller, of, TO).await.unwrap();
    let newest = letter(&bed).await.0;
    invalid(confirm(&bed, &older, NEW).await, "invalid_token");
    bed.clock.set(START + i64::try_from(bounds::INVITATION_TIME.as_millis()).unwrap());
    invalid(confirm(&bed, &newest, NEW).await, "invalid_token");
    let all = invitations::list(&bed.control, &reseller, ALL).await.unwrap().items;
    assert_eq!(all.last().unwrap().state, "expired");
}

pub async fn a_forgotten_password_is_reset_by_mail(bed: Bed) {
    bed.domain(&bed.operator, "links.example").await;
    let mailbox = bed.mailbox_with_password(&bed.operator, "ada@links.example").await.id;
    let (user, _) =
        users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    for (number, (of, name)) in
        [(Of::Mailbox(mailbox), "ada@links.example"), (Of::User(user.id), "alice")].into_iter().enumerate()
    {
        reset(&bed, name, PEER).await.unwrap();
        reset(&bed, "nobody", PEER).await.unwrap();
        assert!(due(&bed).await.is_empty(), "nowhere to send it");
        recovers(&bed, of, TO).await;
        let signed_in = bed.sign_in.password(name, PASSWORD, PEER).await.unwrap();
        reset(&bed, &name.to_uppercase(), PEER).await.unwrap();
        let first = letter(&bed).await.0;
        reset(&bed, name, PEER).await.unwrap();
        let (second, text) = letter(&bed).await;
        assert!(text.contains("asked"), "{text}");
        invalid(confirm(&bed, &first, NEW).await, "invalid_token");
        assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_some(), "asking changes nothing");
        confirm(&bed, &second, NEW).await.unwrap();
        assert!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().is_none());
        assert!(bed.sign_in.password(name, PASSWORD, PEER).await.is_err());
        bed.sign_in.password(name, NEW, PEER).await.unwrap();
        // A link is void once the password was changed otherwise, and after its time.
        reset(&bed, name, PEER).await.unwrap();
        let late = letter(&bed).await.0;
        bed.clock.set(START + (number as i64 + 1) * i64::try_from(bounds::RESET_TIME.as_millis()).unwrap());
        invalid(confirm(&bed, &late, "another one of these").await, "invalid_token");
        bed.sign_in.password(name, NEW, PEER).await.unwrap();
    }
    reset(&bed, "alice", PEER).await.unwrap();
    let void = letter(&bed).await.0;
    users::update(&bed.control, &bed.operator, user.id, user_patch(None, clear("set by somebody else")), None)
        .await
        .unwrap();
    invalid(confirm(&bed, &void, NEW).await, "invalid_token");
}

pub async fn resets_tell_nothing_and_flood_nobody(bed: Bed) {
    let (user, _) =
        users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    recovers(&bed, Of::User(user.id), TO).await;
    // Alike in time, and in the end.
    for name in ["alice", "nobody", "nobody@nowhere.example", "a\0b", ""] {
        let began = tokio::time::Instant::now();
        reset(&bed, name, [198, 51, 100, 1].into()).await.unwrap();
        assert!(began.elapsed() >= bounds::REFUSED_LOGIN_TIME, "{name:?}");
    }
    let more = (5..bounds::FAILED_LOGINS_PER_MINUTE).map(|_| reset(&bed, "nobody", [198, 51, 100, 1].into()));
    futures_util::future::join_all(more).await.into_iter().for_each(|one| one.unwrap());
    for name in ["alice", "nobody"] {
        let refused = reset(&bed, name, [198, 51, 100, 1].into()).await;
        assert!(matches!(refused, Err(Error::Throttled)), "{:?}", refused.err());
    }
    // From many networks, too, one owner gets only so many a day; signing in is another matter.
    let many = (0..bounds::LINKS_PER_DAY).map(|n| reset(&bed, "alice", [203, 0, 113, n as u8].into()));
    futures_util::future::join_all(many).await.into_iter().for_each(|one| one.unwrap());
    let links = bed.db.read().await.unwrap().all("SELECT id FROM password_links", &[]).await.unwrap();
    assert_eq!(links.len() as i64, bounds::LINKS_PER_DAY);
    assert_eq!(due(&bed).await.len(), 1, "of several only the newest goes out");
    bed.sign_in.password("alice", PASSWORD, PEER).await.unwrap();
}

pub async fn mail_that_does_not_go_out_is_tried_again_until_its_end(bed: Bed) {
    let (user, _) =
        users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    recovers(&bed, Of::User(user.id), TO).await;
    reset(&bed, "alice", PEER).await.unwrap();
    let first = due(&bed).await.pop().unwrap();
    // Another node finds it taken, until the lease is over.
    assert!(due(&bed).await.is_empty());
    outbox::done(&bed.control, &first, Outcome::Failed("451 not now".into(), false)).await.unwrap();
    bed.clock.set(START + 9_000);
    assert!(due(&bed).await.is_empty());
    bed.clock.set(START + 10_000);
    let second = due(&bed).await.pop().unwrap();
    assert_eq!(token(&first).0, token(&second).0);
    outbox::done(&bed.control, &second, Outcome::Failed("451 not now".into(), false)).await.unwrap();
    bed.clock.set(START + 60_000);
    assert!(due(&bed).await.is_empty(), "the rest grows");
    bed.clock.set(START + 70_000);
    let third = due(&bed).await.pop().unwrap();
    // A node that died holds it no longer than its lease.
    bed.clock.set(START + 70_000 + 180_000);
    let fourth = due(&bed).await.pop().unwrap();
    assert_eq!(token(&third).0, token(&fourth).0);
    outbox::done(&bed.control, &fourth, Outcome::Failed("550 no".into(), true)).await.unwrap();
    bed.clock.set(START + 3_000_000);
    assert!(due(&bed).await.is_empty(), "what was refused for good is given up");
    reset(&bed, "alice", PEER).await.unwrap();
    bed.clock.set(START + 3_000_000 + i64::try_from(bounds::RESET_TIME.as_millis()).unwrap());
    assert!(due(&bed).await.is_empty(), "nothing goes out after its link's end");
    // Nothing of what was said is left.
    let rows = bed.db.read().await.unwrap().all("SELECT letter_sealed FROM outbox", &[]).await.unwrap();
    assert!(rows.iter().all(|row| row.get::<Vec<u8>>(0).unwrap().is_empty()) && rows.len() == 2);
}

pub async fn a_recovery_address_is_changed_with_the_password(bed: Bed) {
    bed.domain(&bed.operator, "links.example").await;
    let of = Of::Mailbox(bed.mailbox_with_password(&bed.operator, "ada@links.example").await.id);
    let owner = bed.sign_in.password("ada@links.example", PASSWORD, PEER).await.unwrap().caller;
    let patch = |to: &str, password: Option<&str>| RecoveryPatch {
        address: Some(Some(address(to))),
        locale: Some(Some(Locale::French)),
        password: password.map(str::to_owned),
    };
    let update = async |caller: &Caller, patch| {
        recovery::update(&bed.control, &bed.sign_in, caller, of, patch, PEER).await.map(|(seen, _)| seen)
    };
    invalid(update(&owner, patch(TO, None)).await, "required");
    invalid(update(&owner, patch(TO, Some("not the password"))).await, "wrong_password");
    invalid(update(&owner, patch("ADA@links.example", Some(PASSWORD))).await, "itself");
    let seen = update(&owner, patch(TO, Some(PASSWORD))).await.unwrap();
    assert_eq!((seen.recovery_address, seen.locale), (Some(address(TO)), Some(Locale::French)));
    bed.mailbox_with_password(&bed.operator, "bob@links.example").await;
    let other = bed.sign_in.password("bob@links.example", PASSWORD, PEER).await.unwrap().caller;
    not_found(recovery::get(&bed.control, &other, of).await);
    not_allowed(update(&other, patch("bob@links.example", None)).await);
    let nothing = RecoveryPatch { address: Some(None), ..RecoveryPatch::default() };
    assert_eq!(update(&bed.operator, nothing).await.unwrap().locale, Some(Locale::French), "what is not said stays");
}
