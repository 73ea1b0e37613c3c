//! Trees on the wire (RFC 5256 §4 THREAD response).
//!
//! Invariant: no recursion; parentheses close as they opened.

use super::Message;
use super::forest::{Forest, Node};

/// What is still to be written.
enum Todo {
    /// A thread in its own parentheses.
    Thread(Node),
    /// `)`
    Close,
}

/// `* THREAD (2)(3 6 (4 23)(44 7 96))` with its line end.
pub(super) fn answer(forest: &Forest, messages: &[Message]) -> Vec<u8> {
    let mut out = b"* THREAD".to_vec();
    let mut todo: Vec<Todo> = forest.roots.iter().rev().map(|root| Todo::Thread(*root)).collect();
    if !todo.is_empty() {
        out.push(b' ');
    }
    while let Some(next) = todo.pop() {
        match next {
            Todo::Close => out.push(b')'),
            Todo::Thread(node) => {
                out.push(b'(');
                todo.push(Todo::Close);
                thread(forest, messages, node, &mut out, &mut todo);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes a node and its only children's line; several children are left for later.
fn thread(forest: &Forest, messages: &[Message], node: Node, out: &mut Vec<u8>, todo: &mut Vec<Todo>) {
    let mut node = node;
    let mut first = true;
    loop {
        let message = forest.messages.get(node).copied().flatten().and_then(|message| messages.get(message));
        if let Some(message) = message {
            if !std::mem::take(&mut first) {
                out.push(b' ');
            }
            crate::mail::imap::encode::number(out, message.name.into());
        }
        match forest.children.get(node).map_or(&[][..], Vec::as_slice) {
            [] => return,
            [only] => node = *only,
            several => {
                if !first {
                    out.push(b' ');
                }
                todo.extend(several.iter().rev().map(|child| Todo::Thread(*child)));
                return;
            }
        }
    }
}
