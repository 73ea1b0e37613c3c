//! REFERENCES and REFS: threads by what messages refer to (RFC 5256 §3, draft-ietf-morg-inthread §4).
//!
//! Invariant: n log n, whatever the messages say of each other: names are bounded in number, and
//! so are the steps that look for loops.

use super::forest::{Forest, Node};
use super::subjects;
use super::{Message, Named};
use crate::model::bounds;

/// The threads of all messages; `by_subject`: REFERENCES, else REFS.
pub(super) fn threaded(messages: &[Message], named: &Named, by_subject: bool) -> Forest {
    let mut links = Links::new(messages, named.count as usize);
    for message in 0..messages.len() {
        links.place(message, messages, named);
    }
    let mut forest = links.forest();
    prune(&mut forest);
    // Step 4: dummies go by their first child, so children are sorted first.
    forest.sort_siblings(messages);
    if by_subject {
        let mut roots = std::mem::take(&mut forest.roots);
        forest.sort_by_date(&mut roots, messages);
        forest.roots = roots;
        subjects::merge(&mut forest, messages);
        // Step 6.
        forest.sort_siblings(messages);
        let mut roots = std::mem::take(&mut forest.roots);
        forest.sort_by_date(&mut roots, messages);
        forest.roots = roots;
    } else {
        by_latest(&mut forest, messages);
    }
    forest
}

/// Step 1: who is whose parent.
struct Links {
    /// Each node's message; nodes are names first, then messages without one of their own.
    messages: Vec<Option<usize>>,
    parents: Vec<Option<Node>>,
    children: Vec<u32>,
    /// Each message's node.
    nodes: Vec<Node>,
    /// Steps that may still be taken to look for loops.
    steps: usize,
}

impl Links {
    fn new(messages: &[Message], names: usize) -> Self {
        let mut all: Vec<Option<usize>> = vec![None; names];
        let mut nodes = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            match message.id.and_then(|id| Some((id, all.get_mut(id as Node)?))) {
                Some((id, slot @ None)) => {
                    *slot = Some(index);
                    nodes.push(id as Node);
                }
                // RFC 5256 §3: without a Message-ID, or with another message's, it has one of its own.
                _ => {
                    nodes.push(all.len());
                    all.push(Some(index));
                }
            }
        }
        let steps = bounds::THREAD_LOOP_STEPS;
        Self { parents: vec![None; all.len()], children: vec![0; all.len()], messages: all, nodes, steps }
    }

    fn place(&mut self, message: usize, messages: &[Message], named: &Named) {
        let (Some(node), Some(known)) = (self.nodes.get(message).copied(), messages.get(message)) else { return };
        let references = named.references.get(known.references.clone()).unwrap_or_default();
        // Step 1A: each reference is the parent of the next, where that has none yet.
        for pair in references.windows(2) {
            let [parent, child] = [pair.first(), pair.last()].map(|name| name.map_or(node, |name| *name as Node));
            if self.parents.get(child).copied().flatten().is_none() && !self.loops(parent, child) {
                self.link(parent, child);
            }
        }
        // Step 1B: the last one is the message's own parent, whatever was thought before.
        self.unlink(node);
        if let Some(parent) = references.last().map(|name| *name as Node)
            && !self.loops(parent, node)
        {
            self.link(parent, node);
        }
    }

    /// Whether `child` is `parent` or above it.
    fn loops(&mut self, parent: Node, child: Node) -> bool {
        if parent == child {
            return true;
        }
        if self.children.get(child).copied().unwrap_or(0) == 0 {
            return false;
        }
        let mut above = self.parents.get(parent).copied().flatten();
        while let Some(node) = above {
            if node == child || self.steps == 0 {
                return true;
            }
            self.steps -= 1;
            above = self.parents.get(node).copied().flatten();
        }
        false
    }

    fn link(&mut self, parent: Node, child: Node) {
        if let (Some(slot), Some(count)) = (self.parents.get_mut(child), self.children.get_mut(parent)) {
            *slot = Some(parent);
            *count += 1;
        }
    }

    fn unlink(&mut self, child: Node) {
        let parent = self.parents.get_mut(child).and_then(Option::take);
        if let Some(count) = parent.and_then(|parent| self.children.get_mut(parent)) {
            *count -= 1;
        }
    }

    fn forest(self) -> Forest {
        let mut forest = Forest { children: vec![Vec::new(); self.messages.len()], ..Forest::default() };
        for (node, parent) in self.parents.iter().enumerate() {
            match parent.and_then(|parent| forest.children.get_mut(parent)) {
                Some(siblings) => siblings.push(node),
                None => forest.roots.push(node),
            }
        }
        forest.messages = self.messages;
        forest
    }
}

/// Step 3: dummies go; their children take their place, but several of them only below the root.
fn prune(forest: &mut Forest) {
    for node in forest.downwards().into_iter().rev() {
        let children = forest.take_children(node);
        let mut kept = Vec::with_capacity(children.len());
        for child in children {
            if forest.is_dummy(child) {
                let promoted = forest.take_children(child);
                forest.adopt(node, promoted);
            } else {
                kept.push(child);
            }
        }
        forest.adopt(node, kept);
    }
    let roots = std::mem::take(&mut forest.roots);
    for root in roots {
        let children = forest.children.get(root).map_or(&[][..], Vec::as_slice);
        match children {
            [] if forest.is_dummy(root) => {}
            [only] if forest.is_dummy(root) => forest.roots.push(*only),
            _ => forest.roots.push(root),
        }
    }
}

/// REFS: the thread with the latest arrival comes last (draft-ietf-morg-inthread §4).
fn by_latest(forest: &mut Forest, messages: &[Message]) {
    let mut latest: Vec<Option<(i64, u32)>> = vec![None; forest.messages.len()];
    for node in forest.downwards().into_iter().rev() {
        let own = forest.messages.get(node).copied().flatten().and_then(|message| messages.get(message));
        let own = own.map(|message| (message.arrived, message.name));
        let children = forest.children.get(node).map_or(&[][..], Vec::as_slice);
        let below = children.iter().filter_map(|child| latest.get(*child).copied().flatten()).max();
        if let Some(slot) = latest.get_mut(node) {
            *slot = own.max(below);
        }
    }
    forest.roots.sort_by_key(|root| latest.get(*root).copied().flatten());
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;
    use crate::mail::imap::search::columns::Names;

    /// Message-ID, References, In-Reply-To, base subject, whether it is a reply.
    type Sent<'a> = (&'a str, &'a str, &'a str, &'a str, bool);

    fn threads(sent: &[Sent<'_>], by_subject: bool) -> String {
        let (mut names, mut subjects) = (Names::default(), vec![""]);
        let (mut messages, mut named) = (Vec::new(), Named::default());
        for (at, (id, references, in_reply_to, subject, is_reply)) in (1..).zip(sent) {
            let known = subjects.iter().position(|known| known == subject);
            let id = names.first(id.as_bytes());
            let start = named.references.len();
            names.references(references.as_bytes(), Some(in_reply_to.as_bytes()), &mut named.references);
            messages.push(Message {
                name: at,
                sent: at.into(),
                arrived: at.into(),
                subject: known.unwrap_or(subjects.len()) as u32,
                is_reply: *is_reply,
                id,
                references: start..named.references.len(),
            });
            if known.is_none() {
                subjects.push(subject);
            }
        }
        named.count = names.len() as u32;
        let answer = write::answer(&threaded(&messages, &named, by_subject), &messages);
        String::from_utf8(answer).unwrap().trim_start_matches("* THREAD").trim().to_owned()
    }

    #[test]
    fn references_make_trees() {
        let sent = [
            ("<1@x>", "", "", "a", false),
            ("<2@x>", "<1@x>", "", "b", true),
            ("<3@x>", "<1@x> <\"2\"@x>", "", "c", true),
            ("<4@x>", "", "see <1@x> <9@x>", "d", true),
            ("", "<gone@x>", "", "e", false),
            ("<6@x>", "<gone@x>", "", "f", false),
            ("<1@x>", "", "", "g", false),
        ];
        assert_eq!(threads(&sent, false), "(1 (2 3)(4))((5)(6))(7)");
    }

    #[test]
    fn subjects_bring_threads_together() {
        let sent = [
            ("<1@x>", "", "", "S", true),
            ("<2@x>", "", "", "S", false),
            ("<3@x>", "", "", "S", true),
            ("<4@x>", "", "", "S", false),
            ("<5@x>", "", "", "", false),
            ("<6@x>", "", "", "", false),
        ];
        // 2 is the first that is no reply; 4 is none either, so both get a dummy above them.
        assert_eq!(threads(&sent, true), "((2 (1)(3))(4))(5)(6)");
        assert_eq!(threads(&sent, false), "(1)(2)(3)(4)(5)(6)");
    }

    #[test]
    fn loops_and_depth_do_no_harm() {
        let ring = [
            ("<1@x>", "<3@x>", "", "a", false),
            ("<2@x>", "<1@x>", "", "b", false),
            ("<3@x>", "<2@x>", "", "c", false),
        ];
        assert_eq!(threads(&ring, true).matches(|c: char| c.is_ascii_digit()).count(), 3);
        assert_eq!(threads(&[("<1@x>", "<1@x>", "", "a", false)], true), "(1)");
        let deep: Vec<(String, String)> =
            (0..20_000).rev().map(|n| (format!("<{n}@x>"), format!("<{}@x>", n - 1))).collect();
        let sent: Vec<Sent<'_>> = deep.iter().map(|(id, parent)| (&**id, &**parent, "", "", false)).collect();
        assert_eq!(threads(&sent, true).split(' ').count(), 20_000);
    }

    #[test]
    fn dummies_are_pruned() {
        let sent = [
            ("<1@x>", "<a@x> <b@x> <c@x>", "", "", false),
            ("<2@x>", "<a@x> <b@x> <d@x>", "", "", false),
            ("<3@x>", "<a@x> <b@x> <d@x>", "", "", false),
        ];
        assert_eq!(threads(&sent, false), "((1)(2)(3))");
    }
}
