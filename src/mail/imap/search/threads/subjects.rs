//! Threads by subject: ORDEREDSUBJECT, and the subject table of REFERENCES (RFC 5256 §3).
//!
//! Invariant: subjects are compared by the numbers of their keys (`i;unicode-casemap`); 0 is the empty one.

use super::Message;
use super::forest::{Forest, Node};
use crate::mail::imap::search::columns::TextId;
use std::collections::HashMap;

/// ORDEREDSUBJECT: one flat thread for each base subject.
pub(super) fn ordered(messages: &[Message]) -> Forest {
    let mut order: Vec<usize> = (0..messages.len()).collect();
    let by = |index: &usize| messages.get(*index).map(|message| (message.sent, message.name));
    order.sort_by_key(by);
    let mut forest = Forest::default();
    let mut threads: HashMap<TextId, Node> = HashMap::new();
    // In the order of dates, so that threads come by their first message and children by their date.
    for index in order {
        let subject = messages.get(index).map_or(0, |message| message.subject);
        let node = forest.add(Some(index));
        match threads.get(&subject) {
            Some(first) => forest.adopt(*first, vec![node]),
            None => {
                threads.insert(subject, node);
                forest.roots.push(node);
            }
        }
    }
    forest
}

/// REFERENCES step 5: threads with one base subject become one. The roots are sorted by date, and
/// so are the children of dummies among them.
pub(super) fn merge(forest: &mut Forest, messages: &[Message]) {
    let table = table(forest, messages);
    let mut places: HashMap<Node, usize> = forest.roots.iter().enumerate().map(|(at, node)| (*node, at)).collect();
    let mut roots: Vec<Option<Node>> = forest.roots.iter().copied().map(Some).collect();
    let mut table = table;
    for at in 0..roots.len() {
        let Some(current) = roots.get(at).copied().flatten() else { continue };
        let Some(face) = forest.face(current, messages) else { continue };
        let Some(slot) = table.get_mut(&face.subject).filter(|slot| **slot != current) else { continue };
        let known = *slot;
        let reply = face.is_reply && !forest.face(known, messages).is_some_and(|face| face.is_reply);
        match (forest.is_dummy(known), forest.is_dummy(current)) {
            (true, true) => {
                let children = forest.take_children(current);
                forest.adopt(known, children);
            }
            (true, false) => forest.adopt(known, vec![current]),
            (false, false) if reply => forest.adopt(known, vec![current]),
            _ => {
                let dummy = forest.add(None);
                forest.adopt(dummy, vec![known, current]);
                let place = places.get(&known).copied().unwrap_or(at);
                places.insert(dummy, place);
                if let Some(root) = roots.get_mut(place) {
                    *root = Some(dummy);
                }
                *slot = dummy;
            }
        }
        if let Some(root) = roots.get_mut(at)
            && *root == Some(current)
        {
            *root = None;
        }
    }
    forest.roots = roots.into_iter().flatten().collect();
}

/// Steps 5A and 5B: which root stands for a subject.
fn table(forest: &Forest, messages: &[Message]) -> HashMap<TextId, Node> {
    let mut table: HashMap<TextId, Node> = HashMap::new();
    for root in &forest.roots {
        let Some(face) = forest.face(*root, messages).filter(|face| face.subject != 0) else { continue };
        let slot = table.entry(face.subject).or_insert(*root);
        let known_is_reply = forest.face(*slot, messages).is_some_and(|face| face.is_reply);
        if !forest.is_dummy(*slot) && (forest.is_dummy(*root) || (known_is_reply && !face.is_reply)) {
            *slot = *root;
        }
    }
    table
}
