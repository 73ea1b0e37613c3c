//! What is counted, as Prometheus reads it.

use crate::support::{Backend, PASSWORD, Server};

crate::on_both_databases!(what_happens_is_counted,);

fn what_happens_is_counted(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("count.example");
    let ada = operator.mailbox("ada@count.example");
    let mut imap = server.imap();
    imap.ok(&format!("LOGIN {} {PASSWORD}", ada.address));
    let tenant = operator.make("/v1/tenants", &serde_json::json!({"name": "other", "kind": "reseller"}));
    let user = serde_json::json!({"tenant": tenant["id"], "name": "other", "password": "other-of-the-test-1"});
    operator.make("/v1/users", &user);
    let answer = operator.get("/metrics");
    assert!(answer.header("content-type").is_some_and(|media| media.starts_with("application/openmetrics-text")));
    let text = answer.text();
    let newest = operator.get("/v1/revisions?limit=1").json()["items"][0]["number"].to_string();
    for line in [
        "facteur_logins_total{protocol=\"imap\",outcome=\"ok\"} 1",
        "facteur_sessions{protocol=\"imap\"} 1",
        "facteur_sessions{protocol=\"pop3\"} 0",
        "facteur_panics_total 0",
        &format!("facteur_revision_newest {newest}"),
        &format!("facteur_revision_applied {newest}"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(text.contains("facteur_http_requests_total{method=\"POST\",status=\"2xx\"} "), "{text}");
    let look_ups = text.lines().find_map(|line| line.strip_prefix("facteur_directory_look_ups_total "));
    assert!(look_ups.is_some_and(|number| number != "0"), "a login looks the mailbox up: {text}");
    assert!(text.ends_with("# EOF\n") && !text.contains("ada"), "{text}");
    // A reseller does not see what happens on the whole node.
    assert_eq!(server.anonymous().sign_in("other", "other-of-the-test-1").get("/metrics").status, 403);
}
