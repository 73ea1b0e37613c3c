//! Second factors: what they ask for, that a code is taken once, and who takes one away.

use crate::bed::{Bed, PASSWORD, PEER, START, clear, invalid, not_allowed, not_found};
use facteur::auth::tokens::CHALLENGE_SECONDS;
use facteur::control::sign_in::{FirstStep, SignedIn};
use facteur::control::sign_ins::Of;
use facteur::control::{Caller, Error, bootstrap, revisions, second_factor, users};
use facteur::model::{Duty, Protocol, TenantKind, bounds};
use std::net::IpAddr;

const NOW: i64 = START / 1000;

/// What an authenticator shows at a moment (Unix seconds), written anew from RFC 6238 and RFC 4226.
fn code(secret: &str, at: i64) -> String {
    let bits: String =
        secret.chars().map(|c| format!("{:05b}", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap())).collect();
    let octets: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
        .collect();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &octets);
    let tag = aws_lc_rs::hmac::sign(&key, &(at / 30).to_be_bytes());
    let from = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[from..from + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn enrolled(bed: &Bed, caller: &Caller) -> (String, Vec<String>) {
    let enrolment =
        second_factor::enrol(&bed.control, &bed.sign_in, caller, (PASSWORD, "mail.example"), PEER).await.unwrap();
    let now = bed.control.now_ms() / 1000;
    let (codes, _) =
        second_factor::confirm(&bed.control, &bed.sign_in, caller, &code(&enrolment.secret, now)).await.unwrap();
    (enrolment.secret, codes)
}

async fn challenge(bed: &Bed, name: &str) -> String {
    match bed.sign_in.first_step(name, PASSWORD, PEER).await.unwrap() {
        FirstStep::Challenge(challenge, _) => challenge,
        FirstStep::SignedIn(_) => panic!("no code is asked for"),
    }
}

async fn second(bed: &Bed, challenge: &str, code: &str) -> Result<SignedIn, Error> {
    bed.sign_in.second_step(challenge, code, PEER).await
}

#[track_caller]
fn refused<T>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::SignInRefused)), "{:?}", answer.err());
}

async fn people(bed: &Bed) -> [Caller; 2] {
    users::create(&bed.control, &bed.operator, None, "alice", clear(PASSWORD), Duty::Admin).await.unwrap();
    bed.domain(&bed.operator, "two.example").await;
    bed.mailbox_with_password(&bed.operator, "ada@two.example").await;
    let alice = bed.sign_in.password("alice", PASSWORD, PEER).await.unwrap().caller;
    [alice, bed.sign_in.password("ada@two.example", PASSWORD, PEER).await.unwrap().caller]
}

pub async fn a_sign_in_takes_both_factors(bed: Bed) {
    for (caller, name) in people(&bed).await.iter().zip(["alice", "ada@two.example"]) {
        let begun = bed.control.now_ms() / 1000;
        invalid(
            second_factor::enrol(&bed.control, &bed.sign_in, caller, ("wrong one", "h"), PEER).await,
            "wrong_password",
        );
        let first = second_factor::enrol(&bed.control, &bed.sign_in, caller, (PASSWORD, "h"), PEER).await.unwrap();
        assert!(first.uri.contains(&first.secret) && first.uri.starts_with("otpauth://totp/"), "{}", first.uri);
        bed.sign_in.password(name, PASSWORD, PEER).await.expect("what is not confirmed asks for nothing");
        invalid(second_factor::confirm(&bed.control, &bed.sign_in, caller, "000000x").await, "wrong_code");
        let (secret, codes) = enrolled(&bed, caller).await;
        assert_ne!(secret, first.secret, "each enrolment has its own secret");
        assert_eq!(codes.len(), 10);
        let now = bed.control.now_ms() / 1000;
        let challenge = challenge(&bed, name).await;
        // The challenge opens nothing, and no half of a sign-in does.
        assert!(bed.sign_in.recognise(&challenge).await.unwrap().is_none());
        refused(bed.sign_in.refresh(&challenge).await);
        for wrong in ["", "1", "abcdef", "x\0y", &code(&secret, now + 300), &code(&first.secret, now)] {
            refused(second(&bed, &challenge, wrong).await);
        }
        refused(second(&bed, &challenge, &code(&secret, now)).await);
        let signed_in = second(&bed, &challenge, &code(&secret, now + 30)).await.expect("one step early");
        assert_eq!(bed.sign_in.recognise(&signed_in.access_token).await.unwrap().unwrap().id, caller.id);
        refused(second(&bed, &signed_in.access_token, &code(&secret, now + 60)).await);
        refused(second(&bed, &challenge, &code(&secret, now + 30)).await);
        bed.clock.set((begun + CHALLENGE_SECONDS + 1) * 1000);
        refused(second(&bed, &challenge, &code(&secret, begun + CHALLENGE_SECONDS + 1)).await);
        bed.clock.set((begun + 4000) * 1000);
    }
    // Mail programs are not asked.
    assert!(bed.login.password(Protocol::Imap, PEER, true, "ada@two.example", PASSWORD.as_bytes()).await.is_ok());
}

pub async fn a_code_is_taken_once_however_many_try(bed: Bed) {
    let [alice, _] = people(&bed).await;
    let (secret, codes) = enrolled(&bed, &alice).await;
    let challenge = challenge(&bed, "alice").await;
    for code in [code(&secret, NOW + 30), codes[3].to_uppercase()] {
        let tries: Vec<_> = (0..5)
            .map(|_| {
                let (sign_in, challenge, code) = (bed.sign_in.clone(), challenge.clone(), code.clone());
                tokio::spawn(async move { sign_in.second_step(&challenge, &code, PEER).await })
            })
            .collect();
        let mut signed_in = 0;
        for one in tries {
            signed_in += usize::from(one.await.unwrap().is_ok());
        }
        assert_eq!(signed_in, 1, "{code}");
    }
    assert_eq!(second_factor::get(&bed.control, &alice).await.unwrap().recovery_codes_left, 9);
    // What a code has passed is passed: the one before it is no longer taken.
    refused(second(&bed, &challenge, &code(&secret, NOW)).await);
}

pub async fn guesses_at_codes_are_throttled(bed: Bed) {
    let [alice, _] = people(&bed).await;
    let (secret, _) = enrolled(&bed, &alice).await;
    let thief: IpAddr = "198.51.100.66".parse().unwrap();
    let FirstStep::Challenge(challenge, _) = bed.sign_in.first_step("alice", PASSWORD, thief).await.unwrap() else {
        panic!("no code is asked for")
    };
    let guess = async |number: u32| bed.sign_in.second_step(&challenge, &format!("{number:06}"), thief).await.err();
    let guesses = futures_util::future::join_all((0..bounds::FAILED_LOGINS_PER_MINUTE).map(guess)).await;
    assert!(guesses.iter().all(|one| matches!(one, Some(Error::SignInRefused))), "{guesses:?}");
    // The password alone has made the network no known one.
    let next = bed.sign_in.second_step(&challenge, &code(&secret, NOW + 30), thief).await;
    assert!(matches!(next, Err(Error::Throttled)), "{:?}", next.err());
    assert!(bed.sign_in.second_step(&challenge, &code(&secret, NOW + 30), PEER).await.is_ok(), "its owner goes on");
}

pub async fn a_second_factor_goes_by_its_owner_or_from_above(bed: Bed) {
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "reseller").await;
    let (rita, _) = users::create(&bed.control, &reseller, None, "rita", clear(PASSWORD), Duty::Admin).await.unwrap();
    let caller = bed.sign_in.password("rita", PASSWORD, PEER).await.unwrap().caller;
    let (secret, codes) = enrolled(&bed, &caller).await;
    assert!(users::get(&bed.control, &reseller, rita.id).await.unwrap().second_factor);
    let both = async |password: &str, code: &str| {
        second_factor::disable(&bed.control, &bed.sign_in, &caller, (password, code), PEER).await
    };
    invalid(both("wrong one", &code(&secret, NOW + 30)).await, "wrong_password");
    invalid(both(PASSWORD, &code(&secret, NOW)).await, "wrong_code");
    let renewed =
        second_factor::renew_codes(&bed.control, &bed.sign_in, &caller, (PASSWORD, &codes[0]), PEER).await.unwrap().0;
    invalid(both(PASSWORD, &codes[1]).await, "wrong_code");
    both(PASSWORD, &renewed[0]).await.unwrap();
    assert!(bed.sign_in.password("rita", PASSWORD, PEER).await.is_ok());

    let (secret, _) = enrolled(&bed, &caller).await;
    // Neither she nor a key of her tenant takes away what guards her.
    not_allowed(second_factor::reset(&bed.control, &caller, Of::User(rita.id)).await);
    not_allowed(second_factor::reset(&bed.control, &reseller, Of::User(rita.id)).await);
    let (_, other) = bed.tenant(&bed.operator, TenantKind::Reseller, "other").await;
    not_found(second_factor::reset(&bed.control, &other, Of::User(rita.id)).await);
    second_factor::reset(&bed.control, &bed.operator, Of::User(rita.id)).await.unwrap();
    assert!(bed.sign_in.password("rita", PASSWORD, PEER).await.is_ok());
    let nothing = second_factor::reset(&bed.control, &bed.operator, Of::User(rita.id)).await;
    assert!(matches!(nothing, Err(Error::InUse(_))), "{:?}", nothing.err());

    // The log says what and by whom, without secrets.
    let (log, _) = revisions::list(&bed.control, &bed.operator, None, None, 1000).await.unwrap();
    let text = serde_json::to_string(&log).unwrap();
    assert!(text.contains("enable_second_factor") && text.contains("reset_second_factor"));
    for hidden in codes.iter().chain(&renewed).chain([&secret]) {
        assert!(!text.contains(hidden.as_str()), "{hidden}");
    }
}

pub async fn a_lone_operator_who_lost_everything_comes_back(bed: Bed) {
    enrolled(&bed, &bed.operator).await;
    assert!(bed.sign_in.password("operator", PASSWORD, PEER).await.is_err());
    let password = bootstrap::reset_password(&bed.control, "operator").await.unwrap();
    bed.sign_in.password("operator", &password, PEER).await.unwrap();
}
