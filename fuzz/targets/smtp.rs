//! SMTP's wire: no panic, and the same lines and content however the input was split.
//! The first octet chooses the split and whether the octets are commands or a message.
#![no_main]

use bytes::BytesMut;
use facteur::mail::smtp::command;
use facteur::mail::smtp::content::Content;
use facteur::mail::smtp::wire::{DotReader, Line, LineReader};
use libfuzzer_sys::fuzz_target;

fn lines(octets: &[u8], piece: usize) -> Vec<String> {
    let (mut reader, mut input, mut seen) = (LineReader::default(), BytesMut::new(), Vec::new());
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        while let Some(line) = reader.take(&mut input) {
            match line {
                Line::Complete(line) => seen.push(format!("{:?}", command::parse(&line))),
                Line::Malformed => seen.push("malformed".to_owned()),
                Line::Endless => return seen,
            }
        }
    }
    seen
}

fn message(octets: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let (mut reader, mut input, mut out) = (DotReader::new(), BytesMut::new(), Vec::new());
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        if reader.read(&mut input, &mut out) {
            return (out, true);
        }
    }
    (out, false)
}

/// Whether the content is taken; which of two faults is told first may depend on the split.
fn is_taken(octets: &[u8], piece: usize) -> bool {
    let mut content = Content::default();
    octets.chunks(piece).all(|piece| content.take(piece).is_ok()) && content.finish().is_ok()
}

fuzz_target!(|octets: &[u8]| {
    let Some((choice, octets)) = octets.split_first() else { return };
    let (whole, piece) = (octets.len().max(1), usize::from(choice >> 1) % 23 + 1);
    if choice & 1 == 0 && octets.len() < 4096 {
        assert_eq!(lines(octets, whole), lines(octets, piece));
    } else {
        let (content, ended) = message(octets, whole);
        assert_eq!((content.clone(), ended), message(octets, piece));
        assert_eq!(is_taken(&content, whole), is_taken(&content, piece));
    }
});
