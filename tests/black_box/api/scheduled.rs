//! Changes that begin and end by themselves, carried out by the node.

use crate::support::api::id;
use crate::support::{Api, Backend, Mailbox, PASSWORD, PATIENCE, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

crate::on_both_databases!(
    a_protocol_is_on_for_a_while_and_goes_back,
    what_is_scheduled_survives_a_restart,
    a_scheduled_change_is_cancelled,
    what_was_changed_since_stays,
    what_cannot_be_done_is_refused_at_once,
);

/// A moment so far from now, RFC 3339.
fn after(wait: Duration) -> String {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock") + wait;
    let (days, rest) = (at.as_secs() / 86_400, at.as_secs() % 86_400);
    // Civil from days, of the Gregorian calendar.
    let z = days as i64 + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", at.subsec_millis())
}

const SOON: Duration = Duration::from_millis(2500);

fn state(api: &Api, mailbox: &Mailbox) -> String {
    let protocols = api.get(&format!("/v1/mailboxes/{}/protocols", mailbox.id)).json();
    protocols["pop3"]["state"].as_str().expect("a state").to_owned()
}

fn wait(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn scheduled(api: &Api, mailbox: &Mailbox) -> Vec<Value> {
    let answer = api.get(&format!("/v1/mailboxes/{}/scheduled-changes", mailbox.id));
    answer.json()["items"].as_array().expect("a list").clone()
}

fn start(backend: Backend) -> (Server, Api, Mailbox) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("later.example");
    let ada = operator.mailbox_with("ada@later.example", json!({"protocols": {"pop3": {"state": "disabled"}}}));
    (server, operator, ada)
}

fn a_protocol_is_on_for_a_while_and_goes_back(backend: Backend) {
    let (server, operator, ada) = start(backend);
    let path = format!("/v1/mailboxes/{}/scheduled-changes", ada.id);
    let body = json!({"protocols": {"pop3": {"state": "enabled"}}, "until": after(SOON)});
    let preview = operator.post(&format!("{path}?dry_run=true"), &body).json();
    assert_eq!(preview["action"], json!("update_mailbox_protocols"), "{preview}");
    let made = operator.make(&path, &body);
    assert_eq!(made["state"], json!("running"), "{made}");
    assert_eq!(state(&operator, &ada), "enabled");
    let mut pop3 = server.pop3();
    pop3.ok(&format!("USER {}", ada.address));
    pop3.ok(&format!("PASS {PASSWORD}"));
    assert_eq!(scheduled(&operator, &ada).len(), 1);
    wait("it goes back", || state(&operator, &ada) == "disabled");
    wait("its session ends", || operator.sessions(&ada).is_empty());
    assert!(scheduled(&operator, &ada).is_empty(), "what is done with is no longer shown");
    let log = operator.get(&format!("/v1/revisions?object={}", ada.id)).json();
    let newest = &log["items"][0];
    assert_eq!((&newest["action"], &newest["caller"]), (&json!("update_mailbox_protocols"), &json!("system")));
}

fn what_is_scheduled_survives_a_restart(backend: Backend) {
    let (mut server, operator, ada) = start(backend);
    let path = format!("/v1/mailboxes/{}/scheduled-changes", ada.id);
    operator.make(&path, &json!({"at": after(SOON), "protocols": {"pop3": {"state": "enabled"}}}));
    let suspend =
        json!({"at": after(SOON), "suspension": {"scope": "login", "reason": "unpaid"}, "until": after(10 * SOON)});
    operator.make(&path, &suspend);
    assert_eq!(state(&operator, &ada), "disabled");
    server.signal("KILL");
    server.wait();
    server.restart();
    let operator = server.operator();
    wait("it begins", || state(&operator, &ada) == "enabled");
    let suspensions = || operator.get(&format!("/v1/mailboxes/{}/suspensions", ada.id)).json()["items"].clone();
    wait("it is suspended", || suspensions()[0]["until"].is_string());
    wait("both are done with", || scheduled(&operator, &ada).is_empty());
}

fn a_scheduled_change_is_cancelled(backend: Backend) {
    let (_server, operator, ada) = start(backend);
    let path = format!("/v1/mailboxes/{}/scheduled-changes", ada.id);
    let later =
        id(&operator.make(&path, &json!({"at": after(60 * SOON), "protocols": {"pop3": {"state": "enabled"}}})));
    assert_eq!(operator.delete(&format!("{path}/{later}")).status, 200);
    let body = json!({"protocols": {"pop3": {"state": "enabled"}}, "until": after(60 * SOON)});
    let running = id(&operator.make(&path, &body));
    assert_eq!(operator.delete(&format!("{path}/{running}")).status, 200);
    assert_eq!(state(&operator, &ada), "disabled", "it went back at once");
    let kept = id(&operator.make(&path, &body));
    assert_eq!(operator.delete(&format!("{path}/{kept}?keep=true")).status, 200);
    assert_eq!(state(&operator, &ada), "enabled");
    assert!(scheduled(&operator, &ada).is_empty());
    assert_eq!(operator.delete(&format!("{path}/{kept}")).status, 404);
}

fn what_was_changed_since_stays(backend: Backend) {
    let (_server, operator, ada) = start(backend);
    let path = format!("/v1/mailboxes/{}/scheduled-changes", ada.id);
    let body = json!({"protocols": {"pop3": {"state": "enabled"}, "imap": {"tls_only": true}}, "until": after(SOON)});
    operator.make(&path, &body);
    operator.protocol(&ada, "pop3", "inherit");
    wait("it ends", || scheduled(&operator, &ada).is_empty());
    let protocols = operator.get(&format!("/v1/mailboxes/{}/protocols", ada.id)).json();
    assert_eq!((&protocols["pop3"]["state"], &protocols["imap"]["tls_only"]), (&json!("inherit"), &Value::Null));
}

fn what_cannot_be_done_is_refused_at_once(backend: Backend) {
    let (_server, operator, ada) = start(backend);
    let path = format!("/v1/mailboxes/{}/scheduled-changes", ada.id);
    let pop3 = json!({"pop3": {"state": "enabled"}});
    for (body, pointer) in [
        (json!({"protocols": {"pop4": {}}}), "/protocols/pop4"),
        (json!({"protocols": pop3, "at": "2020-01-01T00:00:00Z"}), "/at"),
        (json!({"protocols": pop3, "at": after(2 * SOON), "until": after(SOON)}), "/until"),
        (json!({"suspension": {"scope": "login", "reason": "x"}}), "/at"),
        (json!({"until": after(SOON)}), "/protocols"),
    ] {
        let answer = operator.post(&path, &body);
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}");
    }
    assert!(scheduled(&operator, &ada).is_empty());
}
