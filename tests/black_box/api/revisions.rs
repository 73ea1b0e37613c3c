//! Revisions on the wire: trying out, waiting for nodes, differences, undoing.

use super::problems::assert_problem;
use crate::support::{Backend, Server};
use serde_json::{Value, json};

crate::on_both_databases!(
    a_dry_run_shows_everything_and_does_nothing,
    a_dry_run_is_refused_as_the_write_would_be,
    a_write_waits_for_the_nodes,
);

fn a_dry_run_shows_everything_and_does_nothing(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain = api.domain("try.example");
    let (ada, bob) = (api.mailbox("ada@try.example"), api.mailbox("bob@try.example"));
    let (mut pop3, mut imap) = (server.pop3().login(&ada.address), server.imap().login(&bob.address));
    let newest = api.get("/v1/revisions?limit=1").json()["items"][0]["number"].as_i64().expect("a number");

    let path = format!("/v1/domains/{domain}/protocols");
    let (key, off) = ([("Idempotency-Key", "try")], json!({"pop3": {"state": "disabled"}}));
    let tried = api.request("PATCH", &format!("{path}?dry_run=true"), &key, Some(&off));
    assert_eq!(tried.status, 200, "{}", tried.text());
    let shown = tried.json();
    assert_eq!(
        (&shown["dry_run"], &shown["action"], &shown["object"]),
        (&json!(true), &json!("update_domain"), &json!(domain))
    );
    let change = json!([{"pointer": "/protocols/pop3/state", "before": "inherit", "after": "disabled"}]);
    assert_eq!(shown["changes"], change, "{shown}");
    assert_eq!(shown["sessions"], json!({"closed": 1, "remaining": 1}));
    assert_eq!(shown["mailboxes"]["count"], 2);
    let first = json!({"id": ada.id, "address": "ada@try.example"});
    assert_eq!(shown["mailboxes"]["first"][0], first, "{shown}");

    pop3.ok("NOOP");
    imap.ok("NOOP");
    assert_eq!(api.get(&path).json()["pop3"]["state"], "inherit");
    // The key is as unused as the number.
    let other = api.request("POST", "/v1/domains", &key, Some(&json!({"name": "next.example"})));
    assert_eq!((other.status, &other.json()["revision"]), (201, &json!(newest + 1)), "{}", other.text());
    assert_eq!(other.header("idempotency-replayed"), None);
    // dry_run=false is the write itself.
    let done = api.change(&format!("{path}?dry_run=false"), &off);
    assert_eq!((&done["revision"], &done["sessions"]["closed"]), (&json!(newest + 2), &json!(1)), "{done}");
}

fn a_dry_run_is_refused_as_the_write_would_be(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain = api.domain("try.example");
    let ada = api.mailbox("ada@try.example");
    let taken = api.post("/v1/mailboxes?dry_run=true", &json!({"address": "ada@try.example"}));
    assert_problem(&taken, 409, "already_exists");
    assert_problem(&api.delete(&format!("/v1/domains/{domain}?dry_run=true")), 409, "in_use");
    for (query, code) in [("dry_run=yes", "invalid"), ("dry_run", "invalid"), ("dry_run=true&dry_run=true", "invalid")]
    {
        let answer = api.post(&format!("/v1/domains?{query}"), &json!({"name": "no.example"}));
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["code"], code, "{query}");
    }
    // What would be deleted and made is shown whole, a secret never.
    let gone = api.delete(&format!("/v1/mailboxes/{}?dry_run=true", ada.id)).json();
    assert_eq!((&gone["before"]["address"], &gone["after"]), (&json!("ada@try.example"), &Value::Null), "{gone}");
    assert_eq!(gone["mailboxes"]["first"][0]["address"], "ada@try.example");
    let key = api.post("/v1/keys?dry_run=true", &json!({"name": "panel"}));
    assert_eq!((key.status, &key.json()["after"]["name"]), (200, &json!("panel")), "{}", key.text());
    assert!(!key.text().contains("fct_"));
    assert_eq!(api.get("/v1/keys").json()["items"], json!([]));
    let refused = api.request("POST", "/v1/sign-out?dry_run=true", &[], None);
    assert_problem(&refused, 422, "invalid");
    assert_eq!(api.get("/v1/me").status, 200, "still signed in");
}

fn a_write_waits_for_the_nodes(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let make = |name: &str, prefer: &str| {
        let answer = api.request("POST", "/v1/domains", &[("Prefer", prefer)], Some(&json!({"name": name})));
        assert_eq!(answer.json()["applied"], json!({"nodes": 1, "pending": 0}), "{}", answer.text());
        (answer.header("preference-applied").map(str::to_owned), answer.json()["revision"].clone())
    };
    assert_eq!(make("a.example", "return=minimal").0, None);
    let (applied, revision) = make("b.example", "handling=lenient, wait=5");
    assert_eq!(applied.as_deref(), Some("wait=5"));
    let nodes = api.get("/v1/nodes").json();
    assert_eq!(nodes["revision"], revision);
    let [node] = nodes["items"].as_array().expect("a list").as_slice() else { panic!("{nodes}") };
    assert_eq!((&node["applied"], &node["state"], &node["answering"]), (&revision, &json!("live"), &json!(true)));
    assert_eq!(node["name"], "mail.facteur.example");
    let reseller = crate::support::api::id(&api.make("/v1/tenants", &json!({"name": "r", "kind": "reseller"})));
    api.make("/v1/users", &json!({"tenant": reseller, "name": "rita", "password": "ritas-password-1"}));
    let rita = server.anonymous().sign_in("rita", "ritas-password-1");
    assert_problem(&rita.get("/v1/nodes"), 403, "not_allowed");
}
