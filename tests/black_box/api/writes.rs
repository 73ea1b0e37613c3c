//! Safety of writes: Idempotency-Key, If-Match, and what revisions keep.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::{Backend, PASSWORD, Server};
use serde_json::json;

crate::on_both_databases!(
    the_same_key_is_done_once,
    two_at_once_make_one,
    a_kept_secret_is_sealed,
    a_stale_etag_changes_nothing,
    revisions_say_who_and_what_without_secrets,
);

fn the_same_key_is_done_once(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let send = |body| api.request("POST", "/v1/domains", &[("Idempotency-Key", "k-1")], Some(&body));
    let first = send(json!({"name": "once.example"}));
    let again = send(json!({"name": "once.example"}));
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text());
    assert_eq!(first.body, again.body);
    for name in ["location", "etag", "content-type"] {
        assert!(first.header(name).is_some(), "{name}");
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(api.get("/v1/domains").json()["items"].as_array().map(Vec::len), Some(1));
    assert_problem(&send(json!({"name": "other.example"})), 422, "invalid");
    // A refusal is an answer like any other.
    let refuse = || api.request("POST", "/v1/domains", &[("Idempotency-Key", "k-2")], Some(&json!({"name": 1})));
    assert_eq!(refuse().body, refuse().body);
    assert_eq!(refuse().header("idempotency-replayed"), Some("true"));
}

fn two_at_once_make_one(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let send = || api.request("POST", "/v1/keys", &[("Idempotency-Key", "pair")], Some(&json!({"name": "pair"})));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..6).map(|_| scope.spawn(|| send().status)).collect();
        running.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert!(statuses.contains(&201) && statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(api.get("/v1/keys").json()["items"].as_array().map(Vec::len), Some(1));
}

fn a_kept_secret_is_sealed(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let send = || api.request("POST", "/v1/keys", &[("Idempotency-Key", "sealed")], Some(&json!({"name": "panel"})));
    let (first, again) = (send().json(), send().json());
    let secret = first["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("fct_"), "{secret}");
    assert_eq!(first, again);
    if backend == Backend::Sqlite {
        let files = std::fs::read_dir(server.data()).expect("the data folder");
        let mut seen = 0;
        for path in files.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
            let octets = std::fs::read(&path).expect("a file");
            seen += usize::from(octets.starts_with(b"SQLite format 3"));
            let found = octets.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the secret is in {}", path.display());
        }
        assert!(seen > 0, "no database was looked at");
    }
}

fn a_stale_etag_changes_nothing(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("tag.example");
    let path = format!("/v1/mailboxes/{}", api.mailbox("ada@tag.example").id);
    let stale = api.get(&path).header("etag").expect("an ETag").to_owned();
    let fresh = api.request("PATCH", &path, &[("If-Match", &stale)], Some(&json!({"name": "Ada"})));
    assert_eq!(fresh.status, 200, "{}", fresh.text());
    assert_eq!(fresh.header("etag"), api.get(&path).header("etag"));
    assert_ne!(fresh.header("etag"), Some(stale.as_str()));
    for method in ["PATCH", "DELETE"] {
        let body = (method == "PATCH").then(|| json!({"name": "Bob"}));
        assert_problem(&api.request(method, &path, &[("If-Match", &stale)], body.as_ref()), 412, "stale");
        assert_problem(&api.request(method, &path, &[("If-Match", "\"other\"")], body.as_ref()), 412, "stale");
    }
    assert_eq!(api.get(&path).json()["name"], "Ada");
    // RFC 9110 §13.1.1: one of a list is enough, a weak tag never is.
    let current = api.get(&path).header("etag").expect("an ETag").to_owned();
    let weak = format!("W/{current}, {stale}");
    assert_problem(&api.request("PATCH", &path, &[("If-Match", &weak)], Some(&json!({"name": "Bob"}))), 412, "stale");
    let either = format!("\"other, tag\", {stale},{current}");
    assert_eq!(api.request("PATCH", &path, &[("If-Match", &either)], Some(&json!({"name": "Carol"}))).status, 200);
    let current = api.get(&path).header("etag").expect("an ETag").to_owned();
    let two = [("If-Match", stale.as_str()), ("If-Match", current.as_str())];
    assert_eq!(api.request("PATCH", &path, &two, Some(&json!({"name": "Dora"}))).status, 200);
    assert_eq!(api.request("DELETE", &path, &[("If-Match", "*")], None).status, 200);
    assert_problem(&api.get(&path), 404, "not_found");
}

fn revisions_say_who_and_what_without_secrets(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let me = id(&api.get("/v1/me").json());
    api.domain("log.example");
    let mailbox = api.mailbox("ada@log.example");
    let path = format!("/v1/mailboxes/{}", mailbox.id);
    let written = api.change(&path, &json!({"name": "Ada", "password": "a-new-password-9"}));
    let one = api.get(&format!("/v1/revisions/{}", written["revision"])).json();
    assert_eq!(one["caller"], json!(me));
    assert_eq!(one["object"], json!(mailbox.id));
    assert_eq!((&one["before"]["name"], &one["after"]["name"]), (&json!(""), &json!("Ada")));
    let listed = api.get(&format!("/v1/revisions?object={}", mailbox.id)).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed}");
    let all = api.get("/v1/revisions").text();
    for secret in ["argon2", PASSWORD, "a-new-password-9", "password_hash"] {
        assert!(!all.contains(secret), "{secret} is in the revisions");
    }
}
