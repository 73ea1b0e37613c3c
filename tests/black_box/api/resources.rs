//! Each resource made, read, changed, renamed and deleted; lists in pages.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::{Backend, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;

crate::on_both_databases!(every_resource_lives_and_dies, pages_lose_and_repeat_nothing);

fn every_resource_lives_and_dies(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("base.example");
    let life = |list: &str, make: Value, change: Value| {
        let made = api.post(list, &make);
        assert_eq!(made.status, 201, "{list}: {}", made.text());
        let path = made.header("location").expect("a Location").to_owned();
        assert_eq!(path, format!("{list}/{}", id(&made.json())));
        assert!(made.json()["revision"].is_i64() && made.json()["sessions"]["closed"].is_i64());
        let read = api.get(&path);
        assert_eq!((read.status, read.header("etag")), (200, made.header("etag")), "{}", read.text());
        let changed = api.change(&path, &change);
        for (field, value) in change.as_object().expect("fields").iter().filter(|(name, _)| *name != "protocols") {
            assert_eq!(&changed[field], value, "{path}");
        }
        assert_eq!(api.delete(&path).status, 200, "{path}");
        assert_problem(&api.get(&path), 404, "not_found");
        assert_problem(&api.delete(&path), 404, "not_found");
    };
    life("/v1/tenants", json!({"name": "t", "kind": "customer"}), json!({"name": "renamed"}));
    life("/v1/users", json!({"name": "u", "password": "a-long-password-3"}), json!({"name": "v"}));
    life("/v1/keys", json!({"name": "k"}), json!({"name": "l"}));
    life("/v1/domains", json!({"name": "d.example"}), json!({"protocols": {"pop3": {"state": "disabled"}}}));
    let limits = json!({"bytes": 5_000_000, "messages": null});
    life("/v1/mailboxes", json!({"address": "a@base.example"}), json!({"address": "b@base.example", "quota": limits}));
    let targets = json!({"address": "s@base.example", "targets": ["x@base.example"]});
    life("/v1/aliases", targets, json!({"targets": ["x@base.example", "y@base.example"]}));
    // A rename frees the old address and keeps the id.
    let ada = api.mailbox("ada@base.example");
    api.change(&format!("/v1/mailboxes/{}", ada.id), &json!({"address": "eve@base.example"}));
    assert_problem(&api.get("/v1/mailboxes/by-address/ada@base.example"), 404, "not_found");
    assert_eq!(id(&api.get("/v1/mailboxes/by-address/eve@base.example").json()), ada.id);
    assert_problem(&api.post("/v1/mailboxes", &json!({"address": "EVE@base.example"})), 409, "already_exists");
    api.mailbox("ada@base.example");
}

fn pages_lose_and_repeat_nothing(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain = api.domain("pages.example");
    api.domain("other.example");
    // Without a password, so that no hash is computed.
    let make = |address: String| id(&api.make("/v1/mailboxes", &json!({"address": address})));
    let made: BTreeSet<String> = (0..250).map(|n| make(format!("m{n}@pages.example"))).collect();
    make("x@other.example".to_owned());
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = api.get(&format!("/v1/mailboxes?domain={domain}&limit=60{cursor}")).json();
        seen.extend(page["items"].as_array().expect("items").iter().map(id));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (250, 5));
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
    assert_eq!(api.get("/v1/mailboxes?limit=1000").json()["items"].as_array().map(Vec::len), Some(251));
    assert_eq!(api.get("/v1/mailboxes").json()["items"].as_array().map(Vec::len), Some(100));
}
