//! Support that acts for a user, over HTTP.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::{Api, Backend, PASSWORD, Server};
use serde_json::json;

crate::on_both_databases!(support_acts_for_a_user_who_sees_it);

fn support_acts_for_a_user_who_sees_it(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let tenant = id(&operator.make("/v1/tenants", &json!({"name": "customer", "kind": "customer"})));
    let carol = id(&operator.make("/v1/users", &json!({"tenant": tenant, "name": "carol", "password": PASSWORD})));
    let path = format!("/v1/users/{carol}/login-as");
    assert_problem(&operator.post(&path, &json!({})), 422, "invalid");
    assert_problem(&operator.post(&path, &json!({"reason": " "})), 422, "invalid");
    let reason = json!({"reason": "ticket 4711"});
    assert_eq!(operator.post(&format!("{path}?dry_run=true"), &reason).json()["dry_run"], json!(true));
    let answer = operator.post(&path, &reason);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json().get("refresh_token").is_none() && answer.json()["revision"].is_number());
    let acting = Api::new(server.address("http"), answer.json()["access_token"].as_str().map(str::to_owned));
    let me = acting.get("/v1/me").json();
    let by = operator.get("/v1/me").json()["id"].clone();
    assert_eq!((&me["id"], &me["acting"], &me["role"]), (&json!(carol), &by, &json!("customer")));
    let domain = id(&acting.make("/v1/domains", &json!({"name": "acted.example"})));
    for (path, body) in [
        ("/v1/keys", json!({"name": "key"})),
        ("/v1/users", json!({"name": "mole", "password": PASSWORD})),
        ("/v1/me/password", json!({"current_password": PASSWORD, "password": "another-sesame-8"})),
        ("/v1/me/second-factor", json!({"password": PASSWORD})),
        ("/v1/mailboxes:import", json!([{"address": "a@acted.example"}])),
    ] {
        assert_problem(&acting.post(path, &body), 403, "not_allowed");
    }
    let own = server.anonymous().sign_in("carol", PASSWORD);
    let log = own.get(&format!("/v1/revisions?object={domain}")).json()["items"][0].clone();
    assert_eq!((&log["caller"], &log["on_behalf_of"]), (&by, &json!(carol)), "{log}");
    let seen = own.get(&format!("/v1/users/{carol}/sign-ins")).json()["items"].clone();
    assert_eq!(seen[1]["acting"], json!({"by": by, "reason": "ticket 4711"}), "{seen}");
    let one = format!("/v1/users/{carol}/sign-ins/{}", id(&seen[1]));
    assert_eq!(own.delete(&one).status, 204);
    assert_problem(&acting.get("/v1/me"), 401, "unauthenticated");
}
