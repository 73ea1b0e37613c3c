//! What is unused is switched off by one call, after a preview, each mailbox a revision of its own.

use crate::support::api::id;
use crate::support::{Api, Backend, PATIENCE, Server};
use serde_json::{Value, json};
use std::time::Instant;

crate::on_both_databases!(a_job_switches_off_what_is_unused);

/// A job once it has ended, with its results.
fn ended(api: &Api, job: &str) -> (Value, Vec<Value>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = api.get(&format!("/v1/jobs/{job}")).json();
        if seen["state"] == "done" {
            let results = api.get(&format!("/v1/jobs/{job}/results")).json()["items"].clone();
            return (seen, results.as_array().expect("a list").clone());
        }
        assert!(Instant::now() < deadline, "the job does not end: {seen}");
        std::thread::yield_now();
    }
}

/// Makes every mailbox older, as no caller can.
fn age_mailboxes(server: &Server, days: i64) {
    let aged = async {
        let db = server.open_database().await;
        let mut tx = db.write().await.expect("a transaction");
        let older = [(days * 24 * 3_600_000).into()];
        tx.execute("UPDATE mailboxes SET created_at = created_at - $1", &older).await.expect("older mailboxes");
        tx.commit().await.expect("a commit");
        db.close().await;
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(aged);
}

fn a_job_switches_off_what_is_unused(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("use.example");
    let (ada, bob) = (api.mailbox("ada@use.example"), api.mailbox("bob@use.example"));
    api.protocol(&bob, "pop3", "disabled");
    let list = "/v1/advice/unused-protocols?protocol=pop3&days=1";
    assert_eq!(api.get(list).json()["items"], json!([]));
    let csv = api.request("GET", list, &[("Accept", "text/csv")], None);
    assert_eq!(csv.text(), "mailbox,address,domain,protocol,last_login_at,created_at\r\n");
    for wrong in ["protocol=pop3", "protocol=pop4&days=1", "protocol=pop3&days=-1", "protocol=pop3&days=0"] {
        let answer = api.get(&format!("/v1/advice/unused-protocols?{wrong}"));
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text());
    }
    let call = "/v1/advice/unused-protocols:switch-off";
    for wrong in [json!({"protocol": "pop3"}), json!({"protocol": "pop3", "days": 0}), json!({"days": 90})] {
        assert_eq!(api.post(call, &wrong).status, 422, "{wrong}");
    }
    let body = json!({"protocol": "pop3", "days": 90});
    let newest = || api.get("/v1/revisions?limit=1").json()["items"][0].clone();
    let give = |target: &str| {
        let given = api.post(target, &body);
        assert_eq!(given.status, 202, "{}", given.text());
        let (job, results) = ended(&api, &id(&given.json()));
        assert_eq!(job["kind"], "switch_off_unused", "{job}");
        results
    };
    assert!(give(call).is_empty(), "nothing is old enough");
    age_mailboxes(&server, 91);
    let found = api.get(list).json();
    assert_eq!((&found["items"][0]["mailbox"], &found["items"][1]), (&json!(ada.id), &json!(null)), "{found}");
    let before = newest();
    let preview = give(&format!("{call}?dry_run=true"));
    assert_eq!((preview.len(), &preview[0]["outcome"]), (1, &json!("would_be_done")), "{preview:?}");
    assert_eq!(newest(), before, "a preview makes no revision");
    let results = give(call);
    assert_eq!((&results[0]["outcome"], &results[0]["id"]), (&json!("done"), &json!(ada.id)), "{results:?}");
    assert_eq!(
        (&newest()["action"], &newest()["number"]),
        (&json!("update_mailbox_protocols"), &results[0]["revision"])
    );
    assert_eq!(api.get(list).json()["items"], json!([]));
    // Undone alone.
    let undo = format!("/v1/revisions/{}/revert", results[0]["revision"]);
    assert_eq!(api.request("POST", &undo, &[], None).status, 200);
    assert_eq!(api.get(list).json()["items"][0]["mailbox"], json!(ada.id));
    assert_eq!(server.anonymous().post(call, &body).status, 401);
}
