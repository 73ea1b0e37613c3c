//! Passwords as callers give them: in clear, hashed here, or as another system's hash.

use super::{Caller, Control, Error, FieldError, Result};
use crate::auth::passwords::import;
use crate::auth::strength;
use crate::model::bounds;

/// A password as it comes in.
#[derive(Clone, Default)]
pub struct NewPassword {
    /// In clear.
    pub password: Option<String>,
    /// As `{SCHEME}hash` of another system.
    pub password_hash: Option<String>,
    /// Whether it must be changed before anything else; this may be said of the one that is there, too.
    pub must_change: Option<bool>,
}

impl NewPassword {
    /// True when there is neither.
    pub fn is_none(&self) -> bool {
        self.password.is_none() && self.password_hash.is_none()
    }

    /// Says what is wrong with it.
    pub(super) fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.password.is_some() && self.password_hash.is_some() {
            errors.push(FieldError::new("/password_hash", "conflict", "password and password_hash exclude each other"));
        }
        if let Some(password) = &self.password {
            errors.extend(check_clear("/password", password));
        }
        if let Some(Err(error)) = self.password_hash.as_deref().map(import) {
            errors.push(FieldError::new("/password_hash", "invalid_hash", error.to_string()));
        }
        errors
    }

    /// Refuses one in clear that is made of these words: its owner's address, name and the like.
    pub(super) fn refuse_words(&self, words: &[&str]) -> Result<()> {
        let weak = |password: &String| strength::judge(password, words);
        match self.password.as_ref().and_then(weak) {
            Some(weakness) => Err(Error::field("/password", weakness.code(), weakness.to_string())),
            None => Ok(()),
        }
    }

    /// The hash to store.
    pub(super) async fn hash(&self, control: &Control, caller: &Caller) -> Result<Option<String>> {
        if let Some(password) = &self.password {
            if let Some(hash) = &caller.intent.hash {
                return Ok(Some(hash.clone()));
            }
            return Ok(Some(control.passwords.hash(password).await?));
        }
        let import =
            |hash: &String| import(hash).map_err(|e| Error::field("/password_hash", "invalid_hash", e.to_string()));
        self.password_hash.as_ref().map(import).transpose()
    }
}

/// The hash of a password in clear, for a write that comes later; none for one that the write will refuse.
pub async fn hash_early(control: &Control, password: &str) -> Result<Option<String>> {
    if check_clear("", password).is_some() {
        return Ok(None);
    }
    Ok(Some(control.passwords.hash(password).await?))
}

/// What is wrong with a password in clear.
pub(super) fn check_clear(pointer: &str, password: &str) -> Option<FieldError> {
    if password.len() > bounds::PASSWORD_OCTETS {
        let detail = format!("must have at most {} octets", bounds::PASSWORD_OCTETS);
        return Some(FieldError::new(pointer, "too_long", detail));
    }
    // No client can send these over every protocol.
    let control = password.chars().any(char::is_control);
    if control {
        return Some(FieldError::new(pointer, "control_character", "must not contain control characters"));
    }
    strength::judge(password, &[]).map(|weak| FieldError::new(pointer, weak.code(), weak.to_string()))
}

/// What is wrong with a name for people.
pub(super) fn check_name(pointer: &str, name: &str) -> Option<FieldError> {
    if name.chars().any(char::is_control) {
        return Some(FieldError::new(pointer, "control_character", "must not contain control characters"));
    }
    let long = name.chars().count() > 200;
    long.then(|| FieldError::new(pointer, "too_long", "must have at most 200 characters"))
}
