//! IMAP's wire: no panic, and the same steps however the input was split.
//! The first octet chooses the split and whether the client has signed in.
#![no_main]

use bytes::{Buf, BytesMut};
use facteur::mail::imap::wire::{AppendStep, Step, Wire};
use libfuzzer_sys::fuzz_target;

/// Where the conversation stands.
enum At {
    Command,
    /// This many octets of a message are still to come.
    Message(u64),
    AfterMessage,
}

struct Client {
    wire: Wire,
    input: BytesMut,
    out: Vec<u8>,
    steps: Vec<String>,
    at: At,
}

impl Client {
    /// Goes as far as the input leads; false when the conversation is over.
    fn advance(&mut self) -> bool {
        loop {
            let more = match self.at {
                At::Command => self.command(),
                At::Message(octets) => self.message(octets),
                At::AfterMessage => self.after_message(),
            };
            if let Some(over) = more {
                return !over;
            }
        }
    }

    /// `Some(true)` ends the conversation, `Some(false)` waits for input.
    fn command(&mut self) -> Option<bool> {
        let step = self.wire.next(&mut self.input, &mut self.out);
        if step != Step::More {
            self.steps.push(format!("{step:?}"));
        }
        match step {
            Step::More => return Some(false),
            Step::Close(_) => return Some(true),
            Step::Append(append) if append.message.octets % 3 == 1 => self.wire.refuse_append(),
            Step::Append(append) => self.at = At::Message(append.message.octets),
            Step::Command(_) | Step::Bad { .. } => {}
        }
        None
    }

    fn message(&mut self, octets: u64) -> Option<bool> {
        let taken = self.input.len().min(usize::try_from(octets).unwrap_or(usize::MAX));
        self.input.advance(taken);
        let left = octets - taken as u64;
        self.at = if left > 0 { At::Message(left) } else { At::AfterMessage };
        (left > 0).then_some(false)
    }

    fn after_message(&mut self) -> Option<bool> {
        let step = self.wire.next_message(&mut self.input);
        if step != AppendStep::More {
            self.steps.push(format!("{step:?}"));
        }
        match step {
            AppendStep::More => return Some(false),
            AppendStep::Close(_) => return Some(true),
            AppendStep::Message(message) => self.at = At::Message(message.octets),
            AppendStep::End | AppendStep::Bad(_) => self.at = At::Command,
        }
        None
    }
}

fn steps(octets: &[u8], piece: usize, signed_in: bool) -> Vec<String> {
    let mut wire = Wire::new();
    if signed_in {
        wire.signed_in();
    }
    let mut client = Client { wire, input: BytesMut::new(), out: Vec::new(), steps: Vec::new(), at: At::Command };
    for piece in octets.chunks(piece) {
        client.input.extend_from_slice(piece);
        if !client.advance() {
            break;
        }
    }
    client.steps
}

fuzz_target!(|octets: &[u8]| {
    let Some((choice, octets)) = octets.split_first() else { return };
    let signed_in = choice & 1 == 1;
    let whole = steps(octets, octets.len().max(1), signed_in);
    let split = steps(octets, usize::from(choice >> 1) % 23 + 1, signed_in);
    assert_eq!(whole, split);
});
