//! Containing a mailbox over HTTP: its sessions end, its mail comes in, and reverting releases it.

use crate::support::{Backend, PASSWORD, Server};
use serde_json::json;

crate::on_both_databases!(containing_ends_sessions_and_keeps_receiving);

fn containing_ends_sessions_and_keeps_receiving(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("held.example");
    let ada = api.mailbox("ada@held.example");
    let mut imap = server.imap();
    imap.ok(&format!("LOGIN ada@held.example {PASSWORD}"));
    let path = format!("/v1/mailboxes/{}", ada.id);
    let contained = api.post(&format!("{path}/contain"), &json!({"reason": "sends spam"}));
    assert_eq!(contained.status, 200, "{}", contained.text());
    assert_eq!(contained.json()["sessions"], json!({"closed": 1, "remaining": 0}));
    assert!(imap.wire.line().starts_with("* BYE"));
    assert!(!server.imap().command(&format!("LOGIN ada@held.example {PASSWORD}")).status.starts_with("OK"));
    let reply = server.mx().deliver("a@remote.example", &["ada@held.example"], "Subject: x\r\n\r\nx");
    assert!(reply.starts_with("250"), "{reply}");
    let seen = api.get(&path).json();
    assert_eq!(seen["contained"]["reason"], "sends spam");
    assert_eq!(seen["usage"]["messages"], 1);

    let number = contained.json()["revision"].clone();
    let reverted = api.post(&format!("/v1/revisions/{number}/revert"), &json!({}));
    assert_eq!(reverted.status, 200, "{}", reverted.text());
    assert_eq!(api.get(&path).json()["contained"], json!(null));
    server.imap().ok(&format!("LOGIN ada@held.example {PASSWORD}"));
    let back = api.post(&format!("/v1/revisions/{}/revert", reverted.json()["revision"]), &json!({}));
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(api.get(&path).json()["contained"]["reason"], "sends spam");
    assert_eq!(api.delete(&format!("{path}/contain")).status, 200);
}
