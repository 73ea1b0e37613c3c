//! What is known of passwords that were tried a while ago, so that it need not be hashed again.
//!
//! Clients that reconnect all day cost no argon2, and one that goes on with an old password is one guess, not
//! hundreds. No password is in it: entries are keyed hashes with a key of this process. Invariant: the password's
//! epoch stands in every entry, so that a revision which changes the password voids what was known before.

use crate::model::bounds;
use std::sync::Arc;

/// Remembered outcomes; cheap to clone.
#[derive(Clone)]
pub struct Memory {
    key: Arc<[u8; 32]>,
    right: moka::sync::Cache<Tried, ()>,
    wrong: moka::sync::Cache<Tried, ()>,
}

/// A password that was tried on a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tried([u8; 32]);

impl Default for Memory {
    fn default() -> Self {
        let cache =
            |time| moka::sync::Cache::builder().max_capacity(bounds::VERIFIED_PASSWORDS).time_to_live(time).build();
        Self {
            key: Arc::new(rand::random()),
            right: cache(bounds::VERIFIED_PASSWORD_TIME),
            wrong: cache(bounds::REFUTED_PASSWORD_TIME),
        }
    }
}

impl Memory {
    /// What a password tried on a subject (a canonical address or a user's name) is remembered under; the epoch of
    /// an unknown one is 0.
    pub fn tried(&self, subject: &str, epoch: i64, password: &[u8]) -> Tried {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(subject.len() as u64).to_le_bytes());
        hasher.update(subject.as_bytes());
        hasher.update(&epoch.to_le_bytes());
        hasher.update(password);
        Tried(*hasher.finalize().as_bytes())
    }

    /// Whether it was right or wrong, when that is known.
    pub fn recall(&self, tried: &Tried) -> Option<bool> {
        match self.right.contains_key(tried) {
            true => Some(true),
            false => self.wrong.contains_key(tried).then_some(false),
        }
    }

    /// Keeps an outcome for a time.
    pub fn note(&self, tried: Tried, right: bool) {
        let cache = if right { &self.right } else { &self.wrong };
        cache.insert(tried, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_of_one_subject_epoch_and_password() {
        let memory = Memory::default();
        let tried = memory.tried("a@b", 1, b"secret");
        assert_eq!(memory.recall(&tried), None);
        memory.note(tried, true);
        assert_eq!(memory.recall(&memory.tried("a@b", 1, b"secret")), Some(true));
        for other in [("a@c", 1, "secret"), ("a@b", 2, "secret"), ("a@b", 1, "Secret")] {
            let other = memory.tried(other.0, other.1, other.2.as_bytes());
            assert_eq!(memory.recall(&other), None);
            memory.note(other, false);
            assert_eq!(memory.recall(&other), Some(false));
        }
        assert_ne!(Memory::default().tried("a@b", 1, b"secret"), tried, "every process has its own key");
    }
}
