//! What the document says of every operation alike: who is refused how, ETags, preconditions, examples.
//!
//! One pass over the routes' own document, so that no handler repeats it and none forgets it. Invariant: what is
//! said here of an operation follows from its shape alone (method, path, parameters, answers, security).

use super::examples;
use super::kinds;
use super::rates::is_free;
use axum::http::Method;
use std::collections::HashSet;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Completes the document.
pub(super) fn complete(document: &mut OpenApi) {
    let tagged = tagged_objects(document);
    for (path, item) in &mut document.paths.paths {
        let changeable = item.patch.is_some();
        for (method, operation) in operations_of(item) {
            let open = operation.security.is_some();
            if !open && (method == Method::PATCH || (method == Method::DELETE && changeable)) {
                operation.parameters.get_or_insert_default().push(RefOr::T(if_match()));
            }
            show_examples(path, operation);
            add_refusals(path, operation, open);
            name_problems(operation);
            add_headers(&method, path, operation, &tagged);
        }
    }
}

/// The operations of a path, each with its method.
pub(super) fn operations_of(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [
        (Method::GET, get),
        (Method::POST, post),
        (Method::PUT, put),
        (Method::PATCH, patch),
        (Method::DELETE, delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The schema that a successful read answers with.
fn answered(operation: &Operation) -> Option<&str> {
    let Some(RefOr::T(answer)) = operation.responses.responses.get("200") else { return None };
    match content_of(answer, JSON)?.schema.as_ref()? {
        RefOr::Ref(reference) => Some(&reference.ref_location),
        RefOr::T(_) => None,
    }
}

fn content_of<'a>(answer: &'a Response, media: &str) -> Option<&'a Content> {
    match answer.content.get(media) {
        Some(RefOr::T(content)) => Some(content),
        _ => None,
    }
}

/// The schemas of objects that have an ETag: those that can be read where they can be changed.
fn tagged_objects(document: &OpenApi) -> HashSet<String> {
    let changeable = document.paths.paths.values().filter(|item| item.patch.is_some());
    changeable.filter_map(|item| answered(item.get.as_ref()?)).map(str::to_owned).collect()
}

fn if_match() -> Parameter {
    ParameterBuilder::new()
        .name("If-Match")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "ETags of the object, or `*`: the write is done only while it is at one of them (RFC 9110 §13.1.1).",
        ))
        .schema(Some(text()))
        .build()
}

fn text() -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).build())
}

fn show_examples(path: &str, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            let example = examples::parameter(path, &parameter.name);
            *parameter = ParameterBuilder::from(parameter.clone()).example(example).build();
        }
    }
    let example = operation.operation_id.as_deref().and_then(examples::body);
    if let Some(RefOr::T(body)) = &mut operation.request_body
        && let Some(RefOr::T(content)) = body.content.get_mut(JSON)
    {
        content.example = example;
    }
}

/// Whether an operation has a parameter that is so.
fn has(operation: &Operation, which: impl Fn(&Parameter) -> bool) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(|p| if let RefOr::T(p) = p { Some(p) } else { None }).any(which)
}

/// Each status that the shape of an operation brings with it.
fn add_refusals(path: &str, operation: &mut Operation, open: bool) {
    let mut statuses = vec![503];
    let body = operation.request_body.is_some();
    if !is_free(path) {
        statuses.push(429);
    }
    if !open {
        statuses.extend([401, 403]);
    }
    if body {
        statuses.extend([400, 413, 415, 422]);
    }
    if has(operation, |p| p.parameter_in == ParameterIn::Query) {
        statuses.push(422);
    }
    // A tenant or domain that a body or a filter names may not be there.
    if !open
        && (body || has(operation, |p| p.parameter_in == ParameterIn::Path || matches!(&*p.name, "domain" | "tenant")))
    {
        statuses.push(404);
    }
    if has(operation, |p| p.name == "If-Match") {
        statuses.push(412);
    }
    if has(operation, |p| p.name == "Idempotency-Key") {
        statuses.extend([409, 413, 422]);
    }
    for status in statuses {
        let problem = || {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            RefOr::T(ResponseBuilder::new().content(JSON, content).build())
        };
        operation.responses.responses.entry(status.to_string()).or_insert_with(problem);
    }
}

/// Refusals are problems (RFC 9457 §3), described by the kinds that have their status.
fn name_problems(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        let Some(status) = status.parse::<u16>().ok().filter(|status| *status >= 400) else { continue };
        if let Some(content) = answer.content.swap_remove(JSON) {
            answer.content.insert(PROBLEM.to_owned(), content);
        }
        if answer.description.is_empty() {
            answer.description = kinds::titles(status);
        }
    }
}

fn add_headers(method: &Method, path: &str, operation: &mut Operation, tagged: &HashSet<String>) {
    let writes_once = has(operation, |p| p.name == "Idempotency-Key");
    let is_tagged = match *method {
        Method::GET => answered(operation).is_some_and(|schema| tagged.contains(schema)),
        Method::PATCH => true,
        _ => false,
    };
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        let mut add = |name: &str, meaning: &str| {
            let header = HeaderBuilder::new().schema(Some(text())).description(Some(meaning)).build();
            answer.headers.insert(name.to_owned(), header.into());
        };
        match status.as_str() {
            "200" if is_tagged => add("ETag", "The revision that last changed the object, for `If-Match`."),
            "201" => {
                add("ETag", "The revision that made the object, for `If-Match`.");
                add("Location", "Where the object is.");
            }
            "401" => add("WWW-Authenticate", "How to authenticate (RFC 9110 §11.6.1)."),
            "429" | "503" => add("Retry-After", "Seconds to wait at least (RFC 9110 §10.2.3)."),
            _ => {}
        }
        if !is_free(path) && (status.starts_with('2') || status == "429") {
            add(
                "RateLimit-Policy",
                "How many requests are answered in how many seconds (draft-ietf-httpapi-ratelimit-headers).",
            );
            add("RateLimit", "How many of them are left, and in how many seconds more are.");
        }
        if writes_once && status.starts_with('2') {
            add("Idempotency-Replayed", "`true` on an answer that was kept for the request's `Idempotency-Key`.");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// Every operation with what it is called.
    fn all() -> Vec<(String, Value)> {
        let document: Value = serde_json::from_str(&crate::api::openapi_json()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, it)| (format!("{method} {path}"), it.clone()))
        });
        operations.collect()
    }

    #[test]
    fn every_body_and_parameter_has_an_example() {
        for (name, operation) in all() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(!parameter["example"].is_null(), "{name}: {}", parameter["name"]);
            }
            if let Some(body) = operation.get("requestBody") {
                assert!(!body["content"]["application/json"]["example"].is_null(), "{name}");
            }
        }
    }

    #[test]
    fn every_refusal_is_a_problem_and_whoever_needs_a_token_may_be_refused() {
        for (name, operation) in all() {
            let answers = operation["responses"].as_object().unwrap();
            for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
                assert!(answer["content"]["application/problem+json"]["schema"].is_object(), "{name} {status}");
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{name} {status}");
            }
            let needed = operation.get("security").is_none();
            for status in ["401", "403"] {
                assert!(!needed || answers.contains_key(status), "{name} {status}");
            }
            let counted = !["get /healthz", "get /readyz"].contains(&name.as_str());
            assert_eq!(answers.contains_key("429"), counted, "{name}");
            assert!(!counted || answers["429"]["headers"]["RateLimit"].is_object(), "{name}");
        }
    }
}
