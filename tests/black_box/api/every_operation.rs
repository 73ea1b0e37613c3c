//! Every operation of the document: without a token 401, with another tenant's token 404.
//!
//! A new operation is covered by being in the document; one whose path names a kind of
//! object that is not known here fails the test until [`Objects`] makes one.

use super::operations::{Operation, operations};
use crate::support::api::id;
use crate::support::http::Answer;
use crate::support::{Api, Backend, PASSWORD, Server};
use serde_json::{Value, json};

crate::on_both_databases!(
    without_a_token_it_is_401,
    another_tenants_object_looks_absent,
    a_dry_run_of_any_write_changes_nothing,
    an_unknown_query_parameter_is_refused_everywhere,
);

pub(super) fn document(server: &Server) -> Value {
    let text = std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/facteur.json"));
    let committed: Value = serde_json::from_slice(&text.expect("the document is committed")).expect("JSON");
    let served = server.anonymous().get("/openapi.json");
    assert_eq!(served.status, 200, "{}", served.text());
    assert_eq!(served.json(), committed, "what is served is what is committed");
    committed
}

fn assert_problem(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(answer.json()["status"], json!(status), "{what}");
}

fn call(api: &Api, operation: &Operation, path: &str) -> Answer {
    api.request(&operation.method, path, &[], operation.body.as_ref())
}

fn without_a_token_it_is_401(backend: Backend) {
    let server = Server::start(backend);
    let forged = Api::new(server.address("http"), Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcGVyYXRvciJ9.".to_owned()));
    let mut open = Vec::new();
    for operation in operations(&document(&server)) {
        if !operation.protected {
            open.push(format!("{} {}", operation.method, operation.path));
            continue;
        }
        let path = filled(&operation.path, |_| "x".to_owned());
        for caller in [&server.anonymous(), &forged] {
            let answer = call(caller, &operation, &path);
            assert_problem(&answer, 401, &format!("{} {path}", operation.method));
            assert!(answer.header("www-authenticate").is_some(), "RFC 9110 §11.6.1: {path}");
        }
    }
    // What is open to everybody is a short list that nobody widens unnoticed.
    open.sort();
    let allowed = [
        "GET /healthz",
        "GET /readyz",
        "POST /v1/password-resets",
        "POST /v1/password-resets/confirm",
        "POST /v1/sign-in",
        "POST /v1/sign-in/refresh",
        "POST /v1/sign-in/second-factor",
    ];
    let extra: Vec<_> = open.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(extra.is_empty(), "open to everybody: {extra:?}");
}

/// One object of every kind, all of one tenant.
pub(super) struct Objects {
    ids: Vec<(&'static str, String)>,
}

impl Objects {
    pub(super) fn make(server: &Server, operator: &Api, tenant: &str) -> Self {
        let user = json!({"tenant": tenant, "name": "victim", "password": "victim-of-the-test-1"});
        let user = id(&operator.make("/v1/users", &user));
        let domain = id(&operator.make("/v1/domains", &json!({"tenant": tenant, "name": "victim.example"})));
        let key = id(&operator.make("/v1/keys", &json!({"tenant": tenant, "name": "victim"})));
        let plan = id(&operator.make("/v1/plans", &json!({"tenant": tenant, "name": "victim"})));
        let mailbox = operator.mailbox("ada@victim.example");
        let alias = json!({"address": "info@victim.example", "targets": ["ada@victim.example"]});
        let alias = id(&operator.make("/v1/aliases", &alias));
        let silent = operator.make("/v1/mailboxes", &json!({"address": "silent@victim.example"}));
        let invitation = json!({"mailbox": id(&silent), "to": "silent@elsewhere.example"});
        let invitation = id(&operator.make("/v1/invitations", &invitation));
        let suspend = json!({"scope": "receive", "reason": "test"});
        let of_mailbox = id(&operator.make(&format!("/v1/mailboxes/{}/suspensions", mailbox.id), &suspend));
        let app = id(&operator.make(&format!("/v1/mailboxes/{}/app-passwords", mailbox.id), &json!({"name": "phone"})));
        let of_domain = id(&operator.make(&format!("/v1/domains/{domain}/suspensions"), &suspend));
        let later = json!({"at": "2099-01-01T00:00:00Z", "protocols": {"pop3": {"state": "disabled"}}});
        let later_of_mailbox = id(&operator.make(&format!("/v1/mailboxes/{}/scheduled-changes", mailbox.id), &later));
        let later_of_domain = id(&operator.make(&format!("/v1/domains/{domain}/scheduled-changes"), &later));
        let hook = json!({"tenant": tenant, "url": "https://victim.example/", "enabled": false});
        let hook = id(&operator.make("/v1/webhooks", &hook));
        let mut imap = server.imap();
        imap.ok(&format!("LOGIN ada@victim.example {PASSWORD}"));
        let session = id(&operator.sessions(&mailbox)[0]);
        // Of the tenant itself: a job belongs to whom it was given by.
        let owner = server.anonymous().sign_in("victim", "victim-of-the-test-1");
        server.anonymous().sign_in("ada@victim.example", PASSWORD);
        let sign_in = |path: String| id(&operator.get(&path).json()["items"][0]);
        let of_user = sign_in(format!("/v1/users/{user}/sign-ins"));
        let of_owner = sign_in(format!("/v1/mailboxes/{}/sign-ins", mailbox.id));
        let rows = json!([{"address": "import@victim.example"}]);
        let job = id(&owner.post("/v1/mailboxes:import?dry_run=true", &rows).json());
        let revision = operator.get("/v1/revisions").json()["items"][0]["number"].to_string();
        Self {
            ids: vec![
                ("/v1/tenants/{", tenant.to_owned()),
                ("/v1/plans/{", plan),
                ("/v1/users/{}/sign-ins/{", of_user),
                ("/v1/mailboxes/{}/sign-ins/{", of_owner),
                ("/v1/users/{", user),
                ("/v1/keys/{", key),
                ("/v1/domains/by-name/{", "victim.example".to_owned()),
                ("/v1/domains/{}/suspensions/{", of_domain),
                ("/v1/domains/{}/scheduled-changes/{", later_of_domain),
                ("/v1/mailboxes/{}/scheduled-changes/{", later_of_mailbox),
                ("/v1/domains/{", domain),
                ("/v1/mailboxes/by-address/{", mailbox.address),
                ("/v1/mailboxes/{}/suspensions/{", of_mailbox),
                ("/v1/mailboxes/{}/app-passwords/{", app),
                ("/v1/mailboxes/{}/sessions/{", session),
                ("/v1/mailboxes/{", mailbox.id),
                ("/v1/aliases/{", alias),
                ("/v1/invitations/{", invitation),
                ("/v1/webhooks/{", hook),
                ("/v1/jobs/{", job),
                ("/v1/revisions/{", revision),
            ],
        }
    }

    /// What stands for the parameter that this much of a path leads to.
    pub(super) fn at(&self, prefix: &str) -> String {
        let found = self.ids.iter().find(|(kind, _)| *kind == prefix);
        found.unwrap_or_else(|| panic!("no object is made for {prefix}}}")).1.clone()
    }
}

/// A path with its parameters filled in; `value` gets the path so far, earlier parameters as `{}`.
pub(super) fn filled(path: &str, value: impl Fn(&str) -> String) -> String {
    let (mut out, mut shape, mut rest) = (String::new(), String::new(), path);
    while let Some((before, after)) = rest.split_once('{') {
        let (_, tail) = after.split_once('}').expect("a closed brace");
        out.push_str(before);
        shape.push_str(before);
        shape.push('{');
        out.push_str(&value(&shape));
        shape.push('}');
        rest = tail;
    }
    out + rest
}

/// The same id with other digits: valid and of the same kind, but nobody's.
fn absent(id: &str) -> String {
    match id.split_once('_') {
        Some((kind, digits)) => {
            let other = if digits.ends_with('1') { "2" } else { "1" };
            format!("{kind}_0zz{}{other}", &digits[3..digits.len() - 1])
        }
        None if id.contains('@') => "nobody@victim.example".to_owned(),
        None if id.contains('.') => "nobody.example".to_owned(),
        None => "999999999".to_owned(),
    }
}

/// What a caller can tell two answers apart by: all but the request's own id and path.
fn visible(answer: &Answer) -> (u16, Vec<String>, Value) {
    let mut headers: Vec<String> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
    headers.sort();
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("instance");
    }
    (answer.status, headers, body)
}

fn another_tenants_object_looks_absent(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let tenant = |name: &str| id(&operator.make("/v1/tenants", &json!({"name": name, "kind": "reseller"})));
    let (victim, other) = (tenant("victim"), tenant("other"));
    let objects = Objects::make(&server, &operator, &victim);
    let user = json!({"tenant": other, "name": "other", "password": "other-of-the-test-1"});
    operator.make("/v1/users", &user);
    let caller = server.anonymous().sign_in("other", "other-of-the-test-1");
    let mut checked = 0;
    for operation in operations(&document(&server)) {
        if !operation.protected || !operation.path.contains('{') {
            continue;
        }
        let path = filled(&operation.path, |prefix| objects.at(prefix));
        let foreign = call(&caller, &operation, &path);
        assert_problem(&foreign, 404, &format!("{} {path}", operation.method));
        let nobodys = call(&caller, &operation, &filled(&operation.path, |prefix| absent(&objects.at(prefix))));
        assert_eq!(visible(&foreign), visible(&nobodys), "{} {path} can be told from an absent one", operation.method);
        checked += 1;
    }
    assert!(checked > 15, "only {checked} operations name an object");
    // Nothing of it shows in lists either.
    for list in
        ["/v1/domains", "/v1/mailboxes", "/v1/aliases", "/v1/keys", "/v1/plans", "/v1/webhooks", "/v1/revisions"]
    {
        let answer = caller.get(list);
        assert_eq!(answer.status, 200, "{list}: {}", answer.text());
        assert!(!answer.text().contains("victim"), "{list}: {}", answer.text());
    }
}

/// Whatever makes a revision can be tried out; what cannot be is refused, not done.
fn a_dry_run_of_any_write_changes_nothing(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let tenant = id(&operator.make("/v1/tenants", &json!({"name": "victim", "kind": "reseller"})));
    let objects = Objects::make(&server, &operator, &tenant);
    let newest = |api: &Api| api.get("/v1/revisions?limit=1").json()["items"][0]["number"].clone();
    let before = newest(&operator);
    let (mut shown, mut refused) = (0, 0);
    for operation in operations(&document(&server)) {
        if operation.method == "GET" || !operation.protected {
            continue;
        }
        let path = filled(&operation.path, |prefix| objects.at(prefix));
        let answer = call(&operator, &operation, &format!("{path}?dry_run=true"));
        let what = format!("{} {path}: {}", operation.method, answer.text());
        assert!(answer.status < 500, "{what}");
        if operation.query.iter().any(|name| name == "dry_run") {
            assert!(answer.status >= 400 || answer.json()["dry_run"] == json!(true), "{what}");
            shown += usize::from(answer.status == 200);
        } else {
            assert_eq!((answer.status, &answer.json()["errors"][0]["code"]), (422, &json!("not_offered")), "{what}");
            refused += 1;
        }
    }
    assert!(shown > 10 && refused > 0, "{shown} shown, {refused} refused");
    assert_eq!(newest(&operator), before, "a dry run made a revision");
    assert_eq!(operator.get(&format!("/v1/tenants/{tenant}")).json()["name"], "victim");
}

/// A mistyped filter must not come to no filter, nor a mistyped `dry_run` to a write.
fn an_unknown_query_parameter_is_refused_everywhere(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    let tenant = id(&operator.make("/v1/tenants", &json!({"name": "victim", "kind": "reseller"})));
    let objects = Objects::make(&server, &operator, &tenant);
    let newest = operator.get("/v1/revisions?limit=1").json()["items"][0]["number"].clone();
    for operation in operations(&document(&server)) {
        let path = filled(&operation.path, |prefix| objects.at(prefix));
        for mistyped in ["dry-run=true", "LIMIT=1", "%64ry_run%00=true"] {
            let answer = call(&operator, &operation, &format!("{path}?{mistyped}"));
            assert_problem(&answer, 422, &format!("{} {path}?{mistyped}", operation.method));
            assert_eq!(answer.json()["errors"][0]["code"], "unknown_parameter", "{} {path}", operation.method);
        }
    }
    assert_eq!(operator.get("/v1/revisions?limit=1").json()["items"][0]["number"], newest, "something was done");
}
