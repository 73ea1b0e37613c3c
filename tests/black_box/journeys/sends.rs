//! A plan's limit on sending holds at submission, over restarts, and what is sent and received is counted by day.

use crate::support::api::id;
use crate::support::smtp::Smtp;
use crate::support::{Api, Backend, PASSWORD, PATIENCE, Server};
use base64::Engine;
use serde_json::{Value, json};
use std::time::Instant;

crate::on_both_databases!(a_plan_limits_what_is_sent_in_a_day, what_was_done_is_shown_by_day);

const MESSAGE: &str = "From: ada@sends.example\n\nText\n";

fn submission(server: &Server, address: &str) -> Smtp {
    let mut smtp = Smtp::connect(server.address("submission")).hello();
    let plain = base64::engine::general_purpose::STANDARD.encode(format!("\0{address}\0{PASSWORD}"));
    smtp.ok(&format!("AUTH PLAIN {plain}"));
    smtp
}

/// A customer whose plan lets it send to four recipients a day, with two mailboxes.
fn customer(api: &Api) -> String {
    let plan = id(&api.make("/v1/plans", &json!({"name": "few", "limits": {"sends_per_day": 4}})));
    let tenant = id(&api.make("/v1/tenants", &json!({"name": "few", "kind": "customer", "plan": plan})));
    api.make("/v1/domains", &json!({"name": "sends.example", "tenant": tenant}));
    tenant
}

fn a_plan_limits_what_is_sent_in_a_day(backend: Backend) {
    let mut server = Server::start(backend);
    let api = server.operator();
    let tenant = customer(&api);
    let (ada, bob) = (api.mailbox("ada@sends.example"), api.mailbox("bob@sends.example"));
    let mut smtp = submission(&server, &ada.address);
    let reply = smtp.deliver("ada@sends.example", &["ada@sends.example", "bob@sends.example"], MESSAGE);
    assert!(reply.starts_with("250"), "{reply}");
    // What is refused counts for nothing.
    let reply = smtp.deliver("ada@sends.example", &["bob@sends.example"], "From: eve@sends.example\n\nText\n");
    assert!(reply.starts_with("550"), "{reply}");
    assert!(smtp.deliver("ada@sends.example", &["bob@sends.example"], MESSAGE).starts_with("250"));

    server.signal("TERM");
    server.wait();
    server.restart();
    let api = server.operator();
    let mut smtp = submission(&server, &bob.address);
    smtp.ok("MAIL FROM:<bob@sends.example>");
    smtp.ok("RCPT TO:<ada@sends.example>");
    let refused = smtp.command("RCPT TO:<bob@sends.example>");
    assert!(refused.starts_with("452 4.7.1") && refused.contains("24 hours"), "{refused}");
    // The one that has a place gets its mail.
    smtp.ok("DATA");
    assert!(smtp.command("From: bob@sends.example\r\n\r\nText\r\n.").starts_with("250"));
    let refused = smtp.deliver("bob@sends.example", &["ada@sends.example"], MESSAGE);
    assert!(refused.starts_with("452 4.7.1"), "{refused}");
    let limits = api.get(&format!("/v1/tenants/{tenant}/limits")).json();
    let sends = limits["items"].as_array().expect("a list").iter().find(|item| item["name"] == "sends_per_day");
    let sends = sends.expect("the limit");
    assert_eq!((&sends["used"], &sends["max"], &limits["sent_last_day"]), (&json!(4), &json!(4), &json!(4)));
    assert_eq!(api.get(&format!("/v1/mailboxes/{}", bob.id)).json()["sent_last_day"], json!(1));
    // What comes in from elsewhere is no sending, and reading goes on.
    assert!(server.mx().deliver("x@far.example", &["ada@sends.example"], MESSAGE).starts_with("250"));
    assert_eq!(server.imap().login(&ada.address).count("INBOX"), 3);
}

/// Today, once so many messages have come in.
fn today(api: &Api, path: &str, received: i64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = api.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let today = answer.json()["days"].as_array().and_then(|days| days.last()).expect("today").clone();
        if today["received"] == json!(received) {
            return today;
        }
        assert!(Instant::now() < deadline, "{path}: {today}");
        std::thread::yield_now();
    }
}

fn what_was_done_is_shown_by_day(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let tenant = customer(&api);
    let (ada, _) = (api.mailbox("ada@sends.example"), api.mailbox("bob@sends.example"));
    let domain = api.get("/v1/domains/by-name/sends.example").json()["id"].as_str().expect("an id").to_owned();
    let to = ["ada@sends.example", "bob@sends.example"];
    assert!(submission(&server, &ada.address).deliver("ada@sends.example", &to, MESSAGE).starts_with("250"));
    server.imap().login(&ada.address).ok("NOOP");
    let path = format!("/v1/mailboxes/{}/usage", ada.id);
    let seen = today(&api, &path, 1);
    assert_eq!((&seen["sent"], &seen["messages"]), (&json!(1), &json!(1)), "{seen}");
    for sum in [format!("/v1/domains/{domain}/usage"), format!("/v1/tenants/{tenant}/usage")] {
        let seen = today(&api, &sum, 2);
        assert_eq!((&seen["sent"], &seen["logins"]["submission"]), (&json!(1), &json!(1)), "{sum}: {seen}");
    }
    let whole = api.get(&path).json();
    assert_eq!((&whole["messages"], whole["days"].as_array().map(Vec::len)), (&json!(1), Some(30)), "{whole}");
    let csv = api.request("GET", &format!("{path}?from=2026-01-01&to=2026-01-02"), &[("Accept", "text/csv")], None);
    let heading = "date,bytes,messages,logins_imap,logins_pop3,logins_submission,received,sent";
    assert_eq!(csv.text(), format!("{heading}\r\n2026-01-01,,,0,0,0,0,0\r\n2026-01-02,,,0,0,0,0,0\r\n"));
    for wrong in ["from=2026-02-30", "from=yesterday", "from=2026-01-02&to=2026-01-01", "from=2001-01-01", "to=%00"] {
        let answer = api.get(&format!("{path}?{wrong}"));
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text());
    }
}
