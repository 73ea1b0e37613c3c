//! What handlers take: strict JSON, ids from paths, query parameters, ETags.
//!
//! Invariant: an unknown field, a control character in any text and a wrong type are each
//! refused with the place where they stand.

use super::json;
use super::kinds;
use super::problem::Problem;
use super::shaped::Shaped;
use crate::control::FieldError;
use crate::model::bounds;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;

/// Nesting of JSON.
const DEPTH: usize = 64;

/// A body of strict JSON.
pub struct Strict<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let json = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|value| {
            let media = value.split(';').next().unwrap_or_default().trim();
            media.eq_ignore_ascii_case("application/json") || media.eq_ignore_ascii_case("application/merge-patch+json")
        });
        if !json {
            let detail = "send JSON, with Content-Type: application/json";
            return Err(Problem::new(&kinds::MEDIA_TYPE, detail));
        }
        let octets =
            axum::body::to_bytes(request.into_body(), bounds::HTTP_BODY_OCTETS).await.map_err(|_| too_large())?;
        let (value, twice) = json::read(&octets).map_err(|error| {
            // The reader's own bound on nesting lies above ours.
            if error.to_string().starts_with("recursion limit") {
                return Problem::field("", "too_deep", "is nested too deeply");
            }
            Problem::new(&kinds::MALFORMED, format!("the body is no JSON: {error}"))
        })?;
        // RFC 8259 §4: which of them counts is not the same everywhere.
        if !twice.is_empty() {
            let wrong = |pointer: String| FieldError::new(pointer, "duplicate", "is there more than once");
            return Err(Problem::invalid(twice.into_iter().map(wrong).collect()));
        }
        parse(value).map(Self)
    }
}

/// The problem of a body that is too large.
pub(super) fn too_large() -> Problem {
    let detail = format!("the body may have at most {} octets", bounds::HTTP_BODY_OCTETS);
    Problem::new(&kinds::TOO_LARGE, detail)
}

/// A value as what it must be; every mistake is named with its place.
pub(super) fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    let mut errors = Vec::new();
    refuse_control_characters(&value, &mut String::new(), 0, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    serde_path_to_error::deserialize(Shaped(value)).map_err(|error| {
        let pointer = pointer_of(error.path());
        let text = error.inner().to_string();
        Problem::invalid(vec![field_error(pointer, &text)])
    })
}

/// A JSON pointer from a path of the deserializer.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901 §3.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What serde says, in our words.
fn field_error(pointer: String, text: &str) -> FieldError {
    let quoted = text.split('`').nth(1).unwrap_or_default();
    let below =
        |name: &str| if pointer.ends_with(&format!("/{name}")) { pointer.clone() } else { format!("{pointer}/{name}") };
    if text.starts_with("unknown field") {
        return FieldError::new(below(&escape(quoted)), "unknown_field", "there is no such field");
    }
    if text.starts_with("missing field") {
        return FieldError::new(below(quoted), "required", "is required");
    }
    FieldError::new(pointer, "invalid", text.to_owned())
}

fn refuse_control_characters(value: &Value, at: &mut String, depth: usize, errors: &mut Vec<FieldError>) {
    if depth > DEPTH {
        errors.push(FieldError::new(at.clone(), "too_deep", "is nested too deeply"));
        return;
    }
    let length = at.len();
    match value {
        Value::String(text) if text.contains(['\r', '\n', '\0']) => {
            let detail = "must not contain line breaks or NUL";
            errors.push(FieldError::new(at.clone(), "control_character", detail));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push_str(&format!("/{index}"));
                refuse_control_characters(item, at, depth + 1, errors);
                at.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                at.push_str(&format!("/{}", escape(name)));
                refuse_control_characters(field, at, depth + 1, errors);
                at.truncate(length);
            }
        }
        _ => {}
    }
}

/// An id or name from the path; one that does not parse names nothing.
pub struct Of<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Of<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = <Path<String> as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// Two ids from the path.
pub struct OfBoth<A, B>(pub A, pub B);

impl<S: Send + Sync, A: FromStr, B: FromStr> FromRequestParts<S> for OfBoth<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = <Path<(String, String)> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let Path((a, b)) = path.map_err(|_| Problem::not_found())?;
        let (Ok(a), Ok(b)) = (a.parse(), b.parse()) else { return Err(Problem::not_found()) };
        Ok(Self(a, b))
    }
}

/// Query parameters; unknown ones are refused.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = <Query<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|rejection| {
            let text = rejection.body_text();
            let said = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            // The reader says which parameter before it says what is wrong with it.
            match said.split_once(": ").filter(|(name, _)| name.bytes().all(|o| o.is_ascii_lowercase() || o == b'_')) {
                Some((name, detail)) => Problem::field(name, "invalid", detail),
                None => Problem::field("", "invalid_query", said),
            }
        })
    }
}

/// The revisions that If-Match names (RFC 9110 §13.1.1): none when there is no such header, or it is `*`.
pub struct IfMatch(pub Option<Vec<i64>>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut expected = None;
        // RFC 9110 §5.3: several fields are one list.
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().unwrap_or_default();
            if text.trim() == "*" {
                return Ok(Self(None));
            }
            expected.get_or_insert_with(Vec::new).extend(strong_tags(text));
        }
        Ok(Self(expected))
    }
}

/// Our revisions among a list of entity-tags. A tag that is none of ours matches nothing, and neither does a weak
/// one: RFC 9110 §13.1.1 asks for the strong comparison.
fn strong_tags(list: &str) -> Vec<i64> {
    let (mut tags, mut rest) = (Vec::new(), list);
    // A comma may stand within the quotes (RFC 9110 §8.8.3).
    while let Some((before, from)) = rest.split_once('"') {
        let Some((tag, after)) = from.split_once('"') else { break };
        let weak = before.trim_end().ends_with("W/");
        tags.extend(tag.parse::<i64>().ok().filter(|_| !weak));
        rest = after;
    }
    tags
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

/// A field that may be absent (stays), `null` (takes away) or a value.
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only what parsing says of it matters")]
    struct Inner {
        state: crate::model::ProtocolState,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only what parsing says of it matters")]
    struct Body {
        address: crate::model::EmailAddress,
        pop3: Option<Inner>,
        #[serde(default, deserialize_with = "nullable")]
        limit: Option<Option<u64>>,
    }

    fn wrong(value: Value) -> (String, String) {
        let problem = parse::<Body>(value).unwrap_err();
        assert_eq!(problem.status, 422);
        (problem.errors[0].pointer.clone(), problem.errors[0].code.clone())
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let at = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
        assert_eq!(wrong(json!({"address": "a@example.org", "pop33": 1})), at("/pop33", "unknown_field"));
        assert_eq!(wrong(json!({"address": "a@example.org", "pop3": {"state": "off"}})), at("/pop3/state", "invalid"));
        assert_eq!(
            wrong(json!({"address": "a@example.org", "pop3": {"stat": "x"}})),
            at("/pop3/stat", "unknown_field")
        );
        assert_eq!(wrong(json!({"pop3": null})), at("/address", "required"));
        assert_eq!(wrong(json!({"address": "nowhere"})), at("/address", "invalid"));
        assert_eq!(wrong(json!({"address": "a@example.org\r\n"})), at("/address", "control_character"));
    }

    #[test]
    fn a_list_of_tags_is_read_as_it_is_written() {
        assert_eq!(strong_tags("\"42\""), [42]);
        assert_eq!(strong_tags(" \"1\",\"2\" , W/\"3\", \"x\", \"5,6\", \"7\""), [1, 2, 7]);
        for none in ["", "42", "\"42", "W/\"42\"", "\"\"", "\"4\\2\""] {
            assert_eq!(strong_tags(none), [0; 0], "{none}");
        }
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let limit = |value: Value| parse::<Body>(value).unwrap().limit;
        assert_eq!(limit(json!({"address": "a@example.org"})), None);
        assert_eq!(limit(json!({"address": "a@example.org", "limit": null})), Some(None));
        assert_eq!(limit(json!({"address": "a@example.org", "limit": 7})), Some(Some(7)));
    }
}
