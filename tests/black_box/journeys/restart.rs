//! The same command again starts on what is there.

use crate::support::imap::Imap;
use crate::support::{Backend, Server};
use serde_json::json;

crate::on_both_databases!(a_restart_keeps_everything, a_lost_password_is_no_lost_server);

/// What a client would notice if it changed.
fn seen(imap: &mut Imap) -> Vec<String> {
    let mut lines = imap.ok("LIST \"\" \"*\"");
    lines.extend(imap.ok("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"));
    imap.ok("SELECT INBOX");
    lines.extend(imap.ok("FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE BODY.PEEK[])"));
    lines
}

fn a_restart_keeps_everything(backend: Backend) {
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    let ada = operator.mailbox("ada@example.org");
    for number in 1..=5 {
        let text = format!("Subject: {number}\n\n{}\n", "text ".repeat(number * 2000));
        let reply = server.mx().deliver("grace@remote.example", &["ada@example.org"], &text);
        assert!(reply.starts_with("250"), "{reply}");
    }
    let mut imap = server.imap().login("ada@example.org");
    imap.ok("CREATE Work/2026");
    imap.ok("SELECT INBOX");
    imap.ok("STORE 2:3 +FLAGS (\\Flagged $Later)");
    imap.ok("COPY 1 Work/2026");
    imap.ok("STORE 5 +FLAGS.SILENT (\\Deleted)");
    imap.ok("EXPUNGE");
    let before = seen(&mut imap);
    let unique = server.pop3().login("ada@example.org").lines("UIDL");
    let revisions = operator.get("/v1/revisions").body;

    server.signal("TERM");
    assert!(server.wait().success());
    server.restart();
    let mut imap = server.imap().login("ada@example.org");
    assert_eq!(seen(&mut imap), before);
    assert_eq!(server.pop3().login("ada@example.org").lines("UIDL"), unique);
    let operator = server.operator();
    assert_eq!(String::from_utf8_lossy(&operator.get("/v1/revisions").body), String::from_utf8_lossy(&revisions));
    operator.protocol(&ada, "imap", "disabled");
    assert!(imap.wire.line().starts_with("* BYE"));
}

/// As after a crash between the first start's commit and its one line with the password.
fn a_lost_password_is_no_lost_server(backend: Backend) {
    let mut server = Server::start(backend);
    let before = server.operator();
    let reset = |server: &Server, more: &[&str]| {
        let output = server.command().args(["operator", "reset-password"]).args(more).output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned(), output.stderr)
    };
    let new_password = |server: &Server| {
        let (done, said, error) = reset(server, &[]);
        assert!(done, "{said}{}", String::from_utf8_lossy(&error));
        said.lines().find_map(|line| line.strip_prefix("    ")).expect("the password on a line of its own").to_owned()
    };
    // Beside the running server, which obeys at its next request.
    let password = new_password(&server);
    assert_eq!(before.get("/v1/me").status, 401);
    server.anonymous().sign_in("operator", &password);
    server.signal("KILL");
    server.wait();
    let (done, _, error) = reset(&server, &["--name", "nobody"]);
    assert!(!done && String::from_utf8_lossy(&error).contains("operators: operator"));
    let newer = new_password(&server);
    server.restart();
    let body = json!({"name": "operator", "password": password});
    assert_eq!(server.anonymous().post("/v1/sign-in", &body).status, 401);
    server.anonymous().sign_in("operator", &newer);
}
