//! Texts of a folder, each kept once and named by a number; their order as numbers.
//!
//! Invariants: the number 0 is the empty text; equal texts have equal numbers; the order is that of their octets.

use crate::model::bounds;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A text's number.
pub(in crate::mail::imap::search) type TextId = u32;

/// Texts by number.
pub(in crate::mail::imap::search) struct Texts {
    octets: String,
    /// Where each ends; it begins where the one before ends.
    ends: Vec<usize>,
    /// By a keyed hash: whoever sends the texts cannot choose them to collide.
    known: HashMap<u64, TextId>,
    hasher: RandomState,
    /// Numbers in the order of their texts, as far as they were ordered.
    order: Vec<TextId>,
    /// The place of each number in that order.
    ranks: Vec<u32>,
    full: bool,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            octets: String::new(),
            ends: vec![0],
            known: HashMap::new(),
            hasher: RandomState::new(),
            order: Vec::new(),
            ranks: Vec::new(),
            full: false,
        }
    }
}

impl Texts {
    /// The number of a text; `None` when there is no room for it.
    pub(super) fn id(&mut self, text: &str) -> Option<TextId> {
        if text.is_empty() {
            return Some(0);
        }
        let hash = self.hasher.hash_one(text);
        if let Some(known) = self.known.get(&hash)
            && self.get(*known) == text
        {
            return Some(*known);
        }
        let next = u32::try_from(self.ends.len()).ok();
        let room = self.octets.len() + text.len() <= bounds::COLUMN_TEXTS_OCTETS;
        let Some(next) = next.filter(|_| room) else {
            self.full = true;
            return None;
        };
        self.octets.push_str(text);
        self.ends.push(self.octets.len());
        self.known.entry(hash).or_insert(next);
        Some(next)
    }

    /// A text by its number.
    pub(super) fn get(&self, id: TextId) -> &str {
        let at = id as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|end| self.octets.get(start..*end)).unwrap_or_default()
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The place of each text in their order.
    pub(super) fn ranks(&mut self) -> &[u32] {
        if self.order.len() < self.ends.len() {
            let mut order = std::mem::take(&mut self.order);
            let known = u32::try_from(order.len()).unwrap_or(u32::MAX);
            order.extend(known..u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
            // What was in order is one run, which the sort keeps: a few new texts cost one pass.
            order.sort_by(|a, b| self.get(*a).cmp(self.get(*b)));
            self.ranks = vec![0; order.len()];
            for (rank, id) in (0..).zip(&order) {
                if let Some(slot) = self.ranks.get_mut(*id as usize) {
                    *slot = rank;
                }
            }
            self.order = order;
        }
        &self.ranks
    }

    pub(super) fn octets(&self) -> usize {
        let numbers = self.order.capacity() + self.ranks.capacity();
        self.octets.capacity() + self.ends.capacity() * 8 + self.known.capacity() * 17 + numbers * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_stand_for_texts_and_ranks_for_their_order(rounds in proptest::collection::vec(
            proptest::collection::vec("[a-c]{0,3}", 0..12), 1..4))
        {
            let mut texts = Texts::default();
            let mut all = Vec::new();
            for round in rounds {
                all.extend(round.into_iter().map(|text| (texts.id(&text).unwrap(), text)));
                let ranks = texts.ranks().to_vec();
                for (a, text_a) in &all {
                    prop_assert_eq!(texts.get(*a), text_a);
                    for (b, text_b) in &all {
                        prop_assert_eq!(a == b, text_a == text_b);
                        prop_assert_eq!(ranks[*a as usize].cmp(&ranks[*b as usize]), text_a.cmp(text_b));
                    }
                }
            }
        }
    }
}
