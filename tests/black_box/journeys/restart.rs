//! The same command again starts on what is there.

use crate::support::imap::Imap;
use crate::support::{Backend, Server};

crate::on_both_databases!(a_restart_keeps_everything);

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
