//! Invitations and password resets as people meet them: by mail to a smarthost, or into a mailbox here.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::sink::Sink;
use crate::support::{Api, Backend, PASSWORD, PATIENCE, Server};
use serde_json::json;
use std::time::Instant;

crate::on_both_databases!(an_invited_owner_chooses_the_password, a_reset_reaches_a_mailbox_here);

const NEW: &str = "chosen by the owner";

/// A server with a smarthost, and where it takes mail.
fn with_smarthost(backend: Backend) -> (Server, Sink) {
    let (mut server, sink) = (Server::start(backend), Sink::start());
    let port = sink.address.port();
    server.settings(&format!(
        "link_url = \"https://panel.example/\"\nmail_from = \"robot@facteur.example\"\n\
         [smarthost]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"never\"\n"
    ));
    server.signal("TERM");
    server.wait();
    server.restart();
    (server, sink)
}

fn token(text: &str) -> String {
    let (_, rest) = text.split_once("https://panel.example/set-password#token=").unwrap_or_else(|| panic!("{text}"));
    rest.split(|c: char| c.is_whitespace() || c == '"').next().expect("a token").to_owned()
}

fn confirm(server: &Server, token: &str, password: &str) -> crate::support::http::Answer {
    server.anonymous().post("/v1/password-resets/confirm", &json!({"token": token, "password": password}))
}

fn an_invited_owner_chooses_the_password(backend: Backend) {
    let (server, sink) = with_smarthost(backend);
    let operator = server.operator();
    operator.domain("links.example");
    let ada = id(&operator.make("/v1/mailboxes", &json!({"address": "ada@links.example"})));
    let rita = id(&operator.make("/v1/users", &json!({"name": "rita"})));
    assert_problem(&operator.post("/v1/invitations", &json!({"to": "a@b.example"})), 422, "invalid");
    let body = json!({"mailbox": ada, "user": rita, "to": "a@b.example"});
    assert_problem(&operator.post("/v1/invitations", &body), 422, "invalid");
    for (body, name, said) in [
        (json!({"mailbox": ada, "to": "ada@elsewhere.example"}), "ada@links.example", "Choose its password"),
        (json!({"user": rita, "to": "rita@elsewhere.example", "locale": "fr"}), "rita", "Choisissez son mot de passe"),
    ] {
        let invitation = operator.make("/v1/invitations", &body);
        assert_eq!(invitation["mail"]["state"], "waiting", "{invitation}");
        let taken = sink.next();
        assert_eq!((taken.from.as_str(), json!(taken.to)), ("robot@facteur.example", body["to"].clone()));
        let (text, html) = (taken.text(), taken.html());
        assert!(text.contains(said) && html.contains(said), "{text}\n{html}");
        let token = token(&text);
        assert!(html.contains(&token));
        assert_problem(&confirm(&server, &token, "password1"), 422, "invalid");
        assert_eq!(confirm(&server, &token, NEW).status, 204);
        let again = confirm(&server, &token, NEW);
        assert_problem(&again, 422, "invalid");
        assert_eq!(again.json()["errors"][0]["code"], "invalid_token");
        server.anonymous().sign_in(name, NEW);
        let path = format!("/v1/invitations/{}", id(&invitation));
        let deadline = Instant::now() + PATIENCE;
        while operator.get(&path).json()["mail"]["state"] != "sent" {
            assert!(Instant::now() < deadline, "it is never noted as sent");
            std::thread::yield_now();
        }
        assert_eq!(operator.get(&path).json()["state"], "used");
        for shown in [operator.get("/v1/revisions").text(), operator.get("/v1/invitations").text(), server.log()] {
            assert!(!shown.contains(&token), "{shown}");
        }
    }
    server.imap().ok(&format!("LOGIN ada@links.example \"{NEW}\""));
    assert!(sink.is_empty());
}

fn a_reset_reaches_a_mailbox_here(backend: Backend) {
    let (server, sink) = with_smarthost(backend);
    let operator = server.operator();
    operator.domain("links.example");
    let ada = operator.mailbox("ada@links.example");
    operator.mailbox("bob@links.example");
    let owner = server.anonymous().sign_in("ada@links.example", PASSWORD);
    let path = format!("/v1/mailboxes/{}/recovery", ada.id);
    let body = |to: &str, password: Option<&str>| json!({"recovery_address": to, "password": password});
    assert_problem(&owner.patch(&path, &body("bob@links.example", None)), 422, "invalid");
    assert_problem(&owner.patch(&path, &body("ada@links.example", Some(PASSWORD))), 422, "invalid");
    owner.change(&path, &body("bob@links.example", Some(PASSWORD)));
    let ask = |name: &str| {
        let body = json!({"name": name});
        server.anonymous().request(
            "POST",
            "/v1/password-resets",
            &[("Accept-Language", "fr-CA, en;q=0.5")],
            Some(&body),
        )
    };
    let (known, unknown) = (ask("ada@links.example"), ask("nobody@links.example"));
    assert_eq!((known.status, known.text()), (202, String::new()));
    assert_eq!((unknown.status, unknown.text()), (202, String::new()));
    let deadline = Instant::now() + PATIENCE;
    let message = loop {
        let mut pop3 = server.pop3();
        pop3.ok("USER bob@links.example");
        pop3.ok(&format!("PASS {PASSWORD}"));
        if pop3.command("STAT").starts_with("+OK 1 ") {
            break pop3.lines("RETR 1").join("\r\n");
        }
        assert!(Instant::now() < deadline, "the mail never comes");
    };
    let parsed = mail_parser::MessageParser::default().parse(message.as_bytes()).expect("a message");
    let text = parsed.body_text(0).expect("a text part");
    assert!(text.contains("nouveau mot de passe"), "{text}");
    assert_eq!(confirm(&server, &token(&text), NEW).status, 204);
    assert_problem(&owner.get("/v1/me"), 401, "unauthenticated");
    server.anonymous().sign_in("ada@links.example", NEW);
    assert!(sink.is_empty(), "it is nobody's business elsewhere");
    let nobody: Api = server.anonymous();
    assert_problem(&nobody.post("/v1/password-resets", &json!({})), 422, "invalid");
}
