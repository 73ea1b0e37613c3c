//! What an attacker says to get more than he may.

use crate::support::imap::Imap;
use crate::support::pop3::Pop3;
use crate::support::smtp::Smtp;
use crate::support::{Backend, Server};

crate::on_both_databases!(
    what_comes_with_starttls_is_not_answered_inside_tls,
    no_end_of_data_but_crlf_dot_crlf,
    no_relay,
);

fn server_with_ada(backend: Backend) -> Server {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    server
}

/// RFC 3207 §4.2, RFC 9051 §11.1, RFC 2595 §4: plaintext that follows in the same packet is dropped.
fn what_comes_with_starttls_is_not_answered_inside_tls(backend: Backend) {
    let server = server_with_ada(backend);

    let mut smtp = server.mx();
    smtp.ok("MAIL FROM:<grace@remote.example>");
    smtp.0.send(b"STARTTLS\r\nMAIL FROM:<evil@remote.example>\r\nRCPT TO:<ada@example.org>\r\n");
    assert!(smtp.reply().starts_with("220 "));
    smtp.0.start_tls();
    // Everything said before is forgotten: the transaction, and EHLO.
    let reply = smtp.command("RCPT TO:<ada@example.org>");
    assert!(reply.starts_with("503 5.5.1"), "{reply}");
    let reply = smtp.command("EHLO client.example");
    assert!(reply.starts_with("250-") && !reply.contains("STARTTLS"), "{reply}");
    assert!(smtp.command("QUIT").starts_with("221 "));

    let mut imap = Imap::connect(server.address("imap"));
    imap.wire.send(b"a1 STARTTLS\r\na2 LOGIN ada@example.org open-sesame-7\r\n");
    assert!(imap.wire.line().starts_with("a1 OK"));
    imap.wire.start_tls();
    imap.wire.send(b"a3 SELECT INBOX\r\n");
    let line = imap.wire.line();
    assert!(line.starts_with("a3 BAD") || line.starts_with("a3 NO"), "not signed in: {line}");

    let mut pop3 = Pop3::connect(server.address("pop3"));
    pop3.0.send(b"STLS\r\nUSER ada@example.org\r\nPASS open-sesame-7\r\n");
    assert!(pop3.0.line().starts_with("+OK"));
    pop3.0.start_tls();
    let line = pop3.command("STAT");
    assert!(line.starts_with("-ERR"), "not signed in: {line}");
}

/// RFC 5321 §4.1.1.4: only CRLF.CRLF ends a message; anything like it refuses the whole.
fn no_end_of_data_but_crlf_dot_crlf(backend: Backend) {
    let server = server_with_ada(backend);
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n", "\0"] {
        let mut smtp: Smtp = server.mx();
        smtp.ok("MAIL FROM:<grace@remote.example>");
        smtp.ok("RCPT TO:<ada@example.org>");
        smtp.ok("DATA");
        let hidden = "MAIL FROM:<boss@example.org>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\nSubject: hidden\r\n\r\nx";
        smtp.0.send(format!("Subject: outer\r\n\r\ntext{end}{hidden}\r\n.\r\n").as_bytes());
        let reply = smtp.reply();
        assert!(reply.starts_with("55"), "{end:?}: {reply}");
        // One reply, no more: had a hidden command been heard, these would not match.
        assert!(smtp.command("NOOP").starts_with("250 "), "{end:?}");
        assert!(smtp.command("QUIT").starts_with("221 "), "{end:?}");
    }
    assert_eq!(server.imap().login("ada@example.org").count("INBOX"), 0);
}

fn no_relay(backend: Backend) {
    let server = server_with_ada(backend);
    let tricks = [
        "someone@elsewhere.example",
        "someone%elsewhere.example@example.org",
        "@example.org:someone@elsewhere.example",
        "\"someone@elsewhere.example\"@example.org",
        "elsewhere.example!someone@example.org",
        "someone@elsewhere.example.",
        "someone",
    ];
    for address in tricks {
        let mut smtp = server.mx();
        smtp.ok("MAIL FROM:<ada@example.org>");
        let reply = smtp.command(&format!("RCPT TO:<{address}>"));
        assert!(reply.starts_with("55") || reply.starts_with("50"), "{address}: {reply}");
    }
    // A submission listener does not even hear a sender before the login.
    let mut smtp = Smtp::connect(server.address("submission")).hello();
    let reply = smtp.command("MAIL FROM:<ada@example.org>");
    assert!(reply.starts_with("530 5.7.0"), "{reply}");
}
