//! MIME summaries: the same however the message was split, ready for the wire whatever it holds,
//! and every part lies inside the message. The first octet chooses the split.
#![no_main]

use facteur::mime::{Summarizer, SummaryView};
use libfuzzer_sys::fuzz_target;

fn summary(octets: &[u8], piece: usize) -> bytes::Bytes {
    let mut summarizer = Summarizer::default();
    for piece in octets.chunks(piece) {
        summarizer.push(piece);
    }
    summarizer.finish()
}

/// Whether octets are parenthesised IMAP data that no client can lose its place in
/// (RFC 9051 §9): balanced, quoted strings without CR, LF or NUL, literals of the length they say.
fn is_one_list(octets: &[u8]) -> bool {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(octet) = octets.get(at) {
        match octet {
            b'(' => depth += 1,
            b')' if depth == 0 => return false,
            b')' => depth -= 1,
            b'"' => match quoted(&octets[at + 1..]) {
                Some(length) => at += length,
                None => return false,
            },
            b'{' => match literal(&octets[at + 1..]) {
                Some(length) => at += length,
                None => return false,
            },
            b' ' | b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => {}
            _ => return false,
        }
        at += 1;
        if depth == 0 && at < octets.len() {
            return false;
        }
    }
    depth == 0 && !octets.is_empty()
}

/// Octets up to and with the closing quote.
fn quoted(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match rest.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if matches!(rest.get(at + 1), Some(b'"' | b'\\')) => at += 2,
            b'\r' | b'\n' | 0 | b'\\' => return None,
            _ => at += 1,
        }
    }
}

/// Octets up to the literal's end.
fn literal(rest: &[u8]) -> Option<usize> {
    let digits = rest.iter().position(|octet| *octet == b'}')?;
    let size: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let start = digits + 3;
    (rest.get(digits + 1..start)? == b"\r\n" && !rest.get(start..start + size)?.contains(&0)).then_some(start + size)
}

fuzz_target!(|octets: &[u8]| {
    let Some((choice, octets)) = octets.split_first() else { return };
    let whole = summary(octets, octets.len().max(1));
    assert_eq!(whole, summary(octets, usize::from(*choice) % 61 + 1));
    let view = SummaryView::new(&whole).expect("a summary that was just made opens");
    for list in [view.envelope(), view.body(), view.body_structure()] {
        assert!(is_one_list(list), "{}", String::from_utf8_lossy(list));
    }
    assert!(view.header_len() <= octets.len() as u64);
    for path in [&[1][..], &[2], &[1, 1], &[1, 2], &[2, 1, 1]] {
        if let Some(part) = view.part(path) {
            assert!(part.header.end <= octets.len() as u64 && part.body.end <= octets.len() as u64);
        }
    }
});
