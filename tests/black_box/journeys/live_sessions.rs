//! A change reaches exactly the live sessions that it concerns.

use crate::support::imap::Imap;
use crate::support::pop3::Pop3;
use crate::support::{Api, Backend, Mailbox, Server};
use serde_json::json;
use std::time::{Duration, Instant};

crate::on_both_databases!(
    two_hundred_sessions_and_only_the_right_ones_end,
    a_new_password_ends_every_session_of_the_mailbox,
    a_suspension_ends_sessions_and_lifts_without_a_trace,
    an_operator_ends_one_session,
    a_deleted_mailbox_ends_its_sessions,
    a_policy_that_is_changed_ends_nothing_and_holds_at_once,
);

/// What the API promises: sessions hear of a change within this time of its answer.
const REACTION: Duration = Duration::from_millis(100);

fn assert_ended(pop3: &mut Pop3) {
    let last = pop3.0.line();
    assert!(last.starts_with("-ERR [SYS/PERM]"), "{last}");
    assert_eq!(pop3.0.try_line().expect("the end in time"), None);
}

fn assert_bye(imap: &mut Imap) {
    let last = imap.wire.line();
    assert!(last.starts_with("* BYE"), "{last}");
    assert_eq!(imap.wire.try_line().expect("the end in time"), None);
}

/// Fifty mailboxes of a domain, each with one POP3 and one IMAP session.
fn fifty(server: &Server, operator: &Api, domain: &str) -> Vec<(Mailbox, Pop3, Imap)> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..5)
            .map(|worker| {
                scope.spawn(move || {
                    let open = |number: usize| {
                        let mailbox = operator.mailbox(&format!("m{worker}{number}@{domain}"));
                        let pop3 = server.pop3().login(&mailbox.address);
                        let imap = server.imap().login(&mailbox.address);
                        (mailbox, pop3, imap)
                    };
                    (0..10).map(open).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("the sessions open")).collect()
    })
}

fn two_hundred_sessions_and_only_the_right_ones_end(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let first = operator.domain("first.example");
    operator.domain("second.example");
    let mut concerned = fifty(&server, &operator, "first.example");
    let mut others = fifty(&server, &operator, "second.example");

    // One mailbox of the first domain says for itself that POP3 is on: the domain's word does not reach it.
    operator.protocol(&concerned[0].0, "pop3", "enabled");
    let answer = operator.change(&format!("/v1/domains/{first}/protocols"), &json!({"pop3": {"state": "disabled"}}));
    let answered = Instant::now();
    assert_eq!(answer["sessions"]["closed"], json!(49), "{answer}");
    let (exempt, concerned) = concerned.split_first_mut().expect("fifty");
    for (_, pop3, _) in concerned.iter_mut() {
        assert_ended(pop3);
    }
    assert!(answered.elapsed() < REACTION, "the last one ended after {:?}", answered.elapsed());

    exempt.1.ok("NOOP");
    exempt.2.ok("NOOP");
    for (_, _, imap) in concerned.iter_mut() {
        imap.ok("NOOP");
    }
    for (_, pop3, imap) in &mut others {
        pop3.ok("NOOP");
        imap.ok("NOOP");
    }

    // IDLE is where IMAP sessions stand most of the time: they hear of it there, too.
    for (mailbox, _, imap) in others.iter_mut().take(10) {
        imap.ok("SELECT INBOX");
        imap.send("IDLE");
        assert!(imap.wire.line().starts_with('+'));
        let answer = operator.protocol(mailbox, "imap", "disabled");
        assert_eq!(answer["sessions"]["closed"], json!(1), "{answer}");
        assert_bye(imap);
    }
    for (_, pop3, _) in &mut others {
        pop3.ok("NOOP");
    }
    for (_, _, imap) in others.iter_mut().skip(10) {
        imap.ok("NOOP");
    }
}

fn one_mailbox(server: &Server) -> (Api, Mailbox) {
    let operator = server.operator();
    operator.domain("example.org");
    let ada = operator.mailbox("ada@example.org");
    (operator, ada)
}

fn a_new_password_ends_every_session_of_the_mailbox(backend: Backend) {
    let server = Server::start(backend);
    let (operator, ada) = one_mailbox(&server);
    let mut pop3 = server.pop3().login(&ada.address);
    let mut imap = server.imap().login(&ada.address);
    let answer = operator.change(&format!("/v1/mailboxes/{}", ada.id), &json!({"password": "another-sesame-8"}));
    assert_eq!(answer["sessions"]["closed"], json!(2), "{answer}");
    assert!(pop3.0.line().starts_with("-ERR"));
    assert_bye(&mut imap);
    let old = server.imap().command("LOGIN ada@example.org open-sesame-7").status;
    assert!(old.starts_with("NO [AUTHENTICATIONFAILED]"), "{old}");
    server.imap().ok("LOGIN ada@example.org another-sesame-8");
}

fn a_suspension_ends_sessions_and_lifts_without_a_trace(backend: Backend) {
    let server = Server::start(backend);
    let (operator, ada) = one_mailbox(&server);
    operator.protocol(&ada, "pop3", "disabled");
    let settings = operator.get(&format!("/v1/mailboxes/{}/protocols", ada.id)).json();
    let mut imap = server.imap().login(&ada.address);

    let path = format!("/v1/mailboxes/{}/suspensions", ada.id);
    let made = operator.make(&path, &json!({"scope": "login", "reason": "unpaid"}));
    assert_bye(&mut imap);
    let refused = server.imap().command("LOGIN ada@example.org open-sesame-7").status;
    assert!(refused.starts_with("NO [AUTHENTICATIONFAILED]"), "{refused}");
    // Mail still comes in.
    let reply = server.mx().deliver("grace@remote.example", &["ada@example.org"], "Subject: x\n\nx\n");
    assert!(reply.starts_with("250"), "{reply}");

    let lifted = operator.delete(&format!("{path}/{}", crate::support::api::id(&made)));
    assert!(matches!(lifted.status, 200 | 204), "{}", lifted.text());
    assert_eq!(server.imap().login(&ada.address).count("INBOX"), 1);
    let after = operator.get(&format!("/v1/mailboxes/{}/protocols", ada.id)).json();
    assert_eq!(after, settings, "the settings are what they were: POP3 stays off");
}

fn an_operator_ends_one_session(backend: Backend) {
    let server = Server::start(backend);
    let (operator, ada) = one_mailbox(&server);
    let mut imap = server.imap().login(&ada.address);
    let mut pop3 = server.pop3().login(&ada.address);
    pop3.ok("STAT");
    let live = operator.sessions(&ada);
    let session = live.iter().find(|session| session["protocol"] == "imap").expect("the IMAP session");
    assert_eq!(session["tls"], json!(false), "{session}");
    let path = format!("/v1/mailboxes/{}/sessions/{}", ada.id, crate::support::api::id(session));
    let ended = operator.delete(&path);
    assert!(matches!(ended.status, 200 | 204), "{}", ended.text());
    assert_bye(&mut imap);
    pop3.ok("NOOP");
    assert_eq!(operator.delete(&path).status, 404);
}

fn a_deleted_mailbox_ends_its_sessions(backend: Backend) {
    let server = Server::start(backend);
    let (operator, ada) = one_mailbox(&server);
    let mut imap = server.imap().login(&ada.address);
    let gone = operator.delete(&format!("/v1/mailboxes/{}", ada.id));
    assert!(matches!(gone.status, 200 | 204), "{}", gone.text());
    assert_bye(&mut imap);
    let reply = server.mx().deliver("grace@remote.example", &["ada@example.org"], "Subject: x\n\nx\n");
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
}

fn a_policy_that_is_changed_ends_nothing_and_holds_at_once(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    let ada = operator.mailbox("ada@example.org");
    let reply = server.mx().deliver("grace@remote.example", &["ada@example.org"], "Subject: kept\r\n\r\ntext\r\n");
    assert!(reply.starts_with("250"), "{reply}");
    let mut pop3 = server.pop3().login(&ada.address);
    assert!(pop3.lines("CAPA").contains(&"EXPIRE NEVER".to_owned()));
    pop3.ok("DELE 1");
    let keep = json!({"pop3": {"policy": {"on_delete": "keep", "expire_days": 30}}});
    let answer = operator.change(&format!("/v1/mailboxes/{}/protocols", ada.id), &keep);
    assert_eq!(answer["sessions"]["closed"], json!(0), "{answer}");
    assert!(pop3.lines("CAPA").contains(&"EXPIRE 30".to_owned()));
    pop3.ok("QUIT");
    let mut imap = server.imap().login(&ada.address);
    let selected = imap.ok("SELECT INBOX").join("\n");
    assert!(selected.contains("* 1 EXISTS"), "{selected}");
}
