//! Peers that mean harm or are broken: whatever they send, they get the protocol's answer or are cut off,
//! and the next client is served as if nothing had been. (A panic anywhere fails the test by itself.)

use crate::support::imap::Imap;
use crate::support::smtp::{Smtp, stuffed};
use crate::support::wire::Wire;
use crate::support::{Backend, PASSWORD, Server};
use std::time::{Duration, Instant};

crate::on_both_databases!(
    a_line_without_end_is_cut_off,
    literals_beyond_any_message_are_not_asked_for,
    nested_parentheses_are_refused,
    who_does_not_speak_smtp_is_sent_away,
    errors_and_recipients_are_counted,
    a_chunk_for_every_octet,
    logins_that_are_given_up,
    messages_of_monstrous_structure,
    who_reads_slowly_holds_up_nobody,
);

/// How long another client may wait meanwhile, on a machine that is busy.
const PROMPT: Duration = Duration::from_secs(5);

fn server(backend: Backend) -> Server {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    server
}

fn login(server: &Server) -> Imap {
    server.imap().login("ada@example.org")
}

/// Another client is greeted, signs in, reads and delivers as if nothing had been.
fn still_serves(server: &Server, what: &str) {
    let began = Instant::now();
    let mut imap = login(server);
    imap.ok("SELECT INBOX");
    imap.ok("LOGOUT");
    assert!(server.mx().command("NOOP").starts_with("250 "), "after {what}");
    server.pop3().ok("CAPA");
    assert!(began.elapsed() < PROMPT, "after {what}: {:?}", began.elapsed());
}

/// Sends `octets` over and over until the server has had enough; how many it was offered at most.
fn flood(wire: &mut Wire, octets: &[u8], most: usize) -> usize {
    let mut sent = 0;
    while sent < most && wire.try_send(octets).is_ok() {
        sent += octets.len();
    }
    sent
}

/// Everything until the end of the conversation, which must come.
fn to_the_end(wire: &mut Wire) -> String {
    let mut said = String::new();
    loop {
        match wire.try_line() {
            Ok(Some(line)) => said.push_str(&format!("{}\n", String::from_utf8_lossy(&line))),
            Ok(None) => return said,
            // A server that closes while we still send resets: what it said last may be lost.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::BrokenPipe) => return said,
            Err(error) => panic!("no end after {said:?}: {error}"),
        }
    }
}

/// What sockets on both sides may hold of a flood that nobody reads.
const IN_FLIGHT: usize = 16 * 1024 * 1024;

fn a_line_without_end_is_cut_off(backend: Backend) {
    let server = server(backend);
    let block = [b'A'; 32 * 1024];
    for listener in ["mx", "submission", "imap", "pop3"] {
        let mut wire = Wire::connect(server.address(listener));
        wire.line();
        let sent = flood(&mut wire, &block, 2 * IN_FLIGHT);
        assert!(sent < 2 * IN_FLIGHT, "{listener} reads a line without end");
        still_serves(&server, listener);
    }
    let mut imap = login(&server);
    assert!(flood(&mut imap.wire, &block, 2 * IN_FLIGHT) < 2 * IN_FLIGHT, "also after login");
    // A line that ends, but too late, is answered and the next one is heard (RFC 5321 §4.5.3.1.4).
    let mut smtp = server.mx();
    let reply = smtp.command(&format!("NOOP {}", "x".repeat(20_000)));
    assert!(reply.starts_with("500 5.5.2"), "{reply}");
    assert!(smtp.command("NOOP").starts_with("250 "));
    still_serves(&server, "lines");
}

/// CVE-2024-34055, CVE-2024-37358: no state may forget the bound.
fn literals_beyond_any_message_are_not_asked_for(backend: Backend) {
    let server = server(backend);
    let sizes = ["2147483648", "9223372036854775808", "1000000000000000000000000000000"];
    let commands = ["LOGIN", "APPEND INBOX", "SELECT", "SEARCH TEXT", "FETCH 1 BODY[HEADER.FIELDS (", "ID ("];
    for (number, command) in commands.into_iter().enumerate() {
        for size in sizes {
            for (signed_in, plus) in [(false, ""), (false, "+"), (true, ""), (true, "+")] {
                let mut imap = Imap::connect_from(server.address("imap"), 1 + number as u16);
                if signed_in {
                    imap.ok(&format!("LOGIN ada@example.org {PASSWORD}"));
                }
                imap.wire.send(format!("x {command} {{{size}{plus}}}\r\n").as_bytes());
                let line = imap.wire.line();
                let refused = ["x BAD", "x NO", "* BYE"].iter().any(|refusal| line.starts_with(refusal));
                assert!(refused, "{command} {{{size}{plus}}}, signed in: {signed_in}: {line}");
            }
        }
    }
    // Many small ones: a command may hold no more of them than its bound.
    let mut imap = login(&server);
    let small = "{1+}\r\na".repeat(5_000);
    imap.wire.send(format!("x SEARCH OR {small}\r\n").as_bytes());
    let said = imap.wire.line();
    assert!(said.starts_with("x BAD") || said.starts_with("* BYE"), "{said}");
    still_serves(&server, "literals");
}

/// CVE-2026-27857 and its incomplete fix.
fn nested_parentheses_are_refused(backend: Backend) {
    let server = server(backend);
    for open in ["(", "{", "[", "\"", "NOT ", "OR "] {
        for (command, count) in [("NOOP", 5_000), ("LIST", 5_000), ("SEARCH", 15_000), ("FETCH 1", 15_000)] {
            let mut imap = Imap::connect(server.address("imap"));
            let before = imap.command(&format!("{command} {}", open.repeat(count.min(7_000 / open.len()))));
            assert!(before.status.starts_with("BAD"), "{command} {open}: {}", before.status);
            let mut imap = login(&server);
            imap.ok("SELECT INBOX");
            let after = imap.command(&format!("{command} {}", open.repeat(count)));
            assert!(after.status.starts_with("BAD"), "{command} {open}: {}", after.status);
            imap.ok("NOOP");
        }
    }
    still_serves(&server, "nesting");
}

fn who_does_not_speak_smtp_is_sent_away(backend: Backend) {
    let server = server(backend);
    // RFC 5321 §4.3.1: the client waits for the greeting.
    let mut early = Wire::connect(server.address("mx"));
    early.send(b"EHLO x\r\nMAIL FROM:<x@remote.example>\r\nRCPT TO:<ada@example.org>\r\n");
    let said = to_the_end(&mut early);
    assert!(said.starts_with("554 ") && said.lines().count() == 1, "{said}");
    let requests = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nMAIL FROM:<x@remote.example>\r\n",
        "CONNECT mail:25 HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for request in requests {
        for listener in ["mx", "submission"] {
            let mut smtp = Smtp::connect(server.address(listener));
            smtp.0.send(request.as_bytes());
            let said = to_the_end(&mut smtp.0);
            assert!(said.starts_with("421 4.7.0 ") && said.lines().count() == 1, "{request:?}: {said}");
        }
    }
    still_serves(&server, "foreign words");
}

fn errors_and_recipients_are_counted(backend: Backend) {
    let server = server(backend);
    let mut smtp = server.mx();
    smtp.0.send(&b"FOO\r\n".repeat(60));
    let said = to_the_end(&mut smtp.0);
    let errors = said.lines().filter(|line| line.starts_with("500 ")).count();
    assert_eq!((errors, said.lines().last().map(|line| &line[..4])), (21, Some("421 ")), "{said}");

    let mut imap = login(&server);
    imap.wire.send(&b"x FOO\r\n".repeat(200));
    assert!(to_the_end(&mut imap.wire).contains("\n* BYE"));
    let mut pop3 = server.pop3().login("ada@example.org");
    pop3.0.send(&b"FOO\r\n".repeat(100));
    assert!(to_the_end(&mut pop3.0).lines().count() < 40);

    // RFC 5321 §4.5.3.1.10: the rest is for another transaction.
    let mut smtp = server.mx();
    smtp.ok("MAIL FROM:<x@remote.example>");
    smtp.0.send(&b"RCPT TO:<ada@example.org>\r\n".repeat(1_001));
    let replies: Vec<String> = (0..1_001).map(|_| smtp.reply()).collect();
    assert!(replies[..1_000].iter().all(|reply| reply.starts_with("250 ")), "{:?}", replies.first());
    assert!(replies[1_000].starts_with("452 4.5.3 "), "{}", replies[1_000]);
    let reply = smtp.command("DATA");
    assert!(reply.starts_with("354"), "{reply}");
    smtp.0.send(stuffed("Subject: to all\n\nx\n").as_bytes());
    assert!(smtp.reply().starts_with("250 "));
    assert_eq!(login(&server).count("INBOX"), 1, "one mailbox gets one copy");
    still_serves(&server, "errors");
}

/// Postfix' one-octet chunks: each must cost what it holds.
fn a_chunk_for_every_octet(backend: Backend) {
    let server = server(backend);
    let mut smtp = server.mx();
    smtp.ok("MAIL FROM:<x@remote.example>");
    smtp.ok("RCPT TO:<ada@example.org>");
    let message = format!("Subject: octets\r\n\r\n{}\r\n", "x".repeat(9_979));
    assert_eq!(message.len(), 10_000);
    for part in message.as_bytes().chunks(500) {
        let chunks: Vec<u8> = part.iter().flat_map(|octet| [&b"BDAT 1\r\n"[..], &[*octet]].concat()).collect();
        smtp.0.send(&chunks);
        for _ in part {
            assert!(smtp.reply().starts_with("250 "));
        }
    }
    let reply = smtp.command("BDAT 0 LAST");
    assert!(reply.starts_with("250 "), "{reply}");
    let mut imap = login(&server);
    imap.ok("SELECT INBOX");
    let whole = imap.ok("FETCH 1 BODY.PEEK[]").join("");
    assert!(whole.ends_with(&format!("{message})")), "{} octets", whole.len());
    still_serves(&server, "chunks");
}

/// CVE-2019-11494, -11499: an exchange that stops anywhere leaves no trace.
fn logins_that_are_given_up(backend: Backend) {
    let server = server(backend);
    let endings: [&[u8]; 6] = [b"*\r\n", b"!!!!\r\n", b"\xff\xff\r\n", b"\r\n", b"=\r\n", b"AAAA\r\n"];
    for ending in endings {
        for mechanism in ["PLAIN", "LOGIN"] {
            let mut smtp = Smtp::connect(server.address("submission")).hello();
            assert!(smtp.command(&format!("AUTH {mechanism}")).starts_with("334"));
            smtp.0.send(ending);
            let mut reply = smtp.reply();
            if reply.starts_with("334") {
                smtp.0.send(b"*\r\n");
                reply = smtp.reply();
            }
            assert!(reply.starts_with('5'), "AUTH {mechanism} {ending:?}: {reply}");
            let reply = smtp.command("MAIL FROM:<ada@example.org>");
            assert!(reply.starts_with("530 "), "not signed in: {reply}");
        }
        let mut imap = server.imap();
        let tag = imap.send("AUTHENTICATE PLAIN");
        assert!(imap.wire.line().starts_with('+'));
        imap.wire.send(ending);
        let status = imap.answer(&tag).status;
        assert!(status.starts_with("BAD") || status.starts_with("NO"), "{ending:?}: {status}");
        let mut pop3 = server.pop3();
        assert!(pop3.command("AUTH PLAIN").starts_with('+'));
        pop3.0.send(ending);
        assert!(pop3.0.line().starts_with("-ERR"));
    }
    // And those that just hang up, at every point.
    for octets in [&b""[..], b"A", b"AUTH PLAIN", b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\nYQ==\r\n"] {
        for _ in 0..8 {
            Smtp::connect(server.address("submission")).hello().0.send(octets);
        }
    }
    still_serves(&server, "logins");
}

fn deliver_octets(server: &Server, message: &str) -> Duration {
    let mut smtp = server.mx();
    smtp.ok("MAIL FROM:<x@remote.example>");
    smtp.ok("RCPT TO:<ada@example.org>");
    smtp.ok("DATA");
    let began = Instant::now();
    smtp.0.send(stuffed(message).as_bytes());
    let reply = smtp.reply();
    assert!(reply.starts_with("250 "), "{reply}");
    began.elapsed()
}

/// CVE-2020-12100, CVE-2024-23184, CVE-2026-27859: kept, shown as far as the bounds go, and in no time.
fn messages_of_monstrous_structure(backend: Backend) {
    let server = server(backend);
    let nested = |depth: usize| -> String {
        (0..depth)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
            .chain(["\nx\n".to_owned()])
            .collect()
    };
    let wrapped = "Content-Type: message/rfc822\n\n".repeat(1_000);
    let parts = "--q\n\nx\n".repeat(20_000);
    let addresses: Vec<String> = (0..100_000).map(|n| format!("a{n}@b.example")).collect();
    // A header may have a mebibyte; this one stays below.
    let lists: Vec<String> = addresses.chunks(50_000).take(1).map(|some| some.join(",\n ")).collect();
    let parameters: String = (0..20_000).map(|n| format!(";\n name*{n}*=%41")).collect();
    let monsters = [
        ("depth", format!("Subject: depth\n{}", nested(1_000))),
        ("wrapped", format!("Subject: wrapped\n{wrapped}\nx\n")),
        ("parts", format!("Subject: parts\nContent-Type: multipart/mixed; boundary=q\n\n{parts}--q--\n")),
        ("addresses", format!("Subject: addresses\nTo: {}\n\nx\n", lists.join(""))),
        ("parameters", format!("Subject: parameters\nContent-Type: text/plain{parameters}\n\nx\n")),
        ("groups", format!("Subject: groups\nTo: {}\n\nx\n", "g:a@b.example,".repeat(5_000))),
        ("quotes", format!("Subject: quotes\nFrom: {}\n\nx\n", "\"".repeat(50_000))),
        ("comments", format!("Subject: comments\nFrom: {}a@b.example\n\nx\n", "(".repeat(50_000))),
    ];
    for (name, message) in &monsters {
        let took = deliver_octets(&server, message);
        assert!(took < PROMPT, "{name}: delivered in {took:?}");
    }
    let mut imap = login(&server);
    imap.ok("SELECT INBOX");
    let began = Instant::now();
    let lines = imap.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)");
    assert!(began.elapsed() < PROMPT, "listed in {:?}", began.elapsed());
    assert_eq!(lines.iter().filter(|line| line.contains(" FETCH (")).count(), monsters.len());
    for (number, (name, _)) in (1..).zip(&monsters) {
        let began = Instant::now();
        assert!(lines.iter().any(|line| line.contains(&format!("\"{name}\""))), "{name}");
        imap.ok(&format!("FETCH {number} (BODY.PEEK[1.1.1.1.MIME] BODY.PEEK[HEADER.FIELDS (TO)] BINARY.SIZE[1])"));
        assert_eq!(imap.ok(&format!("SEARCH TEXT nowhere {number}")), ["* SEARCH"], "{name}");
        assert!(began.elapsed() < PROMPT, "{name}: read in {:?}", began.elapsed());
    }
    // All 100,000 addresses are more header than is taken: refused as a whole (552 5.3.4).
    let mut smtp = server.mx();
    let reply =
        smtp.deliver("x@remote.example", &["ada@example.org"], &format!("To: {}\n\nx\n", addresses.join(",\n ")));
    assert!(reply.starts_with("552 5.3.4"), "{reply}");
    still_serves(&server, "monsters");
}

/// A client that asks for much and takes nothing waits alone.
fn who_reads_slowly_holds_up_nobody(backend: Backend) {
    let server = server(backend);
    deliver_octets(&server, &format!("Subject: large\n\n{}", "0123456789abcdef\n".repeat(200_000)));
    let mut slow: Vec<(Imap, String)> = Vec::new();
    for number in 0..20 {
        let mut imap = Imap::connect_from(server.address("imap"), 1 + number).login("ada@example.org");
        imap.ok("SELECT INBOX");
        let tag = imap.send("FETCH 1 BODY.PEEK[]");
        slow.push((imap, tag));
    }
    for _ in 0..5 {
        still_serves(&server, "slow readers");
        assert!(deliver_octets(&server, "Subject: small\n\nx\n") < PROMPT);
    }
    // They are not cut off either, as long as they are within their time.
    for (mut imap, tag) in slow {
        let answer = imap.answer(&tag);
        assert!(answer.status.starts_with("OK") && answer.untagged[0].len() > 3_000_000, "{}", answer.status);
    }
}
