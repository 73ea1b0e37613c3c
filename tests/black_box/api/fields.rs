//! Every text field of every body, as the document names them: line breaks and NUL are refused with the field's place, and so
//! are texts without end, texts longer than the document says, and fields that it does not name.
//!
//! A new field is covered by being in the document.

use super::every_operation::{Objects, document, filled};
use crate::support::api::id;
use crate::support::{Api, Backend, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;

crate::on_both_databases!(hostile_texts_are_refused_in_every_field, unknown_fields_are_refused_at_every_depth);

/// Rows of an import are refused one by one, in its results: `bulk` tests them.
const ROWS_OF_THEIR_OWN: &[&str] = &["import_mailboxes", "import_aliases"];

/// A text in a body.
struct Field {
    place: Vec<String>,
    longest: Option<usize>,
}

/// An operation that takes JSON.
struct Taking {
    name: String,
    method: String,
    path: String,
    example: Value,
    fields: Vec<Field>,
    objects: BTreeSet<Vec<String>>,
}

fn pointer(place: &[String]) -> String {
    place.iter().map(|step| format!("/{step}")).collect()
}

fn taking(document: &Value) -> Vec<Taking> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            let name = operation["operationId"].as_str().unwrap_or_default();
            if content.is_null() || ROWS_OF_THEIR_OWN.contains(&name) {
                continue;
            }
            let mut one = Taking {
                name: name.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                example: content["example"].clone(),
                fields: Vec::new(),
                objects: BTreeSet::new(),
            };
            walk(document, &content["schema"], &mut Vec::new(), &mut one);
            found.push(one);
        }
    }
    assert!(found.len() > 25, "only {} operations take JSON", found.len());
    assert!(found.iter().map(|one| one.fields.len()).sum::<usize>() > 100);
    found
}

fn walk(document: &Value, schema: &Value, place: &mut Vec<String>, into: &mut Taking) {
    if place.len() > 8 {
        return;
    }
    if let Some(name) = schema["$ref"].as_str() {
        return walk(document, &document["components"]["schemas"][name.rsplit('/').next().unwrap()], place, into);
    }
    for choice in ["oneOf", "anyOf", "allOf"].iter().flat_map(|kind| schema[*kind].as_array().into_iter().flatten()) {
        walk(document, choice, place, into);
    }
    let is =
        |name: &str| schema["type"] == name || schema["type"].as_array().is_some_and(|all| all.contains(&json!(name)));
    if is("string") {
        let longest = schema["maxLength"].as_u64().map(|n| n as usize);
        into.fields.push(Field { place: place.clone(), longest });
    }
    if schema["additionalProperties"] == json!(false) {
        into.objects.insert(place.clone());
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        place.push(name.clone());
        walk(document, below, place, into);
        place.pop();
    }
    if schema["items"].is_object() {
        place.push("0".to_owned());
        walk(document, &schema["items"], place, into);
        place.pop();
    }
}

/// The body with a value at a place, and what is needed on the way there.
fn with(body: &Value, place: &[String], value: Value) -> Value {
    let Some((step, rest)) = place.split_first() else { return value };
    let mut body = body.clone();
    if step == "0" {
        let first = body.get(0).cloned().unwrap_or_default();
        return json!([with(&first, rest, value)]);
    }
    if !body.is_object() {
        body = json!({});
    }
    let below = body[step.as_str()].clone();
    body[step.as_str()] = with(&below, rest, value);
    body
}

/// The example with a value at a place; where that stands in what the example's field excludes, the other whole thing.
fn example_with(one: &Taking, place: &[String], value: Value) -> Value {
    let mut example = one.example.clone();
    if place.first().is_some_and(|step| step == "suspension") {
        let suspension = json!({"scope": "login", "reason": "unpaid invoice"});
        example = json!({"at": "2099-12-24T18:00:00Z", "suspension": suspension});
    }
    with(&example, place, value)
}

/// A server with one object of each kind, and callers of one operation each: nobody asks too much.
fn each(backend: Backend, check: impl Fn(&Api, &Taking, &str)) {
    let server = Server::start(backend);
    let operator = server.operator();
    let tenant = id(&operator.make("/v1/tenants", &json!({"name": "victim", "kind": "reseller"})));
    let objects = Objects::make(&server, &operator, &tenant);
    let newest = || operator.get("/v1/revisions?limit=1").json()["items"][0]["number"].as_i64().unwrap();
    let all = taking(&document(&server));
    let keys = all.len() as i64;
    let before = newest();
    for one in &all {
        let key = operator.make("/v1/keys", &json!({"name": "one operation"}))["secret"].as_str().unwrap().to_owned();
        let path = filled(&one.path, |prefix| objects.at(prefix));
        check(&Api::new(server.address("http"), Some(key)), one, &path);
    }
    assert_eq!(newest(), before + keys, "something was done");
}

fn refused(api: &Api, one: &Taking, path: &str, body: &Value, place: &str) -> String {
    let answer = api.request(&one.method, path, &[], Some(body));
    let shown: String = answer.text().chars().take(500).collect();
    assert_eq!(answer.status, 422, "{} {place}: {shown}", one.name);
    let errors = answer.json()["errors"].clone();
    let found = errors.as_array().into_iter().flatten().find(|error| error["pointer"] == place);
    let found = found.unwrap_or_else(|| panic!("{}: {place} is not named: {shown}", one.name));
    found["code"].as_str().unwrap().to_owned()
}

fn hostile_texts_are_refused_in_every_field(backend: Backend) {
    each(backend, |api, one, path| {
        for field in &one.fields {
            let place = pointer(&field.place);
            // Requirement 22: CR, LF and NUL die at the edge.
            for text in ["a\rb", "a\nb", "a\0b", "\r\n"] {
                let body = example_with(one, &field.place, json!(text));
                assert_eq!(refused(api, one, path, &body, &place), "control_character", "{} {place}", one.name);
            }
            // A key has no password of its own and is turned away before its length is looked at.
            if let Some(longest) = field.longest.filter(|_| !one.path.starts_with("/v1/me/")) {
                let body = example_with(one, &field.place, json!("x".repeat(longest + 1)));
                refused(api, one, path, &body, &place);
            }
            // Whatever the document says of it, no text is without end.
            let body = example_with(one, &field.place, json!("x".repeat(100_000)));
            let answer = api.request(&one.method, path, &[], Some(&body));
            let shown: String = answer.text().chars().take(300).collect();
            assert!((400..500).contains(&answer.status), "{} {place} without end: {} {shown}", one.name, answer.status);
        }
    });
}

fn unknown_fields_are_refused_at_every_depth(backend: Backend) {
    each(backend, |api, one, path| {
        for object in &one.objects {
            let mut place = object.clone();
            place.push("no_such_field".to_owned());
            let body = example_with(one, &place, json!(true));
            assert_eq!(refused(api, one, path, &body, &pointer(&place)), "unknown_field", "{}", one.name);
        }
    });
}
