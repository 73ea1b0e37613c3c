//! Who may do what: roles, keys, mailbox owners, and how a sign-in lives and ends.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::{Api, Backend, PASSWORD, Server};
use serde_json::json;

crate::on_both_databases!(
    keys_reach_as_far_as_they_say,
    a_customer_makes_no_tenants,
    a_mailbox_owner_reaches_itself_alone,
    tokens_rotate_and_end,
    guessing_is_throttled,
    support_helps_and_changes_nothing,
);

fn key(server: &Server, by: &Api, body: serde_json::Value) -> (String, Api) {
    let made = by.make("/v1/keys", &body);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    (id(&made), Api::new(server.address("http"), Some(secret)))
}

fn keys_reach_as_far_as_they_say(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let reseller = id(&api.make("/v1/tenants", &json!({"name": "reseller", "kind": "reseller"})));
    let customer = json!({"name": "customer", "kind": "customer", "parent": reseller});
    let customer = id(&api.make("/v1/tenants", &customer));
    let outside = api.domain("outside.example");
    let (_, reader) = key(&server, &api, json!({"name": "reader", "read_only": true}));
    assert_eq!(reader.get("/v1/domains").status, 200);
    assert_problem(&reader.post("/v1/domains", &json!({"name": "no.example"})), 403, "not_allowed");
    assert_problem(&reader.post("/v1/keys", &json!({"name": "wider"})), 403, "not_allowed");
    let (key_id, resellers) = key(&server, &api, json!({"name": "theirs", "tenant": reseller}));
    let inside = id(&resellers.make("/v1/domains", &json!({"name": "inside.example", "tenant": customer})));
    let list = resellers.get("/v1/domains").json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["items"][0]["id"], json!(inside));
    assert_problem(&resellers.get(&format!("/v1/domains/{outside}")), 404, "not_found");
    assert_problem(&resellers.post("/v1/mailboxes", &json!({"address": "a@outside.example"})), 422, "invalid");
    assert!(api.get(&format!("/v1/keys/{key_id}")).json()["last_used_at"].is_string());
    let past = json!({"name": "late", "expires_at": "2001-01-01T00:00:00Z"});
    assert_problem(&api.post("/v1/keys", &past), 422, "invalid");
    let past = json!({"expires_at": "2001-01-01T00:00:00Z"});
    assert_problem(&api.patch(&format!("/v1/keys/{key_id}"), &past), 422, "invalid");
    assert_eq!(resellers.get("/v1/domains").status, 200);
    api.change(&format!("/v1/keys/{key_id}"), &json!({"expires_at": "2999-01-01T00:00:00Z"}));
    assert_problem(&resellers.post("/v1/keys", &json!({"name": "longer", "tenant": reseller})), 422, "invalid");
    assert_eq!(api.delete(&format!("/v1/keys/{key_id}")).status, 200);
    assert_problem(&resellers.get("/v1/domains"), 401, "unauthenticated");
}

fn a_customer_makes_no_tenants(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let tenant = id(&api.make("/v1/tenants", &json!({"name": "customer", "kind": "customer"})));
    api.make("/v1/users", &json!({"tenant": tenant, "name": "carol", "password": "carols-password-1"}));
    let carol = server.anonymous().sign_in("carol", "carols-password-1");
    assert_eq!(carol.get("/v1/me").json()["role"], "customer");
    let refused = carol.post("/v1/tenants", &json!({"name": "below", "kind": "customer"}));
    assert!([403, 422].contains(&refused.status), "{}", refused.text());
    carol.domain("carol.example");
    carol.mailbox("ada@carol.example");
    assert_problem(&carol.delete(&format!("/v1/tenants/{tenant}")), 403, "not_allowed");
}

fn a_mailbox_owner_reaches_itself_alone(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let domain = api.domain("own.example");
    let (ada, bob) = (api.mailbox("ada@own.example"), api.mailbox("bob@own.example"));
    let owner = server.anonymous().sign_in("ada@own.example", PASSWORD);
    let path = format!("/v1/mailboxes/{}", ada.id);
    assert_eq!(owner.get("/v1/me").json()["role"], "mailbox_user");
    assert_eq!(owner.get(&path).status, 200);
    assert_problem(&owner.get(&format!("/v1/mailboxes/{}", bob.id)), 404, "not_found");
    assert_problem(&owner.get(&format!("/v1/domains/{domain}")), 404, "not_found");
    assert_problem(&owner.get("/v1/mailboxes"), 403, "not_allowed");
    assert_problem(&owner.patch(&path, &json!({"quota": {"bytes": null}})), 403, "not_allowed");
    assert_problem(
        &owner.patch(&format!("{path}/protocols"), &json!({"pop3": {"state": "enabled"}})),
        403,
        "not_allowed",
    );
    assert_problem(&owner.delete(&path), 403, "not_allowed");
    owner.change(&path, &json!({"password": "adas-own-choice-2"}));
    // The change signs out whoever knew the old password.
    assert_problem(&owner.get(&path), 401, "unauthenticated");
    let old = json!({"name": "ada@own.example", "password": PASSWORD});
    assert_problem(&server.anonymous().post("/v1/sign-in", &old), 401, "sign_in_refused");
    server.anonymous().sign_in("ada@own.example", "adas-own-choice-2");
    server.imap().ok("LOGIN ada@own.example adas-own-choice-2");
}

fn tokens_rotate_and_end(backend: Backend) {
    let server = Server::start(backend);
    let nobody = server.anonymous();
    let name = json!({"name": "operator", "password": crate::support::server::OPERATOR_PASSWORD});
    let with =
        |body: &serde_json::Value| Api::new(server.address("http"), body["access_token"].as_str().map(str::to_owned));
    let refresh =
        |body: &serde_json::Value| nobody.post("/v1/sign-in/refresh", &json!({"refresh_token": body["refresh_token"]}));
    let first = nobody.post("/v1/sign-in", &name).json();
    let second = refresh(&first).json();
    assert_eq!(with(&second).get("/v1/me").status, 200);
    // A refresh token that comes back was stolen: both who have it are out.
    assert_problem(&refresh(&first), 401, "sign_in_refused");
    assert_problem(&refresh(&second), 401, "sign_in_refused");
    assert_problem(&with(&second).get("/v1/me"), 401, "unauthenticated");
    let third = nobody.post("/v1/sign-in", &name).json();
    assert_eq!(with(&third).request("POST", "/v1/sign-out", &[], None).status, 204);
    assert_problem(&with(&third).get("/v1/me"), 401, "unauthenticated");
    assert_problem(&refresh(&third), 401, "sign_in_refused");
}

fn guessing_is_throttled(backend: Backend) {
    let server = Server::start(backend);
    let guess = |number: u32| {
        let guess = json!({"name": "nobody", "password": format!("guess number {number}")});
        server.anonymous().post("/v1/sign-in", &guess)
    };
    std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..10).map(|number| scope.spawn(move || guess(number))).collect();
        for answer in guesses {
            assert_problem(&answer.join().expect("an answer"), 401, "sign_in_refused");
        }
    });
    let answer = guess(10);
    assert_problem(&answer, 429, "throttled");
    assert!(answer.header("retry-after").is_some());
}

fn support_helps_and_changes_nothing(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("own.example");
    let mailbox = operator.mailbox("ada@own.example");
    let user = json!({"name": "helper", "password": "helper-of-the-test-1", "duty": "support"});
    let made = operator.make("/v1/users", &user);
    assert_eq!(made["duty"], "support", "{made}");
    let support = server.anonymous().sign_in("helper", "helper-of-the-test-1");
    let me = support.get("/v1/me").json();
    assert_eq!((&me["role"], &me["duty"], &me["read_only"]), (&json!("operator"), &json!("support"), &json!(false)));
    assert!(me["scopes"].as_array().is_some_and(|all| all.contains(&json!("sessions:write"))), "{me}");
    assert_eq!(operator.get("/v1/me").json()["scopes"], json!(null));
    for read in ["/v1/domains", "/v1/revisions", "/v1/users", &format!("/v1/mailboxes/{}/logins", mailbox.id)] {
        assert_eq!(support.get(read).status, 200, "{read}");
    }
    for hidden in ["/v1/keys", "/v1/webhooks", "/v1/nodes", "/v1/jobs"] {
        assert_problem(&support.get(hidden), 403, "not_allowed");
    }
    let mut imap = server.imap();
    imap.ok(&format!("LOGIN ada@own.example {PASSWORD}"));
    let session = id(&support.sessions(&mailbox)[0]);
    let of_mailbox = format!("/v1/mailboxes/{}", mailbox.id);
    assert_problem(&support.patch(&of_mailbox, &json!({"name": "Ada"})), 403, "not_allowed");
    assert_problem(
        &support.post("/v1/keys", &json!({"name": "mine", "scopes": ["sessions:write"]})),
        403,
        "not_allowed",
    );
    assert_problem(&support.post(&format!("{of_mailbox}/contain"), &json!({"reason": "x"})), 403, "not_allowed");
    assert_eq!(support.delete(&format!("{of_mailbox}/sessions/{session}")).status, 204);
    let wrong = json!({"current_password": "not-the-password", "password": "helper-of-the-test-2"});
    let refused = support.post("/v1/me/password", &wrong);
    assert_problem(&refused, 422, "invalid");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/current_password", "{}", refused.text());
    let right = json!({"current_password": "helper-of-the-test-1", "password": "helper-of-the-test-2"});
    let preview = support.post("/v1/me/password?dry_run=true", &right);
    assert_eq!((preview.status, &preview.json()["dry_run"]), (200, &json!(true)), "{}", preview.text());
    assert_eq!(support.post("/v1/me/password", &right).status, 200);
    assert_eq!(support.get("/v1/me").status, 200, "who changed it goes on");
    let again = server.anonymous().sign_in("helper", "helper-of-the-test-2");
    assert_eq!(again.post("/v1/sign-out", &json!({})).status, 204);
    // A mailbox's owner has a password as well.
    let owner = server.anonymous().sign_in(&mailbox.address, PASSWORD);
    let own = json!({"current_password": PASSWORD, "password": "open-sesame-8"});
    assert_eq!(owner.post("/v1/me/password", &own).status, 200);
    server.anonymous().sign_in(&mailbox.address, "open-sesame-8");
}
