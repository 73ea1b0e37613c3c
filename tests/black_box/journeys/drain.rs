//! SIGTERM: no new connections, what has started is finished, goodbye to the rest.

use crate::support::{Backend, Server};
use std::time::{Duration, Instant};

crate::on_both_databases!(sigterm_finishes_what_has_started);

fn sigterm_finishes_what_has_started(backend: Backend) {
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    let mut imap = server.imap().login("ada@example.org");
    imap.ok("SELECT INBOX");
    imap.send("IDLE");
    assert!(imap.wire.line().starts_with('+'));
    let mut pop3 = server.pop3().login("ada@example.org");
    let mut idle = server.mx();
    let mut busy = server.mx();
    busy.ok("MAIL FROM:<grace@remote.example>");
    busy.ok("RCPT TO:<ada@example.org>");
    busy.ok("DATA");
    busy.0.send(b"Subject: in the middle\r\n\r\nfirst half, ");

    let began = Instant::now();
    server.signal("TERM");
    // These have nothing under way and hear of it at once.
    assert!(imap.wire.line().starts_with("* BYE"));
    let last = pop3.0.line();
    assert!(last.starts_with("-ERR"), "{last}");
    let last = idle.reply();
    assert!(last.starts_with("421 4.3.2"), "{last}");
    let refused = std::net::TcpStream::connect_timeout(&server.address("mx"), Duration::from_secs(5));
    assert!(refused.is_err(), "a draining server takes no new connection");
    // Whoever spreads the load hears that it is leaving, over a new connection, too.
    assert_eq!(server.anonymous().get("/healthz").status, 200);
    assert_eq!(server.anonymous().get("/readyz").status, 503);
    assert_eq!(operator.get("/v1/me").status, 503);

    busy.0.send(b"second half\r\n.\r\n");
    let reply = busy.reply();
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());

    server.restart();
    let mut imap = server.imap().login("ada@example.org");
    imap.ok("SELECT INBOX");
    let text = imap.ok("FETCH 1 BODY.PEEK[TEXT]").join("\n");
    assert!(text.contains("first half, second half\r\n"), "{text}");
}
