//! ENVELOPE, BODY and BODYSTRUCTURE as they stand on the wire (RFC 9051 §7.5.2).
//!
//! Invariant: what comes out is well-formed whatever the message holds.

use super::address::{Address, addresses};
use super::header::{Fields, Parameterized};
use super::scan::{Kind, Part};

/// ENVELOPE of a header.
pub(super) fn envelope(fields: &Fields<'_>) -> Vec<u8> {
    let list = |name: &str| fields.get(name).map(addresses).filter(|list| !list.is_empty());
    let from = list("from");
    let mut out = vec![b'('];
    nstring(&mut out, fields.get("date"));
    out.push(b' ');
    nstring(&mut out, fields.get("subject"));
    // RFC 9051 §7.5.2: Sender and Reply-To default to From.
    let (sender, reply_to) = (list("sender").or_else(|| from.clone()), list("reply-to").or_else(|| from.clone()));
    for list in [from, sender, reply_to, list("to"), list("cc"), list("bcc")] {
        out.push(b' ');
        address_list(&mut out, list.as_deref());
    }
    for name in ["in-reply-to", "message-id"] {
        out.push(b' ');
        nstring(&mut out, fields.get(name));
    }
    out.push(b')');
    out
}

fn address_list(out: &mut Vec<u8>, list: Option<&[Address]>) {
    let Some(list) = list else { return out.extend_from_slice(b"NIL") };
    out.push(b'(');
    for address in list {
        out.push(b'(');
        for (index, part) in [&address.name, &address.route, &address.mailbox, &address.host].into_iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            nstring(out, part.as_deref());
        }
        out.push(b')');
    }
    out.push(b')');
}

/// BODY, or with extension data BODYSTRUCTURE, of a part and those below it. Depth is bounded by the scan.
pub(super) fn structure(out: &mut Vec<u8>, parts: &[Part], index: usize, extended: bool) {
    let Some(part) = parts.get(index) else { return };
    out.push(b'(');
    match &part.kind {
        Kind::Multipart(children) => {
            if children.is_empty() {
                // RFC 9051 §9 body-type-mpart has at least one part: an empty text.
                out.extend_from_slice(b"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0)");
            }
            for child in children {
                structure(out, parts, *child, extended);
            }
            out.push(b' ');
            word(out, subtype(&part.content_type));
            if extended {
                out.push(b' ');
                parameters(out, &part.content_type);
                extension(out, part);
            }
        }
        Kind::Leaf | Kind::Message(_) => single(out, parts, part, extended),
    }
    out.push(b')');
}

fn single(out: &mut Vec<u8>, parts: &[Part], part: &Part, extended: bool) {
    let slash = memchr::memchr(b'/', &part.content_type.value).unwrap_or(part.content_type.value.len());
    let major = part.content_type.value.get(..slash).unwrap_or_default().trim_ascii();
    word(out, major);
    out.push(b' ');
    word(out, subtype(&part.content_type));
    out.push(b' ');
    parameters(out, &part.content_type);
    out.push(b' ');
    nstring(out, part.id.as_deref());
    out.push(b' ');
    nstring(out, part.description.as_deref());
    out.push(b' ');
    // RFC 2045 §6.1: 7BIT is the default.
    word(out, if part.encoding.is_empty() { b"7BIT" } else { &part.encoding });
    number(out, part.body.end - part.body.start);
    if let Kind::Message(inner) = part.kind {
        out.push(b' ');
        out.extend_from_slice(parts.get(inner).map_or(b"NIL", |inner| &inner.envelope));
        out.push(b' ');
        structure(out, parts, inner, extended);
        number(out, part.lines);
    } else if major.eq_ignore_ascii_case(b"text") {
        number(out, part.lines);
    }
    if extended {
        out.push(b' ');
        nstring(out, part.md5.as_deref());
        extension(out, part);
    }
}

/// Disposition, language, location.
fn extension(out: &mut Vec<u8>, part: &Part) {
    match &part.disposition {
        Some(disposition) => {
            out.extend_from_slice(b" (");
            word(out, &disposition.value);
            out.push(b' ');
            parameters(out, disposition);
            out.push(b')');
        }
        None => out.extend_from_slice(b" NIL"),
    }
    out.push(b' ');
    nstring(out, part.language.as_deref());
    out.push(b' ');
    nstring(out, part.location.as_deref());
}

fn subtype(content_type: &Parameterized) -> &[u8] {
    let slash = memchr::memchr(b'/', &content_type.value);
    slash.and_then(|at| content_type.value.get(at + 1..)).unwrap_or_default().trim_ascii()
}

fn parameters(out: &mut Vec<u8>, field: &Parameterized) {
    if field.parameters.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for (index, (name, value)) in field.parameters.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        word(out, name);
        out.push(b' ');
        string(out, value);
    }
    out.push(b')');
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(format!(" {value}").as_bytes());
}

/// A word without case, in upper case as RFC 9051's examples have it.
fn word(out: &mut Vec<u8>, octets: &[u8]) {
    string(out, &octets.to_ascii_uppercase());
}

fn nstring(out: &mut Vec<u8>, octets: Option<&[u8]>) {
    match octets {
        Some(octets) => string(out, octets),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Quoted where that can be, else a literal.
fn string(out: &mut Vec<u8>, octets: &[u8]) {
    if octets.len() > 1024 || !octets.iter().all(|octet| matches!(octet, 0x20..=0x7e)) {
        out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
        // RFC 9051 §9 literal: no NUL.
        out.extend(octets.iter().map(|octet| if *octet == 0 { b'?' } else { *octet }));
        return;
    }
    out.push(b'"');
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}
