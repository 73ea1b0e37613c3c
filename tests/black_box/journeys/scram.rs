//! SCRAM-SHA-256 and -PLUS at IMAP, POP3 and submission: the one way in, by a proof instead of the password
//! (RFC 5802, RFC 7677, RFC 9266, RFC 5929).

use crate::support::imap::Imap;
use crate::support::pop3::Pop3;
use crate::support::scram::Scram;
use crate::support::smtp::Smtp;
use crate::support::wire::Wire;
use crate::support::{Backend, PASSWORD, Server};
use aws_lc_rs::digest;
use serde_json::json;

crate::on_both_databases!(
    a_proof_opens_every_protocol,
    logins_are_bound_to_their_connection,
    nothing_tells_who_has_keys,
    keys_follow_the_password,
);

const ADA: &str = "ada@example.org";

/// An exchange at IMAP; the tagged answer.
fn at_imap(wire: &mut Wire, mechanism: &str, mut scram: Scram) -> String {
    wire.send(format!("s AUTHENTICATE {mechanism} {}\r\n", scram.first()).as_bytes());
    let line = wire.line();
    let Some(challenge) = line.strip_prefix("+ ") else { return line };
    let last = scram.last(challenge);
    wire.send(format!("{last}\r\n").as_bytes());
    let line = wire.line();
    let Some(answer) = line.strip_prefix("+ ") else { return line };
    assert!(scram.believes(answer), "the server proves itself");
    wire.send(b"\r\n");
    wire.line()
}

fn plain_imap(server: &Server, network: u16, name: &str, password: &str) -> String {
    let mut imap = Imap::connect_from(server.address("imap"), network);
    at_imap(&mut imap.wire, "SCRAM-SHA-256", Scram::new(name, password, "n,,", Vec::new()))
}

fn with_mailbox(backend: Backend) -> Server {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox(ADA);
    server
}

fn a_proof_opens_every_protocol(backend: Backend) {
    let server = with_mailbox(backend);
    let scram = || Scram::new(ADA, PASSWORD, "n,,", Vec::new());
    let mut imap = Imap::connect(server.address("imap"));
    // Without TLS nothing can be bound, so that `y` is the truth.
    let able = Scram::new(ADA, PASSWORD, "y,,", Vec::new());
    assert!(at_imap(&mut imap.wire, "SCRAM-SHA-256", able).starts_with("s OK [CAPABILITY "));
    imap.ok("SELECT INBOX");

    let mut pop3 = Pop3::connect(server.address("pop3"));
    let mut exchange = scram();
    let challenge = pop3.command(&format!("AUTH SCRAM-SHA-256 {}", exchange.first()));
    let last = exchange.last(challenge.strip_prefix("+ ").expect("a challenge"));
    let answer = pop3.command(&last);
    assert!(exchange.believes(answer.strip_prefix("+ ").expect("an answer")));
    assert!(pop3.command("").starts_with("+OK"));
    pop3.ok("STAT");

    let mut smtp = Smtp::connect(server.address("submission")).hello();
    let mut exchange = scram();
    assert_eq!(smtp.command("AUTH SCRAM-SHA-256"), "334 ");
    let challenge = smtp.command(&exchange.first());
    let last = exchange.last(challenge.strip_prefix("334 ").expect("a challenge"));
    let answer = smtp.command(&last);
    assert!(exchange.believes(answer.strip_prefix("334 ").expect("an answer")));
    assert!(smtp.command("").starts_with("235 "));
    smtp.ok(&format!("MAIL FROM:<{ADA}>"));

    // A client that does not believe the server is not signed in.
    let mut imap = Imap::connect(server.address("imap"));
    let mut exchange = scram();
    imap.wire.send(format!("s AUTHENTICATE SCRAM-SHA-256 {}\r\n", exchange.first()).as_bytes());
    let last = exchange.last(imap.wire.line().strip_prefix("+ ").expect("a challenge"));
    imap.wire.send(format!("{last}\r\n").as_bytes());
    assert!(imap.wire.line().starts_with("+ "));
    imap.wire.send(b"*\r\n");
    assert!(imap.wire.line().starts_with("s BAD "));
    assert!(imap.command("SELECT INBOX").status.starts_with("BAD"));
}

fn tls(server: &Server) -> Wire {
    let mut wire = Wire::connect(server.address("imaps"));
    wire.start_tls();
    let greeting = wire.line();
    assert!(greeting.contains(" AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS]"), "{greeting}");
    wire
}

fn logins_are_bound_to_their_connection(backend: Backend) {
    let server = with_mailbox(backend);
    let bound = |header: &str, channel| Scram::new(ADA, PASSWORD, header, channel);
    let mut wire = tls(&server);
    let exporter = bound("p=tls-exporter,,", wire.exporter());
    assert!(at_imap(&mut wire, "SCRAM-SHA-256-PLUS", exporter).starts_with("s OK "));
    let mut wire = tls(&server);
    let certificate = digest::digest(&digest::SHA256, &wire.certificate()).as_ref().to_vec();
    let end_point = bound("p=tls-server-end-point,,", certificate);
    assert!(at_imap(&mut wire, "SCRAM-SHA-256-PLUS", end_point).starts_with("s OK "));
    let mut wire = tls(&server);
    assert!(at_imap(&mut wire, "SCRAM-SHA-256", bound("n,,", Vec::new())).starts_with("s OK "));

    // Another connection's binding, none where one is due, one that was talked out of, and one that nobody knows.
    let other = tls(&server).exporter();
    let refused = [
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", other),
        ("SCRAM-SHA-256-PLUS", "n,,", Vec::new()),
        ("SCRAM-SHA-256", "y,,", Vec::new()),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,", b"x".to_vec()),
    ];
    for (mechanism, header, channel) in refused {
        let answer = at_imap(&mut tls(&server), mechanism, bound(header, channel));
        assert!(answer.starts_with("s NO [AUTHENTICATIONFAILED] "), "{mechanism} {header}: {answer}");
    }
    // Without TLS there is nothing to bind to.
    let mut imap = Imap::connect(server.address("imap"));
    let answer = at_imap(&mut imap.wire, "SCRAM-SHA-256-PLUS", bound("p=tls-exporter,,", b"x".to_vec()));
    assert!(answer.starts_with("s NO That mechanism"), "{answer}");
}

/// What a name is told of its salt.
fn salting(server: &Server, name: &str) -> String {
    let mut imap = Imap::connect(server.address("imap"));
    let scram = Scram::new(name, PASSWORD, "n,,", Vec::new());
    imap.wire.send(format!("s AUTHENTICATE SCRAM-SHA-256 {}\r\n", scram.first()).as_bytes());
    scram.salting(imap.wire.line().strip_prefix("+ ").expect("a challenge"))
}

fn nothing_tells_who_has_keys(backend: Backend) {
    let server = with_mailbox(backend);
    let hash = "{SHA256-CRYPT}$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";
    let fields = json!({"address": "old@example.org", "password_hash": hash});
    server.operator().make("/v1/mailboxes", &fields);
    for name in [ADA, "old@example.org", "nobody@example.org", "no address"] {
        let told = salting(&server, name);
        assert_eq!(told, salting(&server, name), "{name}");
        assert_eq!(told.len(), salting(&server, ADA).len(), "{name}");
    }
    let refusal = plain_imap(&server, 1, ADA, "wrong-password-1");
    assert_eq!(refusal, "s NO [AUTHENTICATIONFAILED] Name or password is wrong, or access is not allowed");
    for (network, name) in [(2, "nobody@example.org"), (3, "old@example.org")] {
        assert_eq!(plain_imap(&server, network, name, "secret"), refusal, "{name}");
    }
    // The first login that shows the password makes the keys of an imported one.
    assert!(Imap::connect(server.address("imap")).command("LOGIN old@example.org secret").status.starts_with("OK"));
    let mut tries = 4..20;
    assert!(tries.any(|network| plain_imap(&server, network, "old@example.org", "secret").starts_with("s OK ")));
}

fn keys_follow_the_password(backend: Backend) {
    let server = with_mailbox(backend);
    let operator = server.operator();
    let grace = operator.mailbox("grace@example.org");
    let path = format!("/v1/mailboxes/{}", grace.id);
    assert!(plain_imap(&server, 1, &grace.address, PASSWORD).starts_with("s OK "));
    operator.change(&path, &json!({"password": "another-password-1"}));
    assert!(plain_imap(&server, 1, &grace.address, PASSWORD).starts_with("s NO "));
    assert!(plain_imap(&server, 1, &grace.address, "another-password-1").starts_with("s OK "));
    operator.protocol(&grace, "imap", "disabled");
    assert!(plain_imap(&server, 1, &grace.address, "another-password-1").starts_with("s NO "));
    operator.protocol(&grace, "imap", "enabled");
    operator.change(&path, &json!({"app_passwords_only": true}));
    assert!(plain_imap(&server, 1, &grace.address, "another-password-1").starts_with("s NO "));
    // Failures count like those of passwords: here to the bound of a network.
    let mut answers = (0..12).map(|_| plain_imap(&server, 100, ADA, "wrong-password-1"));
    assert!(answers.any(|answer| answer.contains("Too many failed logins")));
}
