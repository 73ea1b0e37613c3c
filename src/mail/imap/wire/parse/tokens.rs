//! The words of the grammar: atoms, strings, numbers, sets, flags (RFC 9051 §9).
//!
//! Invariant: the cursor only moves forward, and never past the end.

use super::Result;
use crate::mail::imap::command::{FlagList, MailboxName, SeqNumber, SequenceSet};
use crate::model::{Flags, bounds};
use jiff::civil::Date;

/// A place in a command.
pub(super) struct Cursor<'a> {
    octets: &'a [u8],
    /// How deep it may still nest.
    pub(super) depth: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(octets: &'a [u8], depth: usize) -> Self {
        Self { octets, depth }
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.octets)
    }

    pub(super) fn remaining(&self) -> &'a [u8] {
        self.octets
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.octets.first().copied()
    }

    pub(super) fn skip(&mut self) {
        self.octets = self.octets.get(1..).unwrap_or_default();
    }

    /// Takes this octet if it comes next.
    pub(super) fn take(&mut self, octet: u8) -> bool {
        let there = self.peek() == Some(octet);
        if there {
            self.skip();
        }
        there
    }

    /// Takes this text, compared without case, if it comes next.
    pub(super) fn take_text(&mut self, text: &str) -> bool {
        let there = self.octets.get(..text.len()).is_some_and(|next| next.eq_ignore_ascii_case(text.as_bytes()));
        if there {
            self.advance(text.len());
        }
        there
    }

    /// Takes this word if it comes next and no atom goes on after it.
    pub(super) fn take_keyword(&mut self, word: &str) -> bool {
        let ends = self.octets.get(word.len()).is_none_or(|octet| !is_atom_char(*octet));
        ends && self.take_text(word)
    }

    pub(super) fn space(&mut self) -> Result<()> {
        if !self.take(b' ') {
            return Err("A space is missing");
        }
        // One space is the grammar; clients that send more are understood.
        while self.take(b' ') {}
        Ok(())
    }

    pub(super) fn open(&mut self) -> Result<()> {
        if self.take(b'(') { Ok(()) } else { Err("( is missing") }
    }

    pub(super) fn close(&mut self) -> Result<()> {
        if self.take(b')') { Ok(()) } else { Err(") is missing") }
    }

    /// Inside a list: a space and a further member, or the end.
    pub(super) fn more_in_list(&mut self) -> Result<bool> {
        if self.take(b')') {
            return Ok(false);
        }
        self.space()?;
        Ok(true)
    }

    pub(super) fn end(&mut self) -> Result<()> {
        // A space before the line's end is seen from clients, and means nothing.
        while self.take(b' ') {}
        if self.octets.is_empty() { Ok(()) } else { Err("There is more than the command needs") }
    }

    fn advance(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.octets.split_at_checked(count).unwrap_or((self.octets, &[]));
        self.octets = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.octets.iter().position(|octet| !wanted(*octet)).unwrap_or(self.octets.len());
        self.advance(count)
    }

    /// RFC 9051 §9 tag.
    pub(super) fn tag(&mut self) -> Result<String> {
        let tag = self.take_while(|octet| is_astring_char(octet) && octet != b'+');
        if tag.is_empty() || tag.len() > 256 {
            return Err("A command begins with a tag");
        }
        ascii(tag)
    }

    /// An atom in upper case.
    pub(super) fn word(&mut self) -> Result<String> {
        let word = self.take_while(|octet| is_atom_char(octet) && octet != b'[');
        if word.is_empty() {
            return Err("A word is missing");
        }
        ascii(&word.to_ascii_uppercase())
    }

    /// RFC 9051 §9 astring.
    pub(super) fn astring(&mut self) -> Result<Vec<u8>> {
        self.string_or(is_astring_char)
    }

    /// RFC 9051 §9 list-mailbox.
    pub(super) fn pattern(&mut self) -> Result<MailboxName> {
        let raw = self.string_or(|octet| is_astring_char(octet) || matches!(octet, b'%' | b'*'))?;
        Ok(MailboxName { raw })
    }

    pub(super) fn mailbox(&mut self) -> Result<MailboxName> {
        // Unquoted UTF-8 is not in the grammar but is sent.
        let raw = self.string_or(|octet| is_astring_char(octet) || octet >= 0x80)?;
        Ok(MailboxName { raw })
    }

    /// An astring as text.
    pub(super) fn text(&mut self) -> Result<String> {
        String::from_utf8(self.astring()?).map_err(|_| "That is not UTF-8")
    }

    fn string_or(&mut self, bare: impl Fn(u8) -> bool) -> Result<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => {
                let atom = self.take_while(bare);
                if atom.is_empty() { Err("A string is missing") } else { Ok(atom.to_vec()) }
            }
        }
    }

    /// RFC 9051 §9 quoted; 8-bit text in it is taken before UTF-8 is enabled, too.
    fn quoted(&mut self) -> Result<Vec<u8>> {
        self.skip();
        let mut text = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.skip();
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.skip();
                    match self.peek() {
                        Some(octet @ (b'"' | b'\\')) => text.push(octet),
                        _ => return Err("A quoted string is malformed"),
                    }
                }
                None | Some(b'\r' | b'\n' | 0) => return Err("A quoted string is malformed"),
                Some(octet) => text.push(octet),
            }
            self.skip();
        }
    }

    /// RFC 5464 §5 value: nstring, or a literal8, which may hold NUL.
    pub(super) fn nstring8(&mut self) -> Result<Option<Vec<u8>>> {
        match self.peek() {
            Some(b'"') => self.quoted().map(Some),
            Some(b'{') => self.literal().map(Some),
            Some(b'~') => {
                self.skip();
                if self.peek() == Some(b'{') { self.literal_octets().map(Some) } else { Err("A literal is malformed") }
            }
            _ if self.take_keyword("NIL") => Ok(None),
            _ => Err("A string is missing"),
        }
    }

    /// RFC 4469 §6 text-literal, or a literal8, which may hold NUL.
    pub(super) fn any_literal(&mut self) -> Result<Vec<u8>> {
        let binary = self.take(b'~');
        match self.peek() {
            Some(b'{') if binary => self.literal_octets(),
            Some(b'{') => self.literal(),
            _ => Err("A literal is missing"),
        }
    }

    /// A literal whose octets the wire has put behind its announcement.
    fn literal(&mut self) -> Result<Vec<u8>> {
        let literal = self.literal_octets()?;
        // RFC 9051 §9: literals are CHAR8, which excludes NUL.
        if literal.contains(&0) { Err("NUL cannot be part of a string") } else { Ok(literal) }
    }

    /// A literal's octets, whatever they are.
    fn literal_octets(&mut self) -> Result<Vec<u8>> {
        self.skip();
        let octets = usize::try_from(self.number()?).map_err(|_| "The literal is too large")?;
        self.take(b'+');
        if !self.take(b'}') {
            return Err("A literal is malformed");
        }
        self.take(b'\r');
        if !self.take(b'\n') || self.octets.len() < octets {
            return Err("A literal is malformed");
        }
        Ok(self.advance(octets).to_vec())
    }

    /// RFC 9051 §9 number64.
    pub(super) fn number(&mut self) -> Result<u64> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let number: u64 = text.parse().map_err(|_| "A number is missing or too large")?;
        // RFC 9051 §9: numbers end at 2^63 - 1.
        if number > i64::MAX.unsigned_abs() { Err("A number is too large") } else { Ok(number) }
    }

    pub(super) fn number32(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| "A number is too large")
    }

    /// RFC 9051 §9 nz-number.
    pub(super) fn positive(&mut self) -> Result<u32> {
        match self.number32()? {
            0 => Err("0 is no number of a message or part"),
            number => Ok(number),
        }
    }

    /// RFC 9051 §9 sequence-set.
    pub(super) fn sequence_set(&mut self) -> Result<SequenceSet> {
        if self.take(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let first = self.sequence_number()?;
            let last = if self.take(b':') { self.sequence_number()? } else { first };
            ranges.push((first, last));
            if !self.take(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    fn sequence_number(&mut self) -> Result<SeqNumber> {
        if self.take(b'*') { Ok(SeqNumber::Largest) } else { self.positive().map(SeqNumber::Number) }
    }

    /// RFC 9051 §9 flag-list; STORE also knows flags without parentheses.
    pub(super) fn flags(&mut self) -> Result<FlagList> {
        let mut list = FlagList::default();
        let mut seen = std::collections::HashSet::new();
        let bracketed = self.take(b'(');
        if bracketed && self.take(b')') {
            return Ok(list);
        }
        loop {
            self.flag(&mut list, &mut seen)?;
            let more = if bracketed { self.more_in_list()? } else { self.take(b' ') };
            if !more {
                return Ok(list);
            }
        }
    }

    fn flag(&mut self, list: &mut FlagList, seen: &mut std::collections::HashSet<String>) -> Result<()> {
        if self.take(b'\\') {
            let name = self.word()?;
            let system =
                Flags::SYSTEM.iter().find(|(_, known)| known.trim_start_matches('\\').eq_ignore_ascii_case(&name));
            match system {
                Some((flag, _)) => list.system = list.system.union(*flag),
                None if name == "RECENT" => {}
                None => return Err("There is no such system flag"),
            }
            return Ok(());
        }
        let keyword = self.keyword()?;
        if seen.insert(keyword.to_ascii_lowercase()) {
            list.keywords.push(keyword);
        }
        Ok(())
    }

    /// RFC 9051 §9 flag-keyword.
    pub(super) fn keyword(&mut self) -> Result<String> {
        let keyword = self.take_while(|octet| is_atom_char(octet) || octet == b']');
        match keyword.len() {
            0 => Err("A flag is missing"),
            1..=bounds::KEYWORD_OCTETS => ascii(keyword),
            _ => Err("The keyword is too long"),
        }
    }

    /// RFC 9051 §9 date-text, quoted or not: `1-Feb-1994`.
    pub(super) fn date(&mut self) -> Result<Date> {
        let quoted = self.take(b'"');
        let date = self.date_text()?;
        if quoted && !self.take(b'"') { Err("A date is malformed") } else { Ok(date) }
    }

    pub(super) fn date_text(&mut self) -> Result<Date> {
        let malformed = "A date is malformed";
        // RFC 9051 §9 date-day-fixed: a space stands for the first digit.
        self.take(b' ');
        let day = i8::try_from(self.number()?).map_err(|_| malformed)?;
        let dash = self.take(b'-');
        let name = self.take_while(|octet| octet.is_ascii_alphabetic());
        let month = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(name)).ok_or(malformed)?;
        if !dash || !self.take(b'-') {
            return Err(malformed);
        }
        let year = i16::try_from(self.number()?).map_err(|_| malformed)?;
        Date::new(year, i8::try_from(month + 1).map_err(|_| malformed)?, day).map_err(|_| malformed)
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn ascii(octets: &[u8]) -> Result<String> {
    String::from_utf8(octets.to_vec()).map_err(|_| "That is not ASCII")
}

/// RFC 9051 §9 ATOM-CHAR.
fn is_atom_char(octet: u8) -> bool {
    matches!(octet, 0x21..=0x7e) && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// RFC 9051 §9 ASTRING-CHAR.
fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}
