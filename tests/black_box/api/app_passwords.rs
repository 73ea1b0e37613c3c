//! App passwords as mail programs use them.

use crate::support::api::id;
use crate::support::smtp::Smtp;
use crate::support::{Api, Backend, Mailbox, PASSWORD, PATIENCE, Server};
use base64::Engine;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

crate::on_both_databases!(programs_sign_in_with_their_own_passwords, revoking_ends_the_sessions_of_one_program);

/// What the API promises: sessions hear of a change within this time of its answer.
const REACTION: Duration = Duration::from_millis(100);

fn made(api: &Api, mailbox: &Mailbox, body: Value) -> (String, String) {
    let made = api.make(&format!("/v1/mailboxes/{}/app-passwords", mailbox.id), &body);
    (id(&made), made["password"].as_str().expect("the text").to_owned())
}

fn imap(server: &Server, password: &str) -> bool {
    server.imap().command(&format!("LOGIN ada@apps.example {password}")).status.starts_with("OK")
}

fn pop3(server: &Server, password: &str) -> bool {
    let mut pop3 = server.pop3();
    pop3.ok("USER ada@apps.example");
    pop3.command(&format!("PASS {password}")).starts_with("+OK")
}

fn submission(server: &Server, password: &str) -> bool {
    let plain = base64::engine::general_purpose::STANDARD.encode(format!("\0ada@apps.example\0{password}"));
    let reply = Smtp::connect(server.address("submission")).hello().command(&format!("AUTH PLAIN {plain}"));
    reply.starts_with("235")
}

fn programs_sign_in_with_their_own_passwords(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("apps.example");
    let ada = api.mailbox("ada@apps.example");
    // Its owner makes and revokes them as well.
    let owner = server.anonymous().sign_in("ada@apps.example", PASSWORD);
    let (_, phone) = made(&owner, &ada, json!({"name": "phone", "protocols": ["imap", "submission"]}));
    let (fetcher, fetches) = made(&owner, &ada, json!({"name": "fetcher", "protocols": ["pop3"]}));
    assert!(phone.len() >= 20 && phone != fetches, "{phone} {fetches}");
    let opened = |password: &str| (imap(&server, password), pop3(&server, password), submission(&server, password));
    assert_eq!(opened(&phone), (true, false, true));
    assert_eq!(opened(&fetches), (false, true, false));
    let sign_in = json!({"name": "ada@apps.example", "password": phone});
    assert_eq!(server.anonymous().post("/v1/sign-in", &sign_in).status, 401);

    let path = format!("/v1/mailboxes/{}/app-passwords", ada.id);
    let deadline = Instant::now() + PATIENCE;
    let items = loop {
        let text = owner.get(&path).text();
        assert!(!text.contains(&phone) && !text.contains(&fetches), "{text}");
        let items = owner.get(&path).json()["items"].clone();
        if items[1]["last_use"].is_object() {
            break items;
        }
        assert!(Instant::now() < deadline, "the use is never shown");
        std::thread::yield_now();
    };
    assert_eq!(items[1]["last_use"]["protocol"], "pop3");
    assert_eq!(items[1]["last_use"]["from"], "127.0.0.1");

    owner.change(&format!("/v1/mailboxes/{}", ada.id), &json!({"app_passwords_only": true}));
    assert_eq!(opened(PASSWORD), (false, false, false));
    assert!(imap(&server, &phone));
    assert_eq!(owner.delete(&format!("{path}/{fetcher}")).status, 200);
    assert!(!pop3(&server, &fetches));
    assert_eq!(owner.delete(&format!("{path}/{fetcher}")).status, 404);
}

fn revoking_ends_the_sessions_of_one_program(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("apps.example");
    let ada = api.mailbox("ada@apps.example");
    let (phone, phone_text) = made(&api, &ada, json!({"name": "phone"}));
    let (_, tablet_text) = made(&api, &ada, json!({"name": "tablet"}));
    let session = |password: &str| {
        let mut imap = server.imap();
        imap.ok(&format!("LOGIN ada@apps.example {password}"));
        imap
    };
    let (mut own, mut phones, mut tablets) = (session(PASSWORD), session(&phone_text), session(&tablet_text));
    let answer = api.delete(&format!("/v1/mailboxes/{}/app-passwords/{phone}", ada.id));
    let answered = Instant::now();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["sessions"], json!({"closed": 1, "remaining": 2}));
    let last = phones.wire.line();
    assert!(last.starts_with("* BYE"), "{last}");
    assert!(answered.elapsed() < REACTION, "it ended after {:?}", answered.elapsed());
    own.ok("NOOP");
    tablets.ok("NOOP");
}
