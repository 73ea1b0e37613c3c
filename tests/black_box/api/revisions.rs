//! Revisions on the wire: trying out, waiting for nodes, differences, undoing.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::{Api, Backend, Server};
use serde_json::{Value, json};

crate::on_both_databases!(
    a_dry_run_shows_everything_and_does_nothing,
    a_dry_run_is_refused_as_the_write_would_be,
    a_write_waits_for_the_nodes,
    what_was_changed_is_changed_back,
    what_was_changed_since_is_a_conflict,
    what_was_made_and_deleted_goes_and_comes,
    what_was_kept_nowhere_does_not_come_back,
    undoing_twice_is_a_conflict,
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
    let reseller = id(&api.make("/v1/tenants", &json!({"name": "r", "kind": "reseller"})));
    api.make("/v1/users", &json!({"tenant": reseller, "name": "rita", "password": "ritas-password-1"}));
    let rita = server.anonymous().sign_in("rita", "ritas-password-1");
    assert_problem(&rita.get("/v1/nodes"), 403, "not_allowed");
}

fn newest(api: &Api) -> i64 {
    api.get("/v1/revisions?limit=1").json()["items"][0]["number"].as_i64().expect("a number")
}

/// Undoes a revision that must be undone; the answer's body.
fn revert(api: &Api, revision: &Value) -> Value {
    let answer = api.request("POST", &format!("/v1/revisions/{revision}/revert"), &[], None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(&answer.json()["reverted"], revision);
    answer.json()
}

fn refused(api: &Api, revision: &Value, code: &str) -> Value {
    let answer = api.request("POST", &format!("/v1/revisions/{revision}/revert"), &[], None);
    assert_problem(&answer, 409, code);
    answer.json()
}

fn what_was_changed_is_changed_back(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("undo.example");
    let ada = api.mailbox("ada@undo.example");
    let path = format!("/v1/mailboxes/{}", ada.id);
    let change =
        json!({"name": "Ada", "address": "eve@undo.example", "quota": {"bytes": 1000}, "password": "another-sesame-8"});
    let done = api.change(&path, &change)["revision"].clone();
    let shown = api.get(&format!("/v1/revisions/{done}")).json();
    let changes = json!([
        {"pointer": "/address", "before": "ada@undo.example", "after": "eve@undo.example"},
        {"pointer": "/name", "before": "", "after": "Ada"},
        {"pointer": "/quota/bytes", "before": null, "after": 1000},
    ]);
    assert_eq!(
        (&shown["changes"], &shown["not_revertible"], &shown["undone_by"]),
        (&changes, &Value::Null, &Value::Null)
    );

    // What is changed elsewhere meanwhile stays.
    api.change(&path, &json!({"quota": {"messages": 7}}));
    let before = newest(&api);
    let tried = api.request("POST", &format!("/v1/revisions/{done}/revert?dry_run=true"), &[], None).json();
    assert_eq!((&tried["action"], &tried["after"]["name"]), (&json!("update_mailbox"), &json!("")), "{tried}");
    assert_eq!(newest(&api), before);
    let mut imap = server.imap();
    imap.ok("LOGIN eve@undo.example another-sesame-8");
    let undone = revert(&api, &done);
    assert_eq!((&undone["revision"], &undone["sessions"]["closed"]), (&json!(before + 1), &json!(1)), "{undone}");
    assert_eq!(undone["object"]["quota"], json!({"bytes": null, "messages": 7}));
    assert_eq!(undone["not_undone"], json!([]), "{undone}");
    let now = api.get(&path).json();
    assert_eq!((&now["address"], &now["name"]), (&json!("ada@undo.example"), &json!("")));
    assert_eq!(api.get(&format!("/v1/revisions/{done}")).json()["undone_by"], undone["revision"]);
    assert_eq!(api.get(&format!("/v1/revisions/{}", undone["revision"])).json()["undoes"], done);
    // Undoing is undone like anything else.
    assert_eq!(revert(&api, &undone["revision"])["object"]["address"], "eve@undo.example");

    let protocols = format!("{path}/protocols");
    let policy = json!({"pop3": {"state": "disabled", "policy": {"on_delete": "keep"}}});
    let off = api.change(&protocols, &policy)["revision"].clone();
    revert(&api, &off);
    let now = api.get(&protocols).json();
    assert_eq!((&now["pop3"]["state"], &now["pop3"]["policy"]["on_delete"]), (&json!("inherit"), &Value::Null));
}

fn what_was_changed_since_is_a_conflict(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("undo.example");
    let ada = api.mailbox("ada@undo.example");
    let path = format!("/v1/mailboxes/{}", ada.id);
    let first = api.change(&path, &json!({"name": "Ada", "quota": {"bytes": 1000}}))["revision"].clone();
    api.change(&path, &json!({"name": "Eve"}));
    let before = newest(&api);
    let conflict = refused(&api, &first, "conflict");
    assert_eq!(conflict["errors"].as_array().map(Vec::len), Some(1), "{conflict}");
    assert_eq!(
        (&conflict["errors"][0]["pointer"], &conflict["errors"][0]["code"]),
        (&json!("/name"), &json!("changed_since"))
    );
    assert_eq!((newest(&api), &api.get(&path).json()["quota"]["bytes"]), (before, &json!(1000)), "nothing was done");
    // What was created and changed since is not deleted by undoing its creation.
    let made = api.get(&format!("/v1/revisions?object={}", ada.id)).json();
    let made = made["items"].as_array().and_then(|items| items.last()).expect("its creation")["number"].clone();
    let conflict = refused(&api, &made, "conflict");
    assert_eq!(conflict["errors"][0]["pointer"], "/name", "{conflict}");
    api.delete(&path);
    assert_eq!(refused(&api, &first, "conflict")["errors"][0]["code"], "gone");
}

fn what_was_made_and_deleted_goes_and_comes(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain =
        api.make("/v1/domains", &json!({"name": "undo.example", "protocols": {"pop3": {"state": "disabled"}}}));
    let alias = api.make("/v1/aliases", &json!({"address": "s@undo.example", "targets": ["x@undo.example"]}));
    let path = format!("/v1/aliases/{}", id(&alias));
    revert(&api, &alias["revision"]);
    assert_problem(&api.get(&path), 404, "not_found");
    let gone = api.get("/v1/revisions?limit=1").json()["items"][0].clone();
    let again = revert(&api, &gone["number"]);
    assert_eq!((id(&again["object"]), &again["not_undone"]), (id(&alias), &json!([])), "{again}");
    assert_eq!(api.get(&path).json()["targets"], json!(["x@undo.example"]));
    // What is in use stands against it, as against the deletion itself.
    refused(&api, &domain["revision"], "in_use");
    api.delete(&path);
    let domain_path = format!("/v1/domains/{}", id(&domain));
    let deleted = api.delete(&domain_path).json()["revision"].clone();
    revert(&api, &deleted);
    assert_eq!(api.get(&domain_path).json()["protocols"]["pop3"]["state"], "disabled");

    let ada = api.mailbox("ada@undo.example");
    let suspensions = format!("/v1/mailboxes/{}/suspensions", ada.id);
    let made = api.make(&suspensions, &json!({"scope": "login", "reason": "unpaid"}));
    revert(&api, &made["revision"]);
    assert_eq!(api.get(&suspensions).json()["items"], json!([]));
    revert(&api, &json!(newest(&api)));
    assert_eq!(api.get(&suspensions).json()["items"][0]["reason"], "unpaid");
}

fn what_was_kept_nowhere_does_not_come_back(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("undo.example");
    let ada = api.mailbox("ada@undo.example");
    let path = format!("/v1/mailboxes/{}", ada.id);
    let password = api.change(&path, &json!({"password": "another-sesame-8"}))["revision"].clone();
    assert!(
        refused(&api, &password, "not_revertible")["detail"].as_str().is_some_and(|detail| detail.contains("password"))
    );
    let key = api.make("/v1/keys", &json!({"name": "panel"}));
    let deleted = api.delete(&format!("/v1/keys/{}", id(&key))).json()["revision"].clone();
    refused(&api, &deleted, "not_revertible");
    assert!(api.get(&format!("/v1/revisions/{deleted}")).json()["not_revertible"].is_string());
    // What is deleted with grace comes back whole.
    let trashed = api.delete(&format!("{path}?grace_days=3")).json()["revision"].clone();
    assert_eq!(revert(&api, &trashed)["not_undone"], json!([]));
    server.imap().ok("LOGIN ada@undo.example another-sesame-8");
    let deleted = api.delete(&path).json()["revision"].clone();
    let again = revert(&api, &deleted);
    let left: Vec<&str> =
        again["not_undone"].as_array().expect("a list").iter().filter_map(|one| one["pointer"].as_str()).collect();
    assert!(left.contains(&"") && left.contains(&"/has_password") && left.contains(&"/id"), "{again}");
    assert_eq!(api.get("/v1/mailboxes/by-address/ada@undo.example").status, 200);
}

fn undoing_twice_is_a_conflict(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("base.example");
    for (list, body) in [
        ("/v1/domains", json!({"name": "twice.example"})),
        ("/v1/tenants", json!({"name": "twice", "kind": "customer"})),
        ("/v1/aliases", json!({"address": "twice@base.example", "targets": ["x@elsewhere.example"]})),
    ] {
        let made = id(&api.make(list, &body));
        let revision = api.delete(&format!("{list}/{made}")).json()["revision"].clone();
        let undo = || api.post(&format!("/v1/revisions/{revision}/revert"), &json!({}));
        assert_eq!(undo().status, 200, "{list}");
        assert_problem(&undo(), 409, "already_exists");
        assert_eq!(api.get(&format!("{list}/{made}")).status, 200, "{list}");
    }
}
