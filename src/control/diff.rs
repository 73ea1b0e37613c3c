//! What differs between two views of an object, field by field, as JSON pointers.
//!
//! Pure. Objects are compared by field, everything else (lists too) as a whole, as a PATCH would write it.
//! Invariant: a view without differences has an empty diff.

use serde_json::{Map, Value};

/// A field that differs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldChange {
    /// Where it stands (RFC 6901).
    #[schema(example = "/pop3/state")]
    pub pointer: String,
    /// Its value before; `null` also when it was not there.
    #[schema(value_type = serde_json::Value)]
    pub before: Value,
    /// Its value after; `null` also when it is gone.
    #[schema(value_type = serde_json::Value)]
    pub after: Value,
}

/// All fields that differ, in the order of their names.
pub fn diff(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let nothing = Value::Object(Map::new());
    compare(&mut String::new(), before.unwrap_or(&nothing), after.unwrap_or(&nothing), &mut changes);
    changes
}

/// One step of a pointer (RFC 6901 §3).
pub fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn compare(at: &mut String, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    let nothing = Map::new();
    let (old, new) = match (before, after) {
        (Value::Object(old), Value::Object(new)) => (old, new),
        // What comes or goes whole is shown by its fields, too.
        (Value::Null, Value::Object(new)) if !at.is_empty() && !new.is_empty() => (&nothing, new),
        (Value::Object(old), Value::Null) if !at.is_empty() && !old.is_empty() => (old, &nothing),
        _ => {
            if before != after {
                changes.push(FieldChange { pointer: at.clone(), before: before.clone(), after: after.clone() });
            }
            return;
        }
    };
    let length = at.len();
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    // What follows from other settings (`effective_quota`, …) is no change of its own.
    let follows = |name: &String| length == 0 && name.starts_with("effective");
    for name in names.into_iter().filter(|name| !follows(name)) {
        at.push_str(&step(name));
        let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
        compare(at, &value(old), &value(new), changes);
        at.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_named_by_its_pointer() {
        let before = json!({"name": "a", "quota": {"bytes": 5, "messages": null}, "targets": ["x"], "a/b~": 1});
        let after = json!({"name": "a", "quota": {"bytes": null, "messages": null}, "targets": ["x", "y"], "a/b~": 2});
        let change = |pointer: &str, before, after| FieldChange { pointer: pointer.into(), before, after };
        let expected = vec![
            change("/a~1b~0", json!(1), json!(2)),
            change("/quota/bytes", json!(5), json!(null)),
            change("/targets", json!(["x"]), json!(["x", "y"])),
        ];
        assert_eq!(diff(Some(&before), Some(&after)), expected);
        assert_eq!(diff(Some(&before), Some(&before)), []);
        let follows = json!({"effective_quota": {"bytes": 7}, "name": "a"});
        assert_eq!(diff(Some(&json!({"name": "a"})), Some(&follows)), []);
        let made = diff(None, Some(&json!({"name": "a", "pop3": {"state": "inherit"}, "until": null})));
        let expected =
            vec![change("/name", json!(null), json!("a")), change("/pop3/state", json!(null), json!("inherit"))];
        assert_eq!(made, expected);
        assert_eq!(diff(Some(&json!({"name": "a"})), None), [change("/name", json!("a"), json!(null))]);
    }
}
