//! Trees of messages and of dummies, messages that are referred to but are not there (RFC 5256 §3).
//!
//! Nodes are numbers; walks use lists of nodes, never the stack. Invariant: a node has one
//! parent at most and is never its own ancestor.

use super::Message;

/// A node's number.
pub(super) type Node = usize;

/// Trees.
#[derive(Debug, Default)]
pub(super) struct Forest {
    /// Each node's message; `None` for a dummy.
    pub(super) messages: Vec<Option<usize>>,
    /// Each node's children.
    pub(super) children: Vec<Vec<Node>>,
    /// The trees, in their order.
    pub(super) roots: Vec<Node>,
}

impl Forest {
    /// A node more.
    pub(super) fn add(&mut self, message: Option<usize>) -> Node {
        self.messages.push(message);
        self.children.push(Vec::new());
        self.messages.len() - 1
    }

    /// Every node that a root leads to, parents before their children.
    pub(super) fn downwards(&self) -> Vec<Node> {
        let mut order = self.roots.clone();
        let mut next = 0;
        while let Some(node) = order.get(next) {
            order.extend_from_slice(self.children.get(*node).map_or(&[], Vec::as_slice));
            next += 1;
        }
        order
    }

    pub(super) fn is_dummy(&self, node: Node) -> bool {
        self.messages.get(node).copied().flatten().is_none()
    }

    pub(super) fn take_children(&mut self, node: Node) -> Vec<Node> {
        self.children.get_mut(node).map(std::mem::take).unwrap_or_default()
    }

    /// Gives a node further children; the longer list is the one that stays where it is.
    pub(super) fn adopt(&mut self, node: Node, mut more: Vec<Node>) {
        if let Some(own) = self.children.get_mut(node) {
            if own.len() < more.len() {
                std::mem::swap(own, &mut more);
            }
            own.append(&mut more);
        }
    }

    /// The message that stands for a node: its own, or its first child's.
    pub(super) fn face<'a>(&self, node: Node, messages: &'a [Message]) -> Option<&'a Message> {
        let own = self.messages.get(node).copied().flatten();
        let first = || self.messages.get(*self.children.get(node)?.first()?).copied().flatten();
        messages.get(own.or_else(first)?)
    }

    /// Sorts nodes by sent date; the order of the numbers decides between equal ones (RFC 5256 §3).
    pub(super) fn sort_by_date(&self, nodes: &mut [Node], messages: &[Message]) {
        nodes.sort_by_cached_key(|node| self.face(*node, messages).map(|face| (face.sent, face.name)));
    }

    /// Sorts every set of siblings by sent date, the youngest sets first.
    pub(super) fn sort_siblings(&mut self, messages: &[Message]) {
        for node in self.downwards().into_iter().rev() {
            let mut children = self.take_children(node);
            self.sort_by_date(&mut children, messages);
            if let Some(own) = self.children.get_mut(node) {
                *own = children;
            }
        }
    }
}
