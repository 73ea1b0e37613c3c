//! Where commands begin and end: lines, literals, and the messages of APPEND that are not held here.
//!
//! A command is collected with the octets of its literals and parsed whole; only message literals
//! stay in the input for the session to stream. Invariant: every octet is looked at once, and a
//! client cannot make the wire hold more than the bounds allow.

use super::parse;
use super::{AppendMessage, AppendStep, Step};
use crate::model::bounds;
use bytes::{Buf, BytesMut};

const TOO_LONG: &str = "The command line is too long";
const UNASKED: &str = "A literal that was not asked for is too large";

/// Takes commands out of a connection's input.
#[derive(Debug, Default)]
pub struct Wire {
    /// The command so far: lines and literals as they came.
    command: Vec<u8>,
    /// Where the line that is being read begins in `command`.
    line_start: usize,
    line_octets: usize,
    literal_octets: u64,
    literals: usize,
    signed_in: bool,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Reading a line of a command.
    #[default]
    Line,
    /// Reading the rest of a literal.
    Literal(u64),
    /// Passing over an overlong line: octets passed, its tag, its end so far.
    Overlong {
        passed: usize,
        tag: Option<String>,
        tail: Vec<u8>,
    },
    /// A message literal was announced; the session decides.
    Message {
        octets: u64,
        synchronising: bool,
        utf8: bool,
        count: usize,
    },
    /// The line after a message.
    AfterMessage {
        utf8: bool,
        count: usize,
    },
    /// Passing over the octets of a refused message, then over the line after it.
    Skip(u64),
    AfterSkipped,
}

/// A literal as announced at the end of a line.
#[derive(Debug, Clone, Copy)]
struct Literal {
    octets: u64,
    synchronising: bool,
}

impl Wire {
    /// A wire for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the bounds for clients that have signed in hold, and APPEND is streamed.
    pub fn signed_in(&mut self) {
        self.signed_in = true;
    }

    /// True when nothing of a command has come that is not answered yet.
    pub fn is_between_commands(&self) -> bool {
        self.command.is_empty() && matches!(self.state, State::Line)
    }

    /// The next step; continuations for literals go to `out`. Call it until it says [`Step::More`].
    pub fn next(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Step {
        loop {
            let step = match std::mem::take(&mut self.state) {
                State::Line => self.take_line(input, out),
                State::Literal(octets) => self.take_literal(octets, input),
                State::Overlong { passed, tag, tail } => self.pass_line(passed, tag, tail, input),
                State::Skip(octets) => self.skip(octets, input),
                State::AfterSkipped => self.after_skipped(input),
                // The session left an APPEND without a word: the rest of it means nothing.
                State::Message { .. } | State::AfterMessage { .. } => Some(Step::Close("The message was not taken")),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The next line outside the command grammar: a SASL response, or DONE of IDLE.
    ///
    /// # Errors
    /// The line is too long; the conversation should end.
    pub fn next_line(&mut self, input: &mut BytesMut) -> Result<Option<Vec<u8>>, &'static str> {
        let ended = self.take_until_newline(input);
        if self.line_octets > self.line_bound() {
            return Err("The line is too long");
        }
        if !ended {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.command);
        self.reset();
        line.truncate(trim_newline(&line).len());
        Ok(Some(line))
    }

    /// What follows a message whose octets the session has taken out of the input.
    pub fn next_message(&mut self, input: &mut BytesMut) -> AppendStep {
        let (utf8, count) = match self.state {
            State::Message { utf8, count, .. } | State::AfterMessage { utf8, count } => (utf8, count),
            _ => return AppendStep::End,
        };
        self.state = State::AfterMessage { utf8, count };
        let ended = self.take_until_newline(input);
        if self.line_octets > self.line_bound() {
            return AppendStep::Close(TOO_LONG);
        }
        if !ended {
            return AppendStep::More;
        }
        let line = std::mem::take(&mut self.command);
        self.reset();
        let line = trim_newline(&line);
        let literal = announced_literal(line);
        match parse::append_next(line, utf8, literal.map(|l| (l.octets, l.synchronising))) {
            Ok(None) => AppendStep::End,
            Ok(Some(_)) if count >= bounds::IMAP_MULTIAPPEND => AppendStep::Close("Too many messages in one command"),
            Ok(Some(message)) => {
                self.announce(&message, count + 1);
                AppendStep::Message(message)
            }
            // What an unasked literal holds must never be read as commands.
            Err(text) if literal.is_some_and(|l| !l.synchronising) => AppendStep::Close(text),
            Err(text) => AppendStep::Bad(text),
        }
    }

    /// The session wants no more of an APPEND and answers it. What the client sends of it all the
    /// same (RFC 7888 §4) is passed over.
    pub fn refuse_append(&mut self) {
        self.state = match self.state {
            State::Message { octets, synchronising: false, .. } => State::Skip(octets),
            State::AfterMessage { .. } => State::AfterSkipped,
            // RFC 9051 §4.3: without our continuation a synchronising literal is not sent.
            _ => State::Line,
        };
    }

    /// The session has taken a message's octets and refuses the command after all.
    pub fn refuse_after_message(&mut self) {
        if matches!(self.state, State::Message { .. } | State::AfterMessage { .. }) {
            self.state = State::AfterSkipped;
        }
    }

    fn line_bound(&self) -> usize {
        if self.signed_in { bounds::IMAP_LINE_OCTETS } else { bounds::IMAP_LINE_BEFORE_LOGIN_OCTETS }
    }

    fn nesting_bound(&self) -> usize {
        if self.signed_in { bounds::IMAP_NESTING } else { bounds::IMAP_NESTING_BEFORE_LOGIN }
    }

    /// Moves octets up to and with the newline; true when it came.
    fn take_until_newline(&mut self, input: &mut BytesMut) -> bool {
        // One octet past the bound is enough to know.
        let room = (self.line_bound() + 1).saturating_sub(self.line_octets).min(input.len());
        let window = input.get(..room).unwrap_or_default();
        let taken = input.split_to(memchr::memchr(b'\n', window).map_or(room, |at| at + 1));
        self.line_octets += taken.len();
        self.command.extend_from_slice(&taken);
        taken.last() == Some(&b'\n')
    }

    fn take_line(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Option<Step> {
        let ended = self.take_until_newline(input);
        if self.line_octets > self.line_bound() {
            let (tag, tail) = (parse::tag_of(&self.command), last_octets(&self.command));
            self.reset();
            self.state = State::Overlong { passed: self.line_bound(), tag, tail };
            return ended.then_some(Step::Close(TOO_LONG));
        }
        if !ended {
            return Some(Step::More);
        }
        let line = self.command.get(self.line_start..).unwrap_or_default();
        match announced_literal(trim_newline(line)) {
            Some(literal) => self.announced(literal, out),
            None => Some(self.finish()),
        }
    }

    /// A line that ends by announcing a literal.
    fn announced(&mut self, literal: Literal, out: &mut Vec<u8>) -> Option<Step> {
        if self.signed_in
            && let Some(append) = parse::append_start(&self.command, literal.octets, literal.synchronising)
        {
            self.reset();
            self.announce(&append.message, 1);
            return Some(Step::Append(append));
        }
        self.literals += 1;
        self.literal_octets = self.literal_octets.saturating_add(literal.octets);
        let (one, all) = if self.signed_in {
            (bounds::IMAP_LITERAL_OCTETS, bounds::IMAP_LITERALS_OCTETS)
        } else {
            (bounds::IMAP_LITERALS_BEFORE_LOGIN_OCTETS, bounds::IMAP_LITERALS_BEFORE_LOGIN_OCTETS)
        };
        if literal.octets > one as u64 || self.literal_octets > all as u64 || self.literals > bounds::IMAP_LITERALS {
            let tag = parse::tag_of(&self.command);
            self.reset();
            // RFC 7888 §4: a literal that comes unasked can only be refused by closing.
            let refused = Step::Bad { tag, text: "[TOOBIG] The literal is too large" };
            return Some(if literal.synchronising { refused } else { Step::Close(UNASKED) });
        }
        if literal.synchronising {
            out.extend_from_slice(b"+ Go on\r\n");
        }
        self.state = State::Literal(literal.octets);
        None
    }

    fn take_literal(&mut self, octets: u64, input: &mut BytesMut) -> Option<Step> {
        let taken = input.split_to(input.len().min(usize::try_from(octets).unwrap_or(usize::MAX)));
        self.command.extend_from_slice(&taken);
        let left = octets.saturating_sub(taken.len() as u64);
        if left > 0 {
            self.state = State::Literal(left);
            return Some(Step::More);
        }
        self.line_start = self.command.len();
        None
    }

    /// The command is whole.
    fn finish(&mut self) -> Step {
        let command = std::mem::take(&mut self.command);
        self.reset();
        match parse::command(trim_newline(&command), self.nesting_bound()) {
            Ok(tagged) => Step::Command(tagged),
            Err(error) => Step::Bad { tag: error.tag, text: error.text },
        }
    }

    fn pass_line(
        &mut self,
        passed: usize,
        tag: Option<String>,
        mut tail: Vec<u8>,
        input: &mut BytesMut,
    ) -> Option<Step> {
        let newline = memchr::memchr(b'\n', input);
        let taken = input.split_to(newline.map_or(input.len(), |at| at + 1));
        let passed = passed.saturating_add(taken.len());
        tail.extend_from_slice(&last_octets(&taken));
        if newline.is_none() {
            if passed > self.line_bound() + bounds::OVERLONG_LINE_OCTETS {
                return Some(Step::Close(TOO_LONG));
            }
            self.state = State::Overlong { passed, tag, tail: last_octets(&tail) };
            return Some(Step::More);
        }
        // What an unasked literal holds must never be read as commands.
        match announced_literal(trim_newline(&tail)) {
            Some(literal) if !literal.synchronising => Some(Step::Close(UNASKED)),
            _ => Some(Step::Bad { tag, text: TOO_LONG }),
        }
    }

    fn announce(&mut self, message: &AppendMessage, count: usize) {
        let AppendMessage { octets, synchronising, utf8, .. } = *message;
        self.state = State::Message { octets, synchronising, utf8, count };
    }

    fn skip(&mut self, octets: u64, input: &mut BytesMut) -> Option<Step> {
        let passed = input.len().min(usize::try_from(octets).unwrap_or(usize::MAX));
        input.advance(passed);
        let left = octets.saturating_sub(passed as u64);
        self.state = if left > 0 { State::Skip(left) } else { State::AfterSkipped };
        (left > 0).then_some(Step::More)
    }

    fn after_skipped(&mut self, input: &mut BytesMut) -> Option<Step> {
        let ended = self.take_until_newline(input);
        if self.line_octets > self.line_bound() {
            return Some(Step::Close(TOO_LONG));
        }
        if !ended {
            self.state = State::AfterSkipped;
            return Some(Step::More);
        }
        let line = std::mem::take(&mut self.command);
        self.reset();
        if let Some(literal) = announced_literal(trim_newline(&line))
            && !literal.synchronising
        {
            self.state = State::Skip(literal.octets);
        }
        None
    }

    fn reset(&mut self) {
        self.command = Vec::new();
        (self.line_start, self.line_octets, self.literal_octets, self.literals) = (0, 0, 0, 0);
        self.state = State::Line;
    }
}

/// The literal that a line announces at its end: `{n}` or `{n+}` (RFC 9051 §4.3, RFC 7888),
/// also inside the bracket of `UTF8 (~{n}`.
fn announced_literal(line: &[u8]) -> Option<Literal> {
    let inside = line.strip_suffix(b"}")?;
    let (digits, synchronising) = inside.strip_suffix(b"+").map_or((inside, true), |digits| (digits, false));
    let open = digits.iter().rposition(|octet| !octet.is_ascii_digit())?;
    let (before, digits) = digits.split_at(open + 1);
    if digits.is_empty() || before.last() != Some(&b'{') {
        return None;
    }
    // A number past u64 is past every bound as well.
    let octets = digits.iter().fold(0u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Literal { octets, synchronising })
}

/// Enough of the end to see the announcement of a literal.
fn last_octets(octets: &[u8]) -> Vec<u8> {
    octets.get(octets.len().saturating_sub(64)..).unwrap_or_default().to_vec()
}

/// The line without CRLF or a bare LF.
fn trim_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
