//! POP3's wire: no panic on any line, the same commands however the input was split, and answers
//! that end only at their own terminator. The first octet chooses the split.
#![no_main]

use bytes::BytesMut;
use facteur::mail::pop3::command::{parse, take_line};
use facteur::mail::pop3::stuffing::Stuffing;
use libfuzzer_sys::fuzz_target;

fn commands(octets: &[u8], piece: usize) -> Vec<String> {
    let (mut input, mut said) = (BytesMut::new(), Vec::new());
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match take_line(&mut input) {
                Ok(Some(line)) => said.push(format!("{:?}", parse(&line))),
                Ok(None) => break,
                Err(_) => return said,
            }
        }
    }
    said
}

fn answer(octets: &[u8], piece: usize, lines: Option<u64>) -> Vec<u8> {
    let (mut stuffing, mut out) = (lines.map_or_else(Stuffing::whole, Stuffing::top), Vec::new());
    for piece in octets.chunks(piece) {
        stuffing.push(piece, &mut out);
    }
    stuffing.finish(&mut out);
    out
}

fuzz_target!(|octets: &[u8]| {
    let Some((choice, octets)) = octets.split_first() else { return };
    let piece = usize::from(*choice) % 31 + 1;
    assert_eq!(commands(octets, octets.len().max(1)), commands(octets, piece));
    for lines in [None, Some(0), Some(u64::from(*choice))] {
        let whole = answer(octets, octets.len().max(1), lines);
        assert_eq!(whole, answer(octets, piece, lines));
        // RFC 1939 §3: the terminator comes once, at the end, and every line ends in CR LF.
        let mut marked = b"\r\n".to_vec();
        marked.extend_from_slice(&whole);
        let end = marked.windows(5).position(|five| five == b"\r\n.\r\n");
        assert_eq!(end, Some(marked.len() - 5), "{whole:?}");
        assert!(marked.windows(2).all(|two| (two[0] == b'\r') == (two[1] == b'\n')), "{whole:?}");
    }
});
