//! Message-IDs of a folder as numbers, by keyed hashes of them: the identifiers themselves are not kept.
//!
//! Invariant: bounded in number and, for each message, in references.

use crate::model::bounds;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A Message-ID's number.
pub(in crate::mail::imap::search) type Name = u32;

/// Message-IDs as numbers.
#[derive(Default)]
pub(in crate::mail::imap::search) struct Names {
    /// By a keyed hash of 64 bits, which nobody outside can aim at: a million of them collide once in ten million runs.
    known: HashMap<u64, Name>,
    hasher: RandomState,
    full: bool,
}

impl Names {
    /// The first Message-ID in a field.
    pub(in crate::mail::imap::search) fn first(&mut self, field: &[u8]) -> Option<Name> {
        ids(field).next().and_then(|id| self.name(&id))
    }

    /// What a message refers to: References, else the first Message-ID of In-Reply-To (RFC 5256 §3 step 1). Of very
    /// many the first, which is the thread's root, and the nearest.
    pub(in crate::mail::imap::search) fn references(
        &mut self,
        references: &[u8],
        in_reply_to: Option<&[u8]>,
        to: &mut Vec<Name>,
    ) -> usize {
        let start = to.len();
        to.extend(ids(references).filter_map(|id| self.name(&id)));
        let many = (to.len() - start).saturating_sub(bounds::THREAD_REFERENCES);
        if many > 0 {
            to.drain(start + 1..start + 1 + many);
        }
        if to.len() == start {
            to.extend(in_reply_to.and_then(|field| self.first(field)));
        }
        to.len() - start
    }

    pub(in crate::mail::imap::search) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn octets(&self) -> usize {
        self.known.capacity() * 17
    }

    fn name(&mut self, id: &[u8]) -> Option<Name> {
        let key = self.hasher.hash_one(id);
        let next = Name::try_from(self.known.len()).ok();
        match (self.known.get(&key), next.filter(|_| self.known.len() < bounds::THREAD_NAMES)) {
            (Some(name), _) => Some(*name),
            (None, None) => {
                self.full = true;
                None
            }
            (None, Some(next)) => {
                self.known.insert(key, next);
                Some(next)
            }
        }
    }
}

/// The Message-IDs of a field, quotes undone (RFC 5256 §3: `<"a"@b>` is `<a@b>`).
fn ids(field: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = field;
    std::iter::from_fn(move || {
        loop {
            let open = memchr::memchr(b'<', rest)?;
            rest = rest.get(open + 1..)?;
            let close = memchr::memchr(b'>', rest)?;
            let (inside, after) = rest.split_at_checked(close)?;
            rest = after;
            let start = memchr::memrchr(b'<', inside).map_or(0, |at| at + 1);
            let id = plain(inside.get(start..).unwrap_or_default());
            if memchr::memchr(b'@', &id).is_some() {
                return Some(id);
            }
        }
    })
}

fn plain(id: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(id.len());
    let mut octets = id.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b'\\' => out.extend(octets.next()),
            octet => out.push(*octet),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(references: &str, in_reply_to: &str) -> Vec<Name> {
        let (mut names, mut to) = (Names::default(), vec![77]);
        for known in 0..=200 {
            assert_eq!(names.first(format!("<{known}@x>").as_bytes()), Some(known));
        }
        let count = names.references(references.as_bytes(), Some(in_reply_to.as_bytes()), &mut to);
        assert_eq!((to.len(), to.remove(0)), (count + 1, 77));
        to
    }

    #[test]
    fn references_come_before_in_reply_to() {
        assert_eq!(named("<1@x> junk <\"2\"@x> <3>", "<4@x>"), [1, 2]);
        assert_eq!(named("none", "see <4@x> <5@x>"), [4]);
        assert_eq!(named("", ""), [0; 0]);
    }

    #[test]
    fn of_many_references_the_root_and_the_nearest_stay() {
        let all: String = (0..=200).map(|n| format!("<{n}@x> ")).collect();
        let kept = named(&all, "");
        assert_eq!(kept.len(), bounds::THREAD_REFERENCES);
        assert_eq!((kept[0], kept.last()), (0, Some(&200)));
        assert_eq!(kept[1] as usize, 201 - (bounds::THREAD_REFERENCES - 1));
    }
}
