//! What the document says of each operation, for those who act on operations as such: dry runs and undoing.
//!
//! Invariant: read once from the routes themselves, so that a new operation is known by being one.

use serde_json::Value;
use std::collections::HashSet;
use std::sync::LazyLock;

/// All operations.
pub(super) struct Operations {
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
        let mut revising = HashSet::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let method = method.to_uppercase();
                if has_effect(operation) {
                    revising.insert((method, path.clone()));
                }
            }
        }
        Self { revising }
    }

    /// Whether an operation makes a revision and answers with its effect.
    pub fn makes_revision(&self, method: &str, path: &str) -> bool {
        self.revising.contains(&(method.to_owned(), path.to_owned()))
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
    }
}
