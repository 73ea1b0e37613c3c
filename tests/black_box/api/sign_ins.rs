//! Sign-ins over HTTP: seen, and ended at once; and the passwords that are refused with a code.

use super::problems::assert_problem;
use crate::support::{Api, Backend, PASSWORD, Server};
use serde_json::json;

crate::on_both_databases!(
    a_sign_in_is_seen_and_ended_at_once,
    weak_passwords_are_refused_with_their_reason,
    a_password_is_changed_before_anything_else
);

/// Signs in with a User-Agent; the tokens and who they are of.
fn sign_in(server: &Server, name: &str, agent: &str) -> (serde_json::Value, Api) {
    let body = json!({"name": name, "password": PASSWORD});
    let answer = server.anonymous().request("POST", "/v1/sign-in", &[("User-Agent", agent)], Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let api = Api::new(server.address("http"), answer.json()["access_token"].as_str().map(str::to_owned));
    (answer.json(), api)
}

fn a_sign_in_is_seen_and_ended_at_once(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("signs.example");
    let ada = operator.mailbox("ada@signs.example");
    let (_, desk) = sign_in(&server, "ada@signs.example", "Desk/1");
    let (tokens, phone) = sign_in(&server, "ada@signs.example", "Phone/2");
    let path = format!("/v1/mailboxes/{}/sign-ins", ada.id);
    let items = desk.get(&path).json()["items"].clone();
    let seen: Vec<_> =
        items.as_array().expect("a list").iter().map(|one| (&one["user_agent"], &one["current"])).collect();
    assert_eq!(seen, [(&json!("Phone/2"), &json!(false)), (&json!("Desk/1"), &json!(true))], "{items}");
    assert_eq!(items[0]["from"], "127.0.0.1");
    let one = format!("{path}/{}", items[0]["id"].as_str().expect("an id"));
    assert_eq!(desk.delete(&one).status, 204);
    assert_problem(&phone.get("/v1/me"), 401, "unauthenticated");
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    assert_problem(&server.anonymous().post("/v1/sign-in/refresh", &refresh), 401, "sign_in_refused");
    assert_eq!(desk.get("/v1/me").status, 200);
    assert_problem(&desk.delete(&one), 404, "not_found");
    // A mailbox owner's are no business of their neighbours'.
    operator.mailbox("bob@signs.example");
    let bob = server.anonymous().sign_in("bob@signs.example", PASSWORD);
    assert_problem(&bob.get(&path), 404, "not_found");
    assert_eq!(operator.get(&path).json()["items"].as_array().map(Vec::len), Some(1));
    // A key that is for something else sees none of them.
    let key = operator.make("/v1/keys", &json!({"name": "narrow", "scopes": ["domains:read"]}));
    let narrow = Api::new(server.address("http"), key["secret"].as_str().map(str::to_owned));
    assert_problem(&narrow.get(&path), 403, "not_allowed");
}

fn weak_passwords_are_refused_with_their_reason(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("weak.example");
    let ada = operator.mailbox("ada@weak.example");
    let owner = server.anonymous().sign_in("ada@weak.example", PASSWORD);
    for (password, code) in
        [("password123", "too_common"), ("ada@weak.example", "made_of_name"), ("seven77", "too_short")]
    {
        let answer = owner.patch(&format!("/v1/mailboxes/{}", ada.id), &json!({"password": password}));
        assert_problem(&answer, 422, "invalid");
        let error = &answer.json()["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!("/password"), &json!(code)), "{error}");
        assert!(!error["detail"].as_str().expect("a detail").contains(password), "{error}");
    }
    assert_eq!(owner.get("/v1/me").status, 200, "what was refused has signed nobody out");
}

fn a_password_is_changed_before_anything_else(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("first.example");
    let ada = operator.mailbox("ada@first.example");
    operator.change(&format!("/v1/mailboxes/{}", ada.id), &json!({"must_change_password": true}));
    operator.make("/v1/users", &json!({"name": "rita", "password": PASSWORD, "must_change_password": true}));
    for name in ["ada@first.example", "rita"] {
        let (tokens, api) = sign_in(&server, name, "Desk/1");
        assert_eq!(tokens["must_change_password"], json!(true));
        let path = format!("/v1/mailboxes/{}", ada.id);
        for answer in [
            api.get("/v1/me"),
            api.get(&path),
            api.patch(&path, &json!({"password": "another-sesame-8"})),
            api.get("/v1/revisions"),
            api.get("/metrics"),
            api.get(&format!("{path}/sign-ins")),
            api.post("/v1/mailboxes:batch", &json!({"items": []})),
        ] {
            assert_problem(&answer, 403, "password_change_required");
        }
        let change =
            |old: &str, new: &str| api.post("/v1/me/password", &json!({"current_password": old, "password": new}));
        let wrong = change("not-the-old-one", "another-sesame-8");
        assert_problem(&wrong, 422, "invalid");
        assert_eq!(wrong.json()["errors"][0]["code"], "wrong_password");
        let changed = change(PASSWORD, "another-sesame-8");
        assert_eq!(changed.status, 200, "{}", changed.text());
        assert_eq!(api.get("/v1/me").status, 200);
        server.anonymous().sign_in(name, "another-sesame-8");
    }
    let key = operator.make("/v1/keys", &json!({"name": "key"}));
    let key = Api::new(server.address("http"), key["secret"].as_str().map(str::to_owned));
    let body = json!({"current_password": PASSWORD, "password": "another-sesame-8"});
    assert_problem(&key.post("/v1/me/password", &body), 403, "not_allowed");
}
