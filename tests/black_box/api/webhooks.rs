//! Webhooks: signed, in order, again until they arrive, never to where they must not go.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::receiver::{Delivered, Receiver};
use crate::support::{Api, Backend, PATIENCE, Server};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Instant;

crate::on_both_databases!(
    deliveries_are_signed_and_in_order,
    what_fails_comes_again_also_after_a_restart,
    what_was_sent_is_sent_again_on_request,
    a_secret_is_shown_once_and_changed_without_a_gap,
    no_webhook_reaches_inside,
    what_it_is_told_holds_from_the_next_delivery_on,
);

fn hook(api: &Api, receiver: &Receiver, events: &[&str]) -> Value {
    let url = format!("http://{}/hook?from=facteur", receiver.address);
    api.make("/v1/webhooks", &json!({"url": url, "events": events, "description": "panel"}))
}

/// Whether a delivery is signed with a secret, as the specification says how to verify it.
fn is_signed(delivered: &Delivered, secret: &Value) -> bool {
    let secret = secret.as_str().and_then(|text| text.strip_prefix("whsec_")).expect("whsec_…");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(secret).expect("base64"));
    let mut signed =
        format!("{}.{}.", delivered.header("webhook-id"), delivered.header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&delivered.body);
    let tags = delivered.header("webhook-signature").split(' ').filter_map(|one| one.strip_prefix("v1,"));
    tags.filter_map(|tag| STANDARD.decode(tag).ok()).any(|tag| hmac::verify(&key, &signed, &tag).is_ok())
}

/// Asks until an answer is as it must become.
fn becomes(api: &Api, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = api.get(path).json();
        if is(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{path} stays {now}");
        std::thread::yield_now();
    }
}

fn deliveries_are_signed_and_in_order(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let reseller = id(&api.make("/v1/tenants", &json!({"name": "r", "kind": "reseller"})));
    let (receiver, theirs) = (Receiver::start(), Receiver::start());
    let made = hook(&api, &receiver, &["create_domain", "*_mailbox"]);
    let url = format!("http://{}/", theirs.address);
    api.make("/v1/webhooks", &json!({"url": url, "tenant": reseller}));
    let first = api.make("/v1/domains", &json!({"name": "a.example"}));
    let ada = api.mailbox("ada@a.example");
    api.protocol(&ada, "pop3", "disabled");
    api.change(&format!("/v1/mailboxes/{}", ada.id), &json!({"name": "Ada", "password": "another-sesame-8"}));
    let inside = api.make("/v1/domains", &json!({"name": "b.example", "tenant": reseller}));

    let all: Vec<Delivered> = (0..4).map(|_| receiver.next()).collect();
    let kinds: Vec<Value> = all.iter().map(|one| one.json()["type"].clone()).collect();
    assert_eq!(kinds, ["create_domain", "create_mailbox", "update_mailbox", "create_domain"]);
    for one in &all {
        assert!(is_signed(one, &made["secret"]), "{one:?}");
        assert!(!is_signed(one, &json!("whsec_AAAA")));
        assert_eq!((one.path.as_str(), one.header("content-type")), ("/hook?from=facteur", "application/json"));
        assert!(one.json()["timestamp"].is_string());
        assert!(!String::from_utf8_lossy(&one.body).contains("argon2"));
    }
    assert_eq!(all[0].header("webhook-id"), format!("{}_{}", id(&made), first["revision"]));
    assert_eq!(all[0].json()["data"]["after"]["name"], "a.example");
    assert_eq!(all[2].json()["data"]["before"]["name"], "");
    // Whoever reaches less gets less.
    assert_eq!(theirs.next().json()["data"]["number"], inside["revision"]);
    let path = format!("/v1/webhooks/{}", id(&made));
    let log = becomes(&api, &format!("{path}/deliveries"), |log| {
        log["items"].as_array().is_some_and(|items| items.len() == 4)
    });
    let newest = &log["items"][0];
    assert_eq!(
        (&newest["outcome"], &newest["status"], &newest["attempt"]),
        (&json!("delivered"), &json!(204), &json!(1))
    );
    assert_eq!(newest["revision"], inside["revision"], "newest first");
}

fn what_fails_comes_again_also_after_a_restart(backend: Backend) {
    let mut server = Server::start(backend);
    let api = server.operator();
    let receiver = Receiver::start();
    receiver.answer(500);
    let made = hook(&api, &receiver, &["*_domain"]);
    let path = format!("/v1/webhooks/{}", id(&made));
    api.domain("a.example");
    api.domain("b.example");
    let failed = receiver.next();
    let state = becomes(&api, &path, |now| now["state"]["attempts"] == 1);
    assert!(state["state"]["failing_since"].is_string() && state["state"]["next_attempt_at"].is_string(), "{state}");
    let log = api.get(&format!("{path}/deliveries")).json();
    assert_eq!((&log["items"][0]["outcome"], &log["items"][0]["status"]), (&json!("failed"), &json!(500)));
    server.signal("KILL");
    server.wait();
    receiver.answer(200);
    server.restart();
    // The first one again under the same id, then the one that waited behind it.
    let again = receiver.next();
    assert_eq!(again.header("webhook-id"), failed.header("webhook-id"));
    assert_eq!(receiver.next().json()["data"]["after"]["name"], "b.example");
    let api = server.operator();
    let state = becomes(&api, &path, |now| now["state"]["attempts"] == 0);
    assert_eq!(state["state"]["failing_since"], Value::Null, "{state}");
    // Gone for good is said once.
    receiver.answer(410);
    api.domain("c.example");
    let state = becomes(&api, &path, |now| now["enabled"] == false);
    assert!(state["state"]["disabled_reason"].as_str().is_some_and(|why| why.contains("410")), "{state}");
    receiver.answer(200);
    api.change(&path, &json!({"enabled": true}));
    assert_eq!(receiver.next().json()["data"]["after"]["name"], "c.example");
    assert_eq!(receiver.next().json()["data"]["after"]["name"], "c.example");
}

fn what_was_sent_is_sent_again_on_request(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let receiver = Receiver::start();
    let before = api.make("/v1/domains", &json!({"name": "a.example"}));
    let made = hook(&api, &receiver, &["create_domain"]);
    api.domain("b.example");
    assert_eq!(receiver.next().json()["data"]["after"]["name"], "b.example");
    let path = format!("/v1/webhooks/{}/replay", id(&made));
    let after = before["revision"].as_i64().expect("a number") - 1;
    let answer = api.post(&path, &json!({"after": after}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    for name in ["a.example", "b.example"] {
        assert_eq!(receiver.next().json()["data"]["after"]["name"], name);
    }
    assert_problem(&api.post(&path, &json!({"after": 1000})), 422, "invalid");
    assert_problem(&api.post(&path, &json!({"after": -1})), 422, "invalid");
}

fn a_secret_is_shown_once_and_changed_without_a_gap(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let receiver = Receiver::start();
    let made = hook(&api, &receiver, &["create_domain"]);
    let path = format!("/v1/webhooks/{}", id(&made));
    let new = api.post(&format!("{path}/secret"), &json!({}));
    assert_eq!(new.status, 200, "{}", new.text());
    let new = new.json();
    assert_ne!(new["secret"], made["secret"]);
    api.domain("a.example");
    let delivered = receiver.next();
    assert!(is_signed(&delivered, &made["secret"]) && is_signed(&delivered, &new["secret"]), "{delivered:?}");
    for shown in [api.get(&path), api.get("/v1/webhooks"), api.get("/v1/revisions")] {
        assert!(!shown.text().contains("whsec_"), "{}", shown.text());
    }
    assert_eq!(api.delete(&path).status, 200);
    assert_problem(&api.get(&path), 404, "not_found");
}

fn what_it_is_told_holds_from_the_next_delivery_on(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let receiver = Receiver::start();
    let path = format!("/v1/webhooks/{}", id(&hook(&api, &receiver, &["create_domain"])));
    api.change(&path, &json!({"enabled": false}));
    let first = api.make("/v1/domains", &json!({"name": "a.example"}));
    api.make("/v1/domains", &json!({"name": "b.example"}));
    let held = receiver.hold();
    api.change(&path, &json!({"enabled": true}));
    assert_eq!(receiver.next().json()["data"]["number"], first["revision"]);
    // While the first is on its way: the others are no longer wanted.
    api.change(&path, &json!({"events": ["create_mailbox"]}));
    drop(held);
    api.mailbox("ada@b.example");
    assert_eq!(receiver.next().json()["type"], "create_mailbox");
}

fn no_webhook_reaches_inside(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    for url in [
        "https://127.0.0.2/",
        "https://10.0.0.1/x",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://0x7f.2/",
        "https://[::ffff:10.0.0.1]/",
        "ftp://panel.example.org/",
        "panel.example.org",
        "https://u:p@panel.example.org/",
    ] {
        let answer = api.post("/v1/webhooks", &json!({"url": url}));
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/url", "{url}");
    }
    assert_problem(&api.post("/v1/webhooks", &json!({"url": "https://a.example/", "events": []})), 422, "invalid");
    assert_problem(
        &api.post("/v1/webhooks", &json!({"url": "https://a.example/", "events": ["Update"]})),
        422,
        "invalid",
    );
    // The tests' server may call 127.0.0.1: over TLS nothing is sent to who cannot show a certificate.
    let receiver = Receiver::start();
    let url = format!("https://{}/", receiver.address);
    let made = api.make("/v1/webhooks", &json!({"url": url}));
    let path = format!("/v1/webhooks/{}/deliveries", id(&made));
    api.domain("a.example");
    let log = becomes(&api, &path, |log| log["items"].as_array().is_some_and(|items| !items.is_empty()));
    assert_eq!((&log["items"][0]["outcome"], &log["items"][0]["status"]), (&json!("failed"), &Value::Null), "{log}");
    assert!(log["items"][0]["error"].as_str().is_some_and(|error| error.contains("TLS")), "{log}");
}
