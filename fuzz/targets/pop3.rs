//! POP3's wire: no panic on any line, and answers that hold no bare line end and end once,
//! however the message was split. The first octet chooses the split and the lines of TOP.
#![no_main]

use bytes::BytesMut;
use facteur::mail::pop3::command;
use facteur::mail::pop3::stuffing::Stuffing;
use libfuzzer_sys::fuzz_target;

fn answer(mut stuffing: Stuffing, octets: &[u8], piece: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in octets.chunks(piece) {
        stuffing.push(piece, &mut out);
    }
    stuffing.finish(&mut out);
    out
}

fuzz_target!(|octets: &[u8]| {
    let Some((choice, octets)) = octets.split_first() else { return };
    let mut input = BytesMut::from(octets);
    while let Ok(Some(line)) = command::take_line(&mut input) {
        let _ = command::parse(&line);
    }
    let (whole, piece) = (octets.len().max(1), usize::from(*choice) % 23 + 1);
    let sent = answer(Stuffing::whole(), octets, whole);
    assert_eq!(sent, answer(Stuffing::whole(), octets, piece));
    let lines: Vec<&[u8]> = sent.split(|octet| *octet == b'\n').collect();
    assert!(lines.iter().rev().skip(1).all(|line| line.iter().position(|o| *o == b'\r') == line.len().checked_sub(1)));
    assert_eq!(lines.iter().filter(|line| **line == b".\r").count(), 1);
    let top = u64::from(*choice >> 4);
    assert_eq!(answer(Stuffing::top(top), octets, whole), answer(Stuffing::top(top), octets, piece));
});
