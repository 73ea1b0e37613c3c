//! What the document says of each operation, for those who act on operations as such: dry runs and undoing.
//!
//! Invariant: read once from the routes themselves, so that a new operation is known by being one.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

/// An operation.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// `POST`, `PATCH`, …
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// The fields of its body.
    pub fields: BTreeSet<String>,
    /// Those without which it is refused.
    pub required: BTreeSet<String>,
}

/// All operations.
pub(super) struct Operations {
    by_id: HashMap<String, Operation>,
    revising: HashSet<(String, String)>,
}

static OPERATIONS: LazyLock<Operations> = LazyLock::new(|| {
    let document = super::routes().into_openapi();
    Operations::read(&serde_json::to_value(document).unwrap_or_default())
});

/// The operations of the routes.
pub(super) fn operations() -> &'static Operations {
    &OPERATIONS
}

impl Operations {
    fn read(document: &Value) -> Self {
        let (mut by_id, mut revising) = (HashMap::new(), HashSet::new());
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let method = method.to_uppercase();
                if has_effect(operation) {
                    revising.insert((method.clone(), path.clone()));
                }
                let schema = body_schema(document, operation);
                let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
                let fields = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let (fields, required) = (names(fields.collect()), names(required.collect()));
                let found = Operation { method, path: path.clone(), fields, required };
                by_id.insert(operation["operationId"].as_str().unwrap_or_default().to_owned(), found);
            }
        }
        Self { by_id, revising }
    }

    /// Whether an operation makes a revision and answers with its effect.
    pub fn makes_revision(&self, method: &str, path: &str) -> bool {
        self.revising.contains(&(method.to_owned(), path.to_owned()))
    }

    /// An operation by its id.
    pub fn by_id(&self, id: &str) -> Option<&Operation> {
        self.by_id.get(id)
    }
}

/// The answers that carry an effect are `Effect` itself and what is built around it.
fn has_effect(operation: &Value) -> bool {
    let answers = operation["responses"].as_object().into_iter().flatten();
    answers.filter(|(status, _)| status.starts_with('2')).any(|(_, answer)| {
        let reference = answer["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
        let name = reference.rsplit('/').next().unwrap_or_default();
        name == "Effect" || name.starts_with("Written_") || name == "Reverted"
    })
}

fn body_schema(document: &Value, operation: &Value) -> Value {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => schema.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_that_make_revisions_are_known_and_others_are_not() {
        let all = operations();
        for (method, path) in [("POST", "/v1/domains"), ("PATCH", "/v1/mailboxes/{id}"), ("DELETE", "/v1/aliases/{id}")]
        {
            assert!(all.makes_revision(method, path), "{method} {path}");
        }
        for (method, path) in
            [("POST", "/v1/sign-in"), ("DELETE", "/v1/mailboxes/{id}/sessions/{session}"), ("GET", "/v1/domains")]
        {
            assert!(!all.makes_revision(method, path), "{method} {path}");
        }
        let create = all.by_id("create_alias").unwrap();
        assert_eq!((create.method.as_str(), create.path.as_str()), ("POST", "/v1/aliases"));
        assert!(create.fields.contains("targets") && create.required.contains("address"));
    }
}
