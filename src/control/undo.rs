//! How a revision is undone: by the opposite write, with what it says of the object as it was.
//!
//! Pure: it works out what to write from what the revision shows and what the object is now; the write itself is the
//! resource's own, with all its rules. Invariant: a field that was changed since is never overwritten.

use super::FieldError;
use super::diff::{FieldChange, step};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The write that undoes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opposite {
    /// What was created is deleted, by the operation of this name.
    Delete(String),
    /// What was changed is changed back.
    Update(String),
    /// What was deleted is created anew.
    Create(String),
    /// What was deleted so that it can be restored is restored.
    Restore(String),
}

/// The opposite of an action on an object, or why there is none.
pub fn opposite(action: &str, object: &str) -> Result<Opposite, &'static str> {
    let reason = match action {
        "delete_key" | "delete_webhook" | "delete_app_password" => {
            Some("its secret was kept nowhere: create a new one")
        }
        "create_invitation" | "resend_invitation" | "revoke_invitation" => {
            Some("what went by mail does not come back: revoke the invitation, or send another")
        }
        "delete_user" => Some("the user's password was kept nowhere: create the user anew"),
        _ => None,
    };
    if let Some(reason) = reason {
        return Err(reason);
    }
    match action {
        "contain_mailbox" => return Ok(Opposite::Restore("release_mailbox".into())),
        "release_mailbox" => return Ok(Opposite::Create("contain_mailbox".into())),
        _ => {}
    }
    let (verb, what) = action.split_once('_').unwrap_or((action, ""));
    // A suspension's revision belongs to what is suspended.
    let what = match what {
        "suspension" if object.starts_with("dom_") => "domain_suspension",
        "suspension" => "mailbox_suspension",
        "scheduled_change" if object.starts_with("dom_") => "domain_scheduled_change",
        "scheduled_change" => "mailbox_scheduled_change",
        what => what,
    };
    match verb {
        "create" => Ok(Opposite::Delete(format!("delete_{what}"))),
        "update" => Ok(Opposite::Update(format!("update_{what}"))),
        "delete" => Ok(Opposite::Create(format!("create_{what}"))),
        "trash" => Ok(Opposite::Restore(format!("restore_{what}"))),
        _ => Err("this kind of change has no opposite"),
    }
}

/// Parts changes into those of fields that can be written and the others.
pub fn part(changes: Vec<FieldChange>, fields: &BTreeSet<String>) -> (Vec<FieldChange>, Vec<FieldChange>) {
    changes.into_iter().partition(|change| fields.contains(&first_step(&change.pointer)))
}

fn first_step(pointer: &str) -> String {
    let name = pointer.split('/').nth(1).unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~")
}

/// The fields that are no longer as a revision left them.
pub fn conflicts(changes: &[FieldChange], now: &Value) -> Vec<FieldError> {
    let moved = changes.iter().filter_map(|change| {
        let value = now.pointer(&change.pointer).unwrap_or(&Value::Null);
        let detail = format!("was changed since: is {value}, the revision left {}", change.after);
        (*value != change.after).then(|| FieldError::new(&change.pointer, "changed_since", detail))
    });
    moved.collect()
}

/// The body (RFC 7396) that gives fields their values from before.
pub fn patch_back(changes: &[FieldChange]) -> Value {
    let mut body = Value::Object(Map::new());
    for change in changes {
        let names: Vec<String> =
            change.pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        let Some((last, above)) = names.split_last() else { continue };
        let mut at = &mut body;
        for name in above {
            let Value::Object(fields) = at else { break };
            at = fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
        }
        if let Value::Object(fields) = at {
            fields.insert(last.clone(), change.before.clone());
        }
    }
    body
}

/// The body that creates an object as it was: what can be written of it and is there.
pub fn create_again(before: &Value, fields: &BTreeSet<String>) -> Value {
    let given = before.as_object().into_iter().flatten();
    let kept = given.filter(|(name, value)| fields.contains(*name) && !value.is_null());
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// What must be given to create it and is not known.
pub fn missing(body: &Value, required: &BTreeSet<String>) -> Option<String> {
    required.iter().find(|name| body.get(name.as_str()).is_none()).map(|name| step(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::diff::diff;
    use serde_json::json;

    fn fields(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_verb_has_its_opposite_and_secrets_have_none() {
        let named = |text: &str| text.to_owned();
        assert_eq!(opposite("create_alias", "als_1"), Ok(Opposite::Delete(named("delete_alias"))));
        assert_eq!(
            opposite("update_mailbox_protocols", "mbx_1"),
            Ok(Opposite::Update(named("update_mailbox_protocols")))
        );
        assert_eq!(opposite("delete_domain", "dom_1"), Ok(Opposite::Create(named("create_domain"))));
        assert_eq!(opposite("create_suspension", "dom_1"), Ok(Opposite::Delete(named("delete_domain_suspension"))));
        assert_eq!(opposite("delete_suspension", "mbx_1"), Ok(Opposite::Create(named("create_mailbox_suspension"))));
        assert_eq!(opposite("contain_mailbox", "mbx_1"), Ok(Opposite::Restore(named("release_mailbox"))));
        assert_eq!(opposite("release_mailbox", "mbx_1"), Ok(Opposite::Create(named("contain_mailbox"))));
        for action in ["delete_key", "delete_app_password", "delete_user", "delete_webhook", "bootstrap", ""] {
            assert!(opposite(action, "x").is_err(), "{action}");
        }
    }

    #[test]
    fn only_what_is_as_it_was_left_goes_back() {
        let before = json!({"name": "a", "quota": {"bytes": 5, "messages": null}, "has_password": false});
        let after = json!({"name": "b", "quota": {"bytes": null, "messages": null}, "has_password": true});
        let (can, cannot) = part(diff(Some(&before), Some(&after)), &fields(&["name", "quota"]));
        assert_eq!(cannot.len(), 1);
        assert_eq!(patch_back(&can), json!({"name": "a", "quota": {"bytes": 5}}));
        assert_eq!(conflicts(&can, &after), []);
        let now = json!({"name": "c", "quota": {"bytes": null}});
        let found = conflicts(&can, &now);
        assert_eq!((found.len(), found[0].pointer.as_str(), found[0].code), (1, "/name", "changed_since"));
    }

    #[test]
    fn what_is_created_again_is_what_can_be_said() {
        let before = json!({"id": "als_1", "address": "a@b.example", "targets": ["x"], "name": null});
        let body = create_again(&before, &fields(&["address", "targets", "name"]));
        assert_eq!(body, json!({"address": "a@b.example", "targets": ["x"]}));
        assert_eq!(missing(&body, &fields(&["address"])), None);
        assert_eq!(missing(&body, &fields(&["address", "password"])), Some("/password".into()));
    }
}
