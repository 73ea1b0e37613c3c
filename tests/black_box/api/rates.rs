//! Who asks too often is told so in the standard headers, and takes nobody else's place.

use super::problems::assert_problem;
use crate::support::dial::dial;
use crate::support::http::{Answer, parse};
use crate::support::{Api, Backend, Server};
use serde_json::json;
use std::io::{Read, Write};

crate::on_both_databases!(who_asks_too_often_waits);

/// A GET by nobody, from the loopback address with this number.
fn from_network(server: &Server, network: u16, path: &str) -> Answer {
    let mut stream = dial(server.address("http"), network);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).expect("an answer");
    parse(&octets)
}

fn who_asks_too_often_waits(backend: Backend) {
    let mut server = Server::start(backend);
    let again = |server: &mut Server, settings: &str| {
        server.settings(settings);
        server.signal("TERM");
        server.wait();
        server.restart();
    };
    again(&mut server, "");
    let answer = server.operator().get("/v1/me");
    assert_eq!(answer.header("ratelimit-policy"), Some("\"caller\";q=6000;w=60"));
    assert!(answer.header("ratelimit").is_some_and(|rate| rate.starts_with("\"caller\";r=599")), "{answer:?}");
    let anonymous = server.anonymous().get("/v1/me");
    assert_eq!(anonymous.header("ratelimit-policy"), Some("\"network\";q=1200;w=60"));

    // So slow that nothing comes back while the test runs: one in twelve seconds.
    again(&mut server, "[rate]\ncaller = 5\nnetwork = 5\n");
    let operator = server.operator();
    let key = operator.make("/v1/keys", &json!({"name": "script"}))["secret"].as_str().expect("a secret").to_owned();
    let key = Api::new(server.address("http"), Some(key));
    for left in (0..4).rev() {
        let rate = operator.get("/v1/me").header("ratelimit").expect("a rate").to_owned();
        assert!(rate.starts_with(&format!("\"caller\";r={left};t=")), "{rate}");
    }
    let refused = operator.post("/v1/domains", &json!({"name": "late.example"}));
    assert_problem(&refused, 429, "rate_limited");
    let wait: u64 = refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), Some(format!("\"caller\";r=0;t={wait}").as_str()));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"caller\";q=5;w=60"));
    // Another sign-in of the same user is the same caller; a key of its tenant is another.
    let again = server.operator();
    assert_problem(&again.get("/v1/me"), 429, "rate_limited");
    assert_eq!(key.get("/v1/domains").json()["items"], json!([]), "what was refused was not done");

    // Signing in twice was counted for the network; a token that opens nothing counts there, too.
    let forged = Api::new(server.address("http"), Some("fct_nobodys".to_owned()));
    for _ in 0..3 {
        assert_eq!(forged.get("/v1/me").status, 401);
    }
    assert_problem(&forged.get("/v1/me"), 429, "rate_limited");
    assert_problem(&server.anonymous().get("/v1/nothing"), 429, "rate_limited");
    for free in ["/healthz", "/readyz", "/openapi.json", "/docs/problems"] {
        let answer = server.anonymous().get(free);
        assert!(answer.status == 200 && answer.header("ratelimit").is_none(), "{free}: {}", answer.status);
    }
    assert_eq!(from_network(&server, 7, "/v1/me").status, 401, "another network goes on");
    assert_eq!(key.get("/v1/me").status, 200, "and so does who is known, from here too");
}
