//! The header fields that only one recipient's copy bears.
//!
//! They stand before the shared body. Invariant: CRLF-terminated, no other field.

use crate::model::{EmailAddress, ReversePath};
use bytes::Bytes;

/// `Return-Path` (RFC 5321 §4.4: added at final delivery) and `Delivered-To` (RFC 9228 §2).
pub fn of(sender: Option<&ReversePath>, mailbox: &EmailAddress) -> Bytes {
    let sender = sender.map(ToString::to_string).unwrap_or_default();
    Bytes::from(format!("Return-Path: <{sender}>\r\nDelivered-To: {mailbox}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fields_are_there() {
        let (a, b) = ("a@example.org".parse().unwrap(), "b@example.org".parse().unwrap());
        let verp: ReversePath = "\"odd one\"@example.org".parse().unwrap();
        assert!(of(Some(&verp), &b).starts_with(b"Return-Path: <\"odd one\"@example.org>\r\n"));
        assert_eq!(&of(Some(&a), &b)[..], b"Return-Path: <a@example.org>\r\nDelivered-To: b@example.org\r\n");
        assert_eq!(&of(None, &b)[..], b"Return-Path: <>\r\nDelivered-To: b@example.org\r\n");
    }
}
