//! Every error is a problem that says what is wrong and where.

use crate::support::http::Answer;
use crate::support::{Api, Backend, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};

crate::on_both_databases!(every_error_is_a_problem, every_wrong_field_is_named, problems_are_explained);

/// Asserts status and code, and the shape that all problems have.
pub fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body = answer.json();
    assert_eq!(body["code"], json!(code), "{body}");
    assert_eq!(body["status"], json!(status));
    assert_eq!(body["type"], json!(format!("/docs/problems#{code}")));
    for field in ["title", "detail"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
    }
}

/// A request written by hand; the operator's token comes from signing in.
fn raw(server: &Server, token: &str, head: &str, body: &[u8]) -> Answer {
    let mut stream = crate::support::dial::dial(server.address("http"), 0);
    let head = format!("{head}\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).expect("sent");
    let _ = stream.write_all(body);
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).expect("an answer");
    crate::support::http::parse(&octets)
}

fn token(server: &Server) -> String {
    let body = json!({"name": "operator", "password": crate::support::server::OPERATOR_PASSWORD});
    server.anonymous().post("/v1/sign-in", &body).json()["access_token"].as_str().expect("a token").to_owned()
}

const POST: &str = "POST /v1/domains HTTP/1.1";
const JSON: &str = "POST /v1/domains HTTP/1.1\r\nContent-Type: application/json";

fn every_error_is_a_problem(backend: Backend) {
    let server = Server::start(backend);
    let (operator, token) = (server.operator(), token(&server));
    assert_problem(&operator.get("/v1/nothing"), 404, "not_found");
    assert_problem(&operator.get("/v1/domains/dom_nonsense"), 404, "not_found");
    assert_problem(&operator.request("PUT", "/v1/domains", &[], Some(&json!({}))), 405, "method_not_allowed");
    assert_problem(&server.anonymous().get("/v1/domains"), 401, "unauthenticated");
    assert_problem(&raw(&server, &token, JSON, b"{\"name\": "), 400, "malformed");
    assert_problem(&raw(&server, &token, POST, b"{}"), 415, "media_type");
    let form = format!("{POST}\r\nContent-Type: application/x-www-form-urlencoded");
    assert_problem(&raw(&server, &token, &form, b"name=x"), 415, "media_type");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_problem(&raw(&server, &token, JSON, large.as_bytes()), 413, "too_large");
    let deep = |levels: usize| format!("{{\"name\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    for levels in [100, 100_000] {
        let answer = raw(&server, &token, JSON, deep(levels).as_bytes());
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["code"], "too_deep", "{}", answer.text());
    }
    let twice = b"{\"name\": \"a.example\", \"protocols\": {\"pop3\": {}, \"pop3\": {}}, \"name\": \"b.example\"}";
    let answer = raw(&server, &token, JSON, twice);
    assert_problem(&answer, 422, "invalid");
    let named =
        answer.json()["errors"].as_array().expect("a list").iter().map(|e| e["pointer"].clone()).collect::<Vec<_>>();
    assert_eq!(named, ["/protocols/pop3", "/name"], "{}", answer.text());
    assert_eq!(operator.get("/v1/domains").json()["items"], json!([]), "nothing was done");
    operator.domain("twice.example");
    assert_problem(&operator.post("/v1/domains", &json!({"name": "twice.example"})), 409, "already_exists");
}

/// The pointers and codes that a request is refused with.
fn wrong(api: &Api, path: &str, body: &Value) -> Vec<(String, String)> {
    let answer = api.post(path, body);
    assert_problem(&answer, 422, "invalid");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let errors = answer.json();
    let errors = errors["errors"].as_array().expect("a list");
    errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

fn every_wrong_field_is_named(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("a.example");
    let at = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let mailbox = |body: Value| wrong(&api, "/v1/mailboxes", &body);
    assert_eq!(mailbox(json!({})), at("/address", "required"));
    assert_eq!(mailbox(json!({"address": 7})), at("/address", "invalid"));
    assert_eq!(mailbox(json!({"address": "x@a.example", "colour": 1})), at("/colour", "unknown_field"));
    assert_eq!(mailbox(json!({"address": "x@a.example", "a/b~": 1})), at("/a~1b~0", "unknown_field"));
    assert_eq!(mailbox(json!({"address": "x@b.example"})), at("/address", "unknown_domain"));
    assert_eq!(mailbox(json!({"address": "x@a.example", "quota": {"bytes": -1}})), at("/quota/bytes", "invalid"));
    let pop3 = |setting: Value| json!({"address": "x@a.example", "protocols": {"pop3": setting}});
    assert_eq!(mailbox(pop3(json!({"state": "off"}))), at("/protocols/pop3/state", "invalid"));
    assert_eq!(mailbox(pop3(json!({"states": "x"}))), at("/protocols/pop3/states", "unknown_field"));
    let days = pop3(json!({"policy": {"expire_days": 5000}}));
    assert_eq!(mailbox(days), at("/protocols/pop3/policy/expire_days", "invalid"));
    let all = json!({"address": "x@a.example\r\n", "name": "a\nb", "password": "nul\u{0}nul-nul-nul"});
    let mut found = mailbox(all);
    found.sort();
    let control = |pointer: &str| (pointer.to_owned(), "control_character".to_owned());
    assert_eq!(found, [control("/address"), control("/name"), control("/password")]);
    let targets = json!({"address": "s@a.example", "targets": ["x@a.example", "nowhere"]});
    assert_eq!(wrong(&api, "/v1/aliases", &targets), at("/targets/1", "invalid"));
    // Nothing of all this was done.
    assert_eq!(api.get("/v1/mailboxes").json()["items"], json!([]));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=%21", "colour=blue"] {
        assert_problem(&api.get(&format!("/v1/mailboxes?{query}")), 422, "invalid");
    }
}

fn problems_are_explained(backend: Backend) {
    let server = Server::start(backend);
    let page = server.anonymous().get("/docs/problems");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|value| value.starts_with("text/html")));
    for code in ["not_found", "invalid", "stale", "throttled", "sign_in_refused", "running", "malformed"] {
        assert!(page.text().contains(&format!("id=\"{code}\"")), "{code} is not explained");
    }
    let docs = server.anonymous().get("/docs/");
    assert_eq!(docs.status, 200);
    for page in [page, docs] {
        assert!(!page.text().contains("src=\"http") && !page.text().contains("href=\"http"), "{}", page.text());
    }
}
