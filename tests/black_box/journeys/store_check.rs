//! `facteur store check` beside a running server and without one: its report, its exit codes, what it mends.

use crate::support::imap::Imap;
use crate::support::{Backend, Server};
use serde_json::json;

crate::on_both_databases!(a_store_is_checked_beside_a_running_server);

#[test]
fn without_a_store_there_is_nothing_to_check() {
    let folder = tempfile::tempdir().unwrap();
    let ran = crate::support::server::command(folder.path()).args(["store", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("is not there"), "{said}");
    assert!(!folder.path().join("data/store.db").exists(), "a check makes nothing");
}

fn a_store_is_checked_beside_a_running_server(backend: Backend) {
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    for number in 0..3 {
        let message = format!("Subject: {number}\n\nText\n");
        assert!(server.mx().deliver("g@remote.example", &["ada@example.org"], &message).starts_with("250"));
    }
    let imap: Imap = server.imap().login("ada@example.org");
    let (code, report) = server.check_store(&[]);
    assert_eq!((code, &report["findings"]), (Some(0), &json!([])), "{report}");
    assert_eq!((&report["mailboxes"], &report["messages"], &report["bodies"]), (&json!(1), &json!(3), &json!(3)));
    let said = server.command().args(["store", "check"]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).ends_with("the store is sound.\n"), "{said:?}");
    drop(imap);

    if backend == Backend::Sqlite {
        let open = |name: &str| rusqlite::Connection::open(server.data().join(name)).unwrap();
        open("store.db").execute("UPDATE usage SET bytes = 'x' WHERE messages = 3", []).unwrap();
        // Other mail services go on; the mailbox is refused for now, and told as it is over the API.
        let refused = server.mx().deliver("g@remote.example", &["ada@example.org"], "Subject: x\n\nx\n");
        assert!(refused.starts_with("451 "), "{refused}");
        let listed = operator.get("/v1/mailboxes").json();
        assert_eq!(listed["items"][0]["usage"], json!(null), "{listed}");
        let (code, report) = server.check_store(&[]);
        assert_eq!((code, &report["findings"][0]["damage"]), (Some(3), &json!("usage")), "{report}");
        let (code, report) = server.check_store(&["--repair"]);
        assert_eq!((code, &report["findings"][0]["repaired"]), (Some(0), &json!(true)), "{report}");
        let taken = server.mx().deliver("g@remote.example", &["ada@example.org"], "Subject: x\n\nx\n");
        assert!(taken.starts_with("250 "), "{taken}");
        open("control.db").execute("DELETE FROM revisions WHERE number = 2", []).unwrap();
        let (code, report) = server.check_store(&["--repair"]);
        assert_eq!((code, &report["findings"][0]["object"]), (Some(3), &json!("revision 2")), "{report}");
    }
    server.signal("KILL");
    server.wait();
    let (code, _) = server.check_store(&[]);
    assert_eq!(code, Some(if backend == Backend::Sqlite { 3 } else { 0 }));
}
