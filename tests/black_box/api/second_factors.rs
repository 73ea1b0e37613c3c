//! A second factor over HTTP: enrolled, asked for, and taken away from above.

use super::problems::assert_problem;
use crate::support::{Api, Backend, PASSWORD, Server};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

crate::on_both_databases!(a_sign_in_takes_a_code);

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

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

fn a_sign_in_takes_a_code(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("two.example");
    let ada = operator.mailbox("ada@two.example");
    operator.make("/v1/users", &json!({"name": "rita", "password": PASSWORD}));
    let nobody = server.anonymous();
    for name in ["rita", "ada@two.example"] {
        let own = nobody.sign_in(name, PASSWORD);
        let post = |path: &str, body: Value| own.post(&format!("/v1/me/second-factor{path}"), &body);
        let enrolment = post("", json!({"password": PASSWORD}));
        assert_eq!(enrolment.status, 200, "{}", enrolment.text());
        let secret = enrolment.json()["secret"].as_str().expect("a secret").to_owned();
        assert_problem(&post("/confirm", json!({"code": "12345"})), 422, "invalid");
        // A step before, so that the present one is left for the sign-in.
        let confirmed = post("/confirm", json!({"code": code(&secret, now() - 30)}));
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        let codes = confirmed.json()["recovery_codes"].clone();
        assert_problem(&post("", json!({"password": PASSWORD})), 409, "in_use");

        let first = nobody.post("/v1/sign-in", &json!({"name": name, "password": PASSWORD}));
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(first.json()["second_factor_required"], json!(true));
        assert!(first.json().get("access_token").is_none() && first.json().get("refresh_token").is_none());
        let challenge = first.json()["challenge"].clone();
        let halfway = Api::new(server.address("http"), challenge.as_str().map(str::to_owned));
        for path in ["/v1/me", "/v1/me/second-factor", "/v1/mailboxes"] {
            assert_problem(&halfway.get(path), 401, "unauthenticated");
        }
        assert_problem(
            &halfway.post("/v1/me/password", &json!({"old_password": "a", "password": "b"})),
            401,
            "unauthenticated",
        );
        let second =
            |code: &Value| nobody.post("/v1/sign-in/second-factor", &json!({"challenge": challenge, "code": code}));
        assert_problem(&second(&json!("000 000 000")), 401, "sign_in_refused");
        let tokens = second(&json!(code(&secret, now())));
        assert_eq!(tokens.status, 200, "{}", tokens.text());
        let api = Api::new(server.address("http"), tokens.json()["access_token"].as_str().map(str::to_owned));
        assert_eq!(api.get("/v1/me/second-factor").json()["recovery_codes_left"], json!(10));
        assert_eq!(second(&codes[0]).status, 200);
        assert_problem(&second(&codes[0]), 401, "sign_in_refused");
        let seen = api.get("/v1/me/second-factor").json();
        assert_eq!((&seen["enabled"], &seen["recovery_codes_left"]), (&json!(true), &json!(9)));
        assert!(!seen.to_string().contains(&secret));
        let off = api.post("/v1/me/second-factor/disable", &json!({"password": PASSWORD, "code": codes[1]}));
        assert_eq!(off.status, 200, "{}", off.text());
        nobody.sign_in(name, PASSWORD);
    }
    let path = format!("/v1/mailboxes/{}/second-factor", ada.id);
    assert_problem(&operator.delete(&path), 409, "in_use");
    // What is sealed is nowhere in the log, nor is what was typed.
    assert!(!server.log().contains("otpauth"));
    // IMAP is opened by the password as before.
    server.imap().ok(&format!("LOGIN ada@two.example {PASSWORD}"));
}
