//! The header fields that clients ask for when they list a folder: kept ready beside ENVELOPE.
//!
//! With them a FETCH of HEADER.FIELDS and a SEARCH by SUBJECT or FROM read no message. They stand as sent, folds and all.
//! Invariant: either all fields of these names are kept, or none.

use crate::model::bounds;

/// Their names, in lower case: what mail clients ask for in lists, and what IMAP's search keys name.
pub const KNOWN_FIELDS: [&[u8]; 21] = [
    b"from",
    b"to",
    b"cc",
    b"bcc",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"reply-to",
    b"sender",
    b"newsgroups",
    b"content-type",
    b"priority",
    b"x-priority",
    b"importance",
    b"list-id",
    b"list-post",
    b"x-spam-flag",
    b"return-path",
    b"delivered-to",
];

/// Whether a field of this name is kept.
pub fn is_known_field(name: &[u8]) -> bool {
    KNOWN_FIELDS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The known fields of a header block.
pub(super) fn known_fields(block: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    for field in super::fields(block) {
        if is_known_field(field.name) {
            kept.extend_from_slice(field.octets);
            if kept.len() > bounds::KNOWN_FIELDS_OCTETS {
                return None;
            }
        }
    }
    Some(kept)
}

/// As much of References as threading looks at: its end names the nearest ancestors.
pub(super) fn nearest(references: &[u8]) -> &[u8] {
    references.get(references.len().saturating_sub(bounds::REFERENCES_OCTETS)..).unwrap_or_default()
}
