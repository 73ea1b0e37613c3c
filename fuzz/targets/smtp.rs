//! SMTP's wire: no panic on any line, the same commands however the input was split, and a message
//! that ends where RFC 5321 §4.5.2 ends it and nowhere else. The first octet chooses the split.
#![no_main]

use bytes::BytesMut;
use facteur::mail::smtp::command::{Command, parse};
use facteur::mail::smtp::content::Content;
use facteur::mail::smtp::wire::{DotReader, Line, LineReader};
use libfuzzer_sys::fuzz_target;

/// Lines as they are answered; after DATA the message follows, as if it had been let in.
fn conversation(octets: &[u8], piece: usize) -> Vec<String> {
    let (mut lines, mut input, mut said) = (LineReader::default(), BytesMut::new(), Vec::new());
    let mut message: Option<(DotReader, Vec<u8>)> = None;
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            if let Some((reader, content)) = &mut message {
                if !reader.read(&mut input, content) {
                    break;
                }
                said.push(judged(content));
                message = None;
            }
            match lines.take(&mut input) {
                None => break,
                Some(Line::Complete(line)) => {
                    let command = parse(&line);
                    said.push(format!("{command:?}"));
                    if command == Ok(Command::Data) {
                        message = Some((DotReader::new(), Vec::new()));
                    }
                }
                Some(Line::Malformed) => said.push("malformed".to_owned()),
                Some(Line::Endless) => return said,
            }
        }
    }
    said
}

/// A message and whether it is let in; which of two faults is told first may depend on the split.
fn judged(content: &[u8]) -> String {
    let check = |piece: usize| {
        let mut watch = Content::default();
        let taken = content.chunks(piece).try_for_each(|piece| watch.take(piece).map(|_| ()));
        taken.and_then(|()| watch.finish()).is_ok()
    };
    let let_in = check(content.len().max(1));
    assert_eq!(let_in, check(7));
    let clean = !content.contains(&0) && {
        let bare = |at: usize| match content[at] {
            b'\r' => content.get(at + 1) != Some(&b'\n'),
            b'\n' => at == 0 || content[at - 1] != b'\r',
            _ => false,
        };
        !(0..content.len()).any(bare)
    };
    assert!(clean || !let_in, "a bare CR, LF or NUL was let in: {content:?}");
    format!("{content:?} {let_in}")
}

/// The message that DATA holds, found the slow way.
fn expected(octets: &[u8]) -> Option<Vec<u8>> {
    let mut whole = b"\r\n".to_vec();
    whole.extend_from_slice(octets);
    let end = whole.windows(5).position(|five| five == b"\r\n.\r\n")?;
    let mut content = Vec::new();
    let mut at = 2;
    while at < end + 2 {
        let stuffed = whole[at] == b'.' && whole[..at].ends_with(b"\r\n");
        if !stuffed {
            content.push(whole[at]);
        }
        at += 1;
    }
    Some(content)
}

fuzz_target!(|octets: &[u8]| {
    let Some((choice, octets)) = octets.split_first() else { return };
    let piece = usize::from(*choice) % 29 + 1;
    assert_eq!(conversation(octets, octets.len().max(1)), conversation(octets, piece));

    let (mut reader, mut content, mut input, mut ended) = (DotReader::new(), Vec::new(), BytesMut::new(), false);
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        ended = reader.read(&mut input, &mut content);
        if ended {
            break;
        }
    }
    match expected(octets) {
        Some(expected) => assert!(ended && content == expected),
        None => assert!(!ended),
    }
});
