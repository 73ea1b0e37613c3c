//! Many rows at once: imports as jobs, `:batch`, CSV.

use crate::support::api::id;
use crate::support::http::Answer;
use crate::support::{Api, Backend, PATIENCE, Server};
use serde_json::{Value, json};
use std::time::Instant;

crate::on_both_databases!(
    an_import_says_what_came_of_each_row,
    a_dry_run_foresees_limits_and_repeats,
    an_import_goes_on_after_a_crash,
    a_job_is_cancelled_and_belongs_to_its_tenant,
    a_document_that_cannot_be_read_is_refused,
    a_batch_is_one_commit,
    a_batch_is_all_or_nothing_if_wished,
    lists_come_as_csv,
);

/// A hash of [`HASHED`] as another system kept it.
const HASH: &str =
    "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
const HASHED: &str = "secret";

/// Waits until a job is as wished.
fn wait(api: &Api, job: &str, wished: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + 4 * PATIENCE;
    loop {
        let now = api.get(&format!("/v1/jobs/{job}")).json();
        if wished(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "the job does not come there: {now}");
        std::thread::yield_now();
    }
}

fn ended(api: &Api, given: &Answer) -> Value {
    assert_eq!(given.status, 202, "{}", given.text());
    let job = id(&given.json());
    assert_eq!(given.header("location"), Some(format!("/v1/jobs/{job}").as_str()));
    wait(api, &job, |job| job["finished_at"].is_string())
}

fn results(api: &Api, job: &Value) -> Vec<Value> {
    let answer = api.get(&format!("/v1/jobs/{}/results?limit=1000", id(job)));
    answer.json()["items"].as_array().expect("a list").clone()
}

fn newest(api: &Api) -> i64 {
    api.get("/v1/revisions?limit=1").json()["items"][0]["number"].as_i64().expect("a number")
}

fn an_import_says_what_came_of_each_row(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("bulk.example");
    let csv = format!(
        "address,name,password_hash,quota_bytes,pop3,expires_at\r\n\
         ada@bulk.example,\"Ada, Countess\",{HASH},1048576,disabled,2099-01-01T00:00:00Z\r\n\
         bob@bulk.example,Bob,{{MD5}}x,,,\r\n\
         carol@bulk.example,,,many,,\r\n\
         dan@elsewhere.example,,,,,\r\n\
         ada@bulk.example,again,,,,\r\n\
         eve@bulk.example,Eve,,,,\r\n"
    );
    let before = newest(&operator);
    let rehearsed = ended(&operator, &operator.send("/v1/mailboxes:import?dry_run=true", "text/csv", &csv));
    assert_eq!((&rehearsed["dry_run"], &rehearsed["state"]), (&json!(true), &json!("done")), "{rehearsed}");
    assert_eq!(newest(&operator), before, "a dry run made a revision");
    let job = ended(&operator, &operator.send("/v1/mailboxes:import", "text/csv; charset=utf-8", &csv));
    assert_eq!((&job["state"], &job["total"], &job["done"]), (&json!("done"), &json!(6), &json!(6)), "{job}");
    assert_eq!((&job["succeeded"], &job["failed"]), (&json!(2), &json!(4)), "{job}");
    let (rehearsed, rows) = (results(&operator, &rehearsed), results(&operator, &job));
    let expected = [
        ("done", Value::Null),
        ("refused", json!("invalid_hash")),
        ("refused", json!("invalid")),
        ("refused", json!("unknown_domain")),
        ("refused", json!("already_exists")),
        ("done", Value::Null),
    ];
    for (at, (outcome, code)) in expected.iter().enumerate() {
        assert_eq!((rows[at]["outcome"].as_str(), &rows[at]["code"]), (Some(*outcome), code), "{}", rows[at]);
        let foreseen = if *outcome == "done" { "would_be_done" } else { outcome };
        assert_eq!((rehearsed[at]["outcome"].as_str(), &rehearsed[at]["code"]), (Some(foreseen), code));
        assert_eq!(rows[at]["row"], json!(at + 1));
    }
    // Each row is a mailbox and a revision of its own, with everything that the row said.
    let ada = operator.get("/v1/mailboxes/by-address/ada@bulk.example").json();
    assert_eq!((&ada["name"], &ada["quota"]["bytes"]), (&json!("Ada, Countess"), &json!(1_048_576)));
    assert_eq!(ada["protocols"]["pop3"]["state"], json!("disabled"));
    let revision = operator.get(&format!("/v1/revisions/{}", rows[0]["revision"])).json();
    assert_eq!((&revision["action"], &revision["object"]), (&json!("create_mailbox"), &rows[0]["id"]));
    assert_eq!(newest(&operator), before + 2);
    server.imap().ok(&format!("LOGIN ada@bulk.example \"{HASHED}\""));
    // The same as a document, and an import of aliases.
    let csv = operator.request("GET", &format!("/v1/jobs/{}/results", id(&job)), &[("Accept", "text/csv")], None);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(csv.text().contains("\r\n6,done,eve@bulk.example,mbx_"), "{}", csv.text());
    let aliases = json!([{"address": "all@bulk.example", "targets": ["ada@bulk.example", "eve@bulk.example"]}]);
    let job = ended(&operator, &operator.post("/v1/aliases:import", &aliases));
    assert_eq!(job["succeeded"], json!(1), "{:?}", results(&operator, &job));
}

fn a_dry_run_foresees_limits_and_repeats(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let plan = id(&operator.make("/v1/plans", &json!({"name": "Small", "limits": {"mailboxes": 120}})));
    let tenant = json!({"name": "small", "kind": "customer", "plan": plan});
    let tenant = id(&operator.make("/v1/tenants", &tenant));
    operator.make("/v1/domains", &json!({"tenant": tenant, "name": "small.example"}));
    let address = |n: usize| format!("user{n}@small.example");
    // More than one batch, so that the limit is met across them; one address twice, far apart.
    let mut rows: Vec<Value> = (0..130).map(|n| json!({"address": address(n)})).collect();
    rows[110] = json!({"address": address(3)});
    let rehearsed = ended(&operator, &operator.post("/v1/mailboxes:import?dry_run=true", &json!(rows)));
    let job = ended(&operator, &operator.post("/v1/mailboxes:import", &json!(rows)));
    for job in [&rehearsed, &job] {
        assert_eq!((&job["succeeded"], &job["failed"]), (&json!(120), &json!(10)), "{job}");
        let rows = results(&operator, job);
        assert_eq!(rows[110]["code"], json!("already_exists"));
        assert!(rows[121..].iter().all(|row| row["code"] == json!("limit_reached")), "{:?}", rows.last());
    }
}

fn an_import_goes_on_after_a_crash(backend: Backend) {
    const ROWS: usize = 1200;
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("crash.example");
    let rows: Vec<Value> = (0..ROWS).map(|n| json!({"address": format!("user{n}@crash.example")})).collect();
    let before = newest(&operator);
    let job = operator.post("/v1/mailboxes:import", &json!(rows));
    assert_eq!(job.status, 202, "{}", job.text());
    let job = id(&job.json());
    wait(&operator, &job, |job| job["done"].as_i64() >= Some(100));
    server.signal("KILL");
    server.wait();
    server.restart();
    let operator = server.operator();
    let ended = wait(&operator, &job, |job| job["state"] == "done");
    assert_eq!((&ended["done"], &ended["succeeded"]), (&json!(ROWS), &json!(ROWS)), "{ended}");
    // Nothing twice, nothing left out.
    assert_eq!(newest(&operator), before + ROWS as i64);
    let first = operator.get(&format!("/v1/jobs/{job}/results?limit=1000")).json();
    let rest = first["next_cursor"].as_str().expect("a second page");
    let rest = operator.get(&format!("/v1/jobs/{job}/results?limit=1000&cursor={rest}")).json();
    let all: Vec<Value> =
        [&first, &rest].into_iter().flat_map(|page| page["items"].as_array().expect("a list")).cloned().collect();
    assert!(all.iter().enumerate().all(|(at, row)| row["row"] == json!(at + 1) && row["outcome"] == "done"));
    assert_eq!(all.len(), ROWS);
}

fn a_job_is_cancelled_and_belongs_to_its_tenant(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("stop.example");
    let rows: Vec<Value> = (0..3000).map(|n| json!({"address": format!("user{n}@stop.example")})).collect();
    let job = id(&operator.post("/v1/mailboxes:import", &json!(rows)).json());
    wait(&operator, &job, |job| job["done"].as_i64() >= Some(1));
    let cancelled = operator.post(&format!("/v1/jobs/{job}/cancel"), &json!({}));
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")), "{}", cancelled.text());
    let stopped = cancelled.json();
    assert!(stopped["done"].as_i64() < Some(3000), "{stopped}");
    let again = operator.post(&format!("/v1/jobs/{job}/cancel"), &json!({}));
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("in_use")));
    // What it had done stays, and it does no more.
    let made = operator.get("/v1/jobs").json()["items"][0]["done"].clone();
    assert_eq!(made, stopped["done"]);
    assert_eq!(operator.get("/v1/mailboxes/by-address/user0@stop.example").status, 200);
    assert_eq!(operator.get("/v1/mailboxes/by-address/user2999@stop.example").status, 404);
    // A mailbox's owner gives no jobs.
    let owner = operator.mailbox("owner@stop.example");
    let owner = server.anonymous().sign_in(&owner.address, crate::support::PASSWORD);
    assert_eq!(owner.post("/v1/mailboxes:import", &json!([{"address": "x@stop.example"}])).status, 403);
    assert_eq!(owner.get(&format!("/v1/jobs/{job}")).status, 404);
}

fn a_document_that_cannot_be_read_is_refused(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let sent = |media: &str, text: &str| operator.send("/v1/mailboxes:import", media, text);
    for (media, text, status, code) in [
        ("text/csv", "address,shoe_size\na@x.example,44\n", 422, "invalid"),
        ("text/csv", "address\n", 422, "invalid"),
        ("application/json", "{\"address\": \"a@x.example\"}", 400, "malformed"),
        ("application/json", "[{\"address\": \"a@x.example\"}", 400, "malformed"),
        ("application/xml", "<x/>", 415, "media_type"),
    ] {
        let answer = sent(media, text);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{text}");
    }
    let long = format!("address,name\na@x.example,{}\n", "x".repeat(20_000));
    assert_eq!(sent("text/csv", &long).status, 413);
    let jobs = operator.get("/v1/jobs").json();
    assert!(jobs["items"].as_array().expect("a list").iter().all(|job| job["state"] == "failed"), "{jobs}");
}

fn a_batch_is_one_commit(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("batch.example");
    let ada = operator.mailbox("ada@batch.example");
    let mut pop3 = server.pop3();
    pop3.ok(&format!("USER {}", ada.address));
    pop3.ok(&format!("PASS {}", crate::support::PASSWORD));
    let before = newest(&operator);
    let items = json!({"items": [
        {"operation": "create_mailbox", "body": {"address": "bob@batch.example", "password": "a long enough one"}},
        {"operation": "create_mailbox", "body": {"address": "ada@batch.example"}},
        {"operation": "update_mailbox_protocols", "id": ada.id, "body": {"pop3": {"state": "disabled"}}},
        {"operation": "update_mailbox", "id": ada.id, "if_match": "\"1\"", "body": {"name": "Ada"}},
        {"operation": "delete_mailbox", "id": "mbx_0000000000001"}
    ]});
    let foreseen = operator.post("/v1/mailboxes:batch?dry_run=true", &items);
    assert_eq!((&foreseen.json()["committed"], newest(&operator)), (&json!(false), before), "{}", foreseen.text());
    let answer = operator.post("/v1/mailboxes:batch", &items);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let statuses: Vec<i64> =
        body["results"].as_array().expect("results").iter().filter_map(|one| one["status"].as_i64()).collect();
    assert_eq!(statuses, [201, 409, 200, 412, 404], "{body}");
    assert_eq!(foreseen.json()["results"][3], body["results"][3]);
    assert_eq!((&body["committed"], &body["succeeded"], &body["failed"]), (&json!(true), &json!(2), &json!(3)));
    assert_eq!(body["results"][0]["revision"], json!(before + 1));
    assert_eq!((&body["results"][2]["revision"], &body["revision"]), (&json!(before + 2), &json!(before + 2)));
    assert_eq!((&body["sessions"]["closed"], &body["applied"]["nodes"]), (&json!(1), &json!(1)), "{body}");
    server.imap().ok("LOGIN bob@batch.example \"a long enough one\"");
    // Other collections' operations, and what makes no revision, are none of it.
    for operation in ["delete_domain", "list_mailboxes", "batch_mailboxes", "import_mailboxes", ""] {
        let answer = operator.post("/v1/mailboxes:batch", &json!({"items": [{"operation": operation}]}));
        assert_eq!(answer.json()["errors"][0]["code"], json!("unknown_operation"), "{operation}");
    }
}

fn a_batch_is_all_or_nothing_if_wished(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let domain = operator.domain("atomic.example");
    let before = newest(&operator);
    let good = json!({"operation": "create_mailbox", "body": {"address": "ada@atomic.example"}});
    let bad = json!({"operation": "create_mailbox", "body": {"address": "bob@atomic.example", "name": 7}});
    let answer = operator.post("/v1/mailboxes:batch", &json!({"atomic": true, "items": [good, bad, good]})).json();
    assert_eq!((&answer["committed"], newest(&operator)), (&json!(false), before), "{answer}");
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(2), "it ends at the first that is refused");
    assert_eq!(answer["results"][1]["body"]["errors"][0]["pointer"], json!("/name"));
    assert_eq!(operator.get("/v1/mailboxes/by-address/ada@atomic.example").status, 404);
    let answer = operator.post("/v1/mailboxes:batch", &json!({"atomic": true, "items": [good]})).json();
    assert_eq!((&answer["committed"], newest(&operator)), (&json!(true), before + 1), "{answer}");
    let update = json!({"operation": "update_domain", "id": domain, "body": {"catch_all": "ada@atomic.example"}});
    let answer = operator.post("/v1/domains:batch", &json!({"items": [update]})).json();
    assert_eq!(answer["results"][0]["body"]["catch_all"], json!("ada@atomic.example"), "{answer}");
}

fn lists_come_as_csv(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("csv.example");
    let rows: Vec<Value> =
        (0..1100).map(|n| json!({"address": format!("user{n}@csv.example"), "name": "A \"b\", c"})).collect();
    let job = ended(&operator, &operator.post("/v1/mailboxes:import", &json!(rows)));
    assert_eq!(job["succeeded"], json!(1100), "{job}");
    let text = |path: &str| {
        let answer = operator.request("GET", path, &[("Accept", "text/csv")], None);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/csv; charset=utf-8; header=present"))
        );
        answer.text()
    };
    let mailboxes = text("/v1/mailboxes");
    // More than a page, each once, and whatever a name holds.
    assert_eq!(mailboxes.matches("@csv.example,\"A \"\"b\"\", c\",dom_").count(), 1100, "{mailboxes}");
    assert!(mailboxes.starts_with("id,address,name,domain,tenant,quota_bytes"));
    assert!(text("/v1/domains").contains(",csv.example,ten_"));
    let alias = json!({"address": "all@csv.example", "targets": ["user1@csv.example", "user2@csv.example"]});
    operator.make("/v1/aliases", &alias);
    assert!(text("/v1/aliases").contains(",all@csv.example,user1@csv.example user2@csv.example,dom_"));
}
