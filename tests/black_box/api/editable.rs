//! Every field that can be written, for every kind of caller: what `editable` names is accepted, what it does not is
//! refused.
//!
//! The fields come from the document, so a new one is covered by being there; one that has no value here fails the test.

use crate::support::api::id;
use crate::support::{Api, Backend, PASSWORD, Server};
use serde_json::{Value, json};

crate::on_both_databases!(what_is_editable_is_accepted_and_nothing_else);

/// Everything of one customer, and its objects by their paths.
struct Tree {
    callers: Vec<(&'static str, Api)>,
    objects: Vec<(&'static str, String)>,
}

fn tree(server: &Server) -> Tree {
    let operator = server.operator();
    let plan = json!({"name": "small", "limits": {"mailboxes": 50}});
    let reseller = id(&operator.make("/v1/tenants", &json!({"name": "reseller", "kind": "reseller"})));
    let mut plan = plan;
    plan["tenant"] = json!(reseller);
    let plan = id(&operator.make("/v1/plans", &plan));
    let customer = json!({"name": "customer", "kind": "customer", "parent": reseller, "plan": plan});
    let customer = id(&operator.make("/v1/tenants", &customer));
    let sign_in = |name: &str| server.anonymous().sign_in(name, "of-the-test-1");
    let user = |tenant: &str, name: &str, duty: &str| {
        let user = json!({"tenant": tenant, "name": name, "password": "of-the-test-1", "duty": duty});
        id(&operator.make("/v1/users", &user))
    };
    user(&reseller, "reseller", "admin");
    let own = user(&customer, "customer", "admin");
    let colleague = user(&customer, "colleague", "admin");
    user(&customer, "helper", "support");
    user(&customer, "auditor", "read_only");
    let owner = sign_in("customer");
    let domain = owner.domain("own.example");
    let other = json!({"name": "other.example", "alias_of": domain});
    let alias_domain = id(&owner.make("/v1/domains", &other));
    let mailbox = owner.mailbox("ada@own.example");
    let gone = owner.mailbox("gone@own.example");
    assert_eq!(owner.delete(&format!("/v1/mailboxes/{}?grace_days=5", gone.id)).status, 200);
    let alias = json!({"address": "info@own.example", "targets": ["ada@own.example"]});
    let alias = id(&owner.make("/v1/aliases", &alias));
    let key = |fields: Value| {
        let made = owner.make("/v1/keys", &fields);
        let secret = made["secret"].as_str().expect("a secret").to_owned();
        (id(&made), Api::new(server.address("http"), Some(secret)))
    };
    let (_, reader) = key(json!({"name": "reader", "read_only": true}));
    let (_, of_mailboxes) = key(json!({"name": "mailboxes", "scopes": ["mailboxes:write", "*:read"]}));
    let (_, ending) = key(json!({"name": "ending", "expires_at": "2099-01-01T00:00:00Z"}));
    let (narrow, _) = key(json!({"name": "narrow", "scopes": ["domains:read"], "expires_at": "2098-06-01T00:00:00Z"}));
    let hook = id(&owner.make("/v1/webhooks", &json!({"url": "https://own.example/", "enabled": false})));
    let callers = vec![
        ("operator", operator.clone()),
        ("reseller", sign_in("reseller")),
        ("support", sign_in("helper")),
        ("auditor", sign_in("auditor")),
        ("mailbox owner", server.anonymous().sign_in("ada@own.example", PASSWORD)),
        ("key that reads", reader),
        ("key for mailboxes", of_mailboxes),
        ("key that ends", ending),
        ("customer", owner),
    ];
    let objects = vec![
        ("/v1/tenants/{id}", customer.clone()),
        ("/v1/users/{id}", own),
        ("/v1/users/{id}", colleague),
        ("/v1/keys/{id}", narrow),
        ("/v1/webhooks/{id}", hook),
        ("/v1/plans/{id}", plan.clone()),
        ("/v1/domains/{id}", domain.clone()),
        ("/v1/domains/{id}", alias_domain),
        ("/v1/mailboxes/{id}", mailbox.id.clone()),
        ("/v1/mailboxes/{id}", gone.id),
        ("/v1/aliases/{id}", alias),
        ("/v1/tenants/{id}/protocols", customer),
        ("/v1/plans/{id}/protocols", plan),
        ("/v1/domains/{id}/protocols", domain),
        ("/v1/mailboxes/{id}/protocols", mailbox.id),
    ];
    Tree { callers, objects }
}

/// A body that changes one field to something that is right.
fn change(path: &str, field: &str) -> Value {
    let value = match field {
        "leave_alias" => return json!({"leave_alias": true, "address": "lovelace@own.example"}),
        "name" => json!("another"),
        "address" => json!("lovelace@own.example"),
        "password" => json!("another-of-the-test-1"),
        "password_hash" => json!(
            "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
        ),
        "duty" => json!("read_only"),
        "plan" => json!(null),
        "protocols" => json!({"imap": {"tls_only": true}}),
        "imap" | "pop3" | "submission" => json!({"tls_only": true}),
        "catch_all" | "reserved_to" => json!("ada@own.example"),
        "subaddress_separator" => json!("-"),
        "quota" | "mailbox_quota" => json!({"bytes": 1_000_000}),
        "mode" => json!("receive_only"),
        "app_passwords_only" | "oversell" | "must_change_password" => json!(true),
        "expires_at" => json!("2098-01-01T00:00:00Z"),
        "targets" => json!(["ada@own.example"]),
        "who_may_post" => json!("members"),
        "posters" => json!([]),
        "limits" => json!({"aliases": 5}),
        "allowed_protocols" => json!(["imap", "pop3", "submission"]),
        "url" => json!("https://other.example/"),
        "description" => json!("another"),
        "events" => json!(["*"]),
        "enabled" => json!(false),
        _ => panic!("{path}: {field} is new: give it a value here"),
    };
    json!({ field: value })
}

/// The paths whose objects can be changed, each with the fields of the change.
fn changeable(document: &Value) -> Vec<(String, Vec<String>)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let fields = |item: &Value| {
        let schema = item["patch"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()?.to_owned();
        let schema = document.pointer(schema.trim_start_matches('#')).expect("a schema");
        Some(schema["properties"].as_object().expect("fields").keys().cloned().collect())
    };
    // Where mail reaches somebody is no field by itself: one's own goes with the password.
    let alone = paths.filter(|(path, _)| !path.ends_with("/recovery"));
    alone.filter_map(|(path, item)| Some((path.clone(), fields(item)?))).collect()
}

fn what_is_editable_is_accepted_and_nothing_else(backend: Backend) {
    let server = Server::start(backend);
    let document = server.anonymous().get("/openapi.json").json();
    let Tree { callers, objects } = tree(&server);
    let (mut accepted, mut refused) = (0, 0);
    for (path, fields) in changeable(&document) {
        let found: Vec<_> = objects.iter().filter(|(kind, _)| *kind == path).collect();
        assert!(!found.is_empty(), "no object is made for {path}");
        for ((name, caller), (_, object)) in callers.iter().flat_map(|caller| found.iter().map(move |o| (caller, *o))) {
            let at = path.replace("{id}", object);
            let read = caller.get(&at);
            let editable: Vec<String> = match read.status {
                200 => serde_json::from_value(read.json()["editable"].clone()).expect("a list of fields"),
                _ => Vec::new(),
            };
            assert!(editable.iter().all(|field| fields.contains(field)), "{name} {at}: {editable:?}");
            for field in &fields {
                let answer = caller.patch(&format!("{at}?dry_run=true"), &change(&path, field));
                let what = format!("{name} {at} {field}: {} {}", answer.status, answer.text());
                if editable.contains(field) {
                    assert_eq!(answer.status, 200, "editable, but {what}");
                    accepted += 1;
                } else {
                    assert!((400..500).contains(&answer.status), "not editable, but {what}");
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
    let of = |name: &str| &callers.iter().find(|(known, _)| *known == name).expect("a caller").1;
    let at = |path: &str, index: usize| {
        let object = objects.iter().filter(|(kind, _)| *kind == path).nth(index).expect("an object");
        path.replace("{id}", &object.1)
    };
    let editable = |name: &str, path: &str, index: usize| of(name).get(&at(path, index)).json()["editable"].clone();
    let own = json!(["name", "password", "password_hash", "app_passwords_only"]);
    assert_eq!(editable("mailbox owner", "/v1/mailboxes/{id}", 0), own);
    assert_eq!(editable("operator", "/v1/mailboxes/{id}", 1), json!([]), "a deleted one is restored first");
    let of_user = json!(["name", "password", "must_change_password"]);
    assert_eq!(editable("customer", "/v1/users/{id}", 0), of_user, "nobody chooses his own duty");
    assert_eq!(editable("customer", "/v1/tenants/{id}", 0), json!(["name", "protocols"]));
    assert_eq!(editable("customer", "/v1/plans/{id}", 0), json!([]), "what one has bought one may read");
    assert_eq!(editable("support", "/v1/mailboxes/{id}", 0), json!([]));
    // Lists say the same, and the log says nothing of it.
    let list = of("customer").get("/v1/domains").json();
    assert_eq!(list["items"][0]["editable"], json!(["protocols", "catch_all", "reserved_to", "subaddress_separator"]));
    assert!(!of("operator").get("/v1/revisions").text().contains("editable"));
}
