//! What the API shows of mail: protocols, aliases, usage, logins, sessions.

use crate::support::{Backend, PASSWORD, PATIENCE, Server};
use serde_json::json;
use std::time::Instant;

crate::on_both_databases!(
    the_level_that_decides_is_named,
    an_alias_delivers_to_all_its_targets,
    logins_and_sessions_are_shown,
);

fn the_level_that_decides_is_named(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain = api.domain("level.example");
    let ada = api.mailbox_with("ada@level.example", json!({"protocols": {"imap": {"state": "disabled"}}}));
    let path = format!("/v1/mailboxes/{}/protocols", ada.id);
    let pop3 = || {
        let effective = api.get(&path).json()["effective"]["pop3"].clone();
        (effective["enabled"].as_bool(), effective["source"].as_str().map(str::to_owned))
    };
    let says = |enabled: bool, source: &str| (Some(enabled), Some(source.to_owned()));
    let imap = &api.get(&path).json()["effective"]["imap"];
    assert_eq!((&imap["enabled"], &imap["source"]), (&json!(false), &json!("mailbox")));
    assert_eq!((&imap["blocked_by"], &imap["tls_only"], &imap["allow_from"]), (&json!([]), &json!(false), &json!([])));
    assert_eq!(pop3(), says(true, "system"));
    api.change(&format!("/v1/domains/{domain}/protocols"), &json!({"pop3": {"state": "disabled"}}));
    assert_eq!(pop3(), says(false, "domain"));
    api.protocol(&ada, "pop3", "enabled");
    assert_eq!(pop3(), says(true, "mailbox"));
    let suspensions = format!("/v1/mailboxes/{}/suspensions", ada.id);
    let made = api.make(&suspensions, &json!({"scope": "login", "reason": "unpaid"}));
    assert_eq!(pop3(), says(false, "suspension"));
    let lifted = api.delete(&format!("{suspensions}/{}", made["id"].as_str().expect("an id")));
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    // Lifting restores exactly what was.
    assert_eq!(pop3(), says(true, "mailbox"));
    assert_eq!(api.get(&path).json()["imap"]["state"], "disabled");
}

fn an_alias_delivers_to_all_its_targets(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("many.example");
    let names = ["ada", "bob", "cyd", "dan", "eve"].map(|name| format!("{name}@many.example"));
    let boxes = names.clone().map(|name| api.mailbox(&name));
    let alias = api.make("/v1/aliases", &json!({"address": "all@many.example", "targets": names}));
    let message = "From: x@far.example\nSubject: to all\n\nHello.\n";
    let reply = server.mx().deliver("x@far.example", &["all@many.example"], message);
    assert!(reply.starts_with("250"), "{reply}");
    for mailbox in &boxes {
        assert_eq!(server.imap().login(&mailbox.address).count("INBOX"), 1, "{}", mailbox.address);
        let usage = api.get(&format!("/v1/mailboxes/{}/usage", mailbox.id)).json();
        assert_eq!(usage["messages"], json!(1));
        assert!(usage["bytes"].as_u64().is_some_and(|bytes| bytes > message.len() as u64), "{usage}");
    }
    let path = format!("/v1/aliases/{}", alias["id"].as_str().expect("an id"));
    api.change(&path, &json!({"targets": [names[0]]}));
    assert!(server.mx().deliver("x@far.example", &["all@many.example"], message).starts_with("250"));
    assert_eq!(server.imap().login(&names[0]).count("INBOX"), 2);
    assert_eq!(server.imap().login(&names[1]).count("INBOX"), 1);
    assert_eq!(api.delete(&path).status, 200);
    assert!(server.mx().deliver("x@far.example", &["all@many.example"], message).starts_with("550"));
}

fn logins_and_sessions_are_shown(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain = api.domain("seen.example");
    let ada = api.mailbox("ada@seen.example");
    let mut imap = server.imap().login("ada@seen.example");
    imap.ok("NOOP");
    let sessions = api.sessions(&ada);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!((&sessions[0]["protocol"], &sessions[0]["tls"]), (&json!("imap"), &json!(false)));
    for field in ["id", "peer", "since", "last_command", "last_command_at"] {
        assert!(sessions[0][field].is_string(), "{field}: {}", sessions[0]);
    }
    // Logins are written soon after, not in the login's way.
    let deadline = Instant::now() + PATIENCE;
    let path = format!("/v1/mailboxes/{}/logins", ada.id);
    let items = loop {
        let items = api.get(&path).json()["items"].clone();
        if items != json!([]) {
            break items;
        }
        assert!(Instant::now() < deadline, "the login is never shown");
        std::thread::yield_now();
    };
    assert_eq!((&items[0]["protocol"], &items[0]["from"]), (&json!("imap"), &json!("127.0.0.1")));
    assert!(items[0]["at"].is_string());
    assert_eq!((&items[0]["outcome"], &items[0]["tls"]), (&json!("admitted"), &json!(false)), "{items}");
    // The client is told nothing; the owner is told why, and by whose word.
    api.change(&format!("/v1/domains/{domain}/protocols"), &json!({"pop3": {"state": "disabled"}}));
    let mut pop3 = server.pop3();
    pop3.command("USER ada@seen.example");
    let refused = pop3.command(&format!("PASS {PASSWORD}"));
    assert!(refused.starts_with("-ERR") && !refused.contains("domain"), "{refused}");
    let owner = server.anonymous().sign_in("ada@seen.example", PASSWORD);
    let entry = loop {
        let items = owner.get(&path).json()["items"].clone();
        if let Some(entry) = items.as_array().expect("a list").iter().find(|entry| entry["outcome"] == "refused") {
            break entry.clone();
        }
        assert!(Instant::now() < deadline, "the refusal is never shown");
        std::thread::yield_now();
    };
    let told = (&entry["protocol"], &entry["reason"], &entry["level"], &entry["times"]);
    assert_eq!(told, (&json!("pop3"), &json!("protocol_off"), &json!("domain"), &json!(1)), "{entry}");
}
