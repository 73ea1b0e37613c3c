//! APPEND and REPLACE around their messages (RFC 9051 §6.3.12, RFC 3502, RFC 6855 §4, RFC 7888, RFC 8508).
//!
//! Invariant: the cursor is left behind what was read; what is unknown is refused, not passed over.

use super::Result;
use super::tokens::Cursor;
use crate::mail::imap::command::{FlagList, SequenceSet};
use crate::mail::imap::wire::{Append, AppendMessage, Replaced};
use jiff::civil::Time;

/// APPEND up to a message literal at the end of `line`; `None` when the literal is none.
pub(in super::super) fn append_start(line: &[u8], octets: u64, synchronising: bool) -> Option<Append> {
    let mut c = Cursor::new(line, 0);
    let tag = c.tag().ok()?;
    c.space().ok()?;
    let mut name = c.word().ok()?;
    c.space().ok()?;
    let uid = name == "UID";
    if uid {
        name = c.word().ok()?;
        c.space().ok()?;
    }
    let replaces = match name.as_str() {
        "APPEND" if !uid => None,
        "REPLACE" => Some(replaced(&mut c, uid)?),
        _ => return None,
    };
    let mailbox = c.mailbox().ok()?;
    c.space().ok()?;
    let message = message(&mut c, octets, synchronising).ok()?;
    Some(Append { tag, replaces, mailbox, message })
}

/// RFC 8508 §4 replace: one message.
fn replaced(c: &mut Cursor<'_>, uid: bool) -> Option<Replaced> {
    let set = c.sequence_set().ok()?;
    c.space().ok()?;
    match &set {
        SequenceSet::Ranges(ranges) => {
            matches!(ranges.as_slice(), [(from, to)] if from == to).then_some(Replaced { uid, set })
        }
        SequenceSet::Saved => None,
    }
}

/// What stands between a message and the next one, or ends the command. `literal`: octets and
/// whether it is synchronising, when the line announces one.
pub(in super::super) fn append_next(
    line: &[u8],
    after_utf8: bool,
    literal: Option<(u64, bool)>,
) -> Result<Option<AppendMessage>> {
    let mut c = Cursor::new(line, 0);
    if after_utf8 {
        c.close()?;
    }
    let Some((octets, synchronising)) = literal else { return c.end().map(|()| None) };
    c.space()?;
    message(&mut c, octets, synchronising).map(Some)
}

/// What APPEND says of a message before it: flags and INTERNALDATE.
pub(super) fn options(c: &mut Cursor<'_>) -> Result<(FlagList, Option<i64>)> {
    let (mut flags, mut internal_date) = (FlagList::default(), None);
    if c.peek() == Some(b'(') {
        flags = c.flags()?;
        c.space()?;
    }
    if c.take(b'"') {
        internal_date = Some(date_time(c)?);
        c.space()?;
    }
    Ok((flags, internal_date))
}

fn message(c: &mut Cursor<'_>, octets: u64, synchronising: bool) -> Result<AppendMessage> {
    let (flags, internal_date) = options(c)?;
    let mut message = AppendMessage { flags, internal_date, octets, synchronising, binary: false, utf8: false };
    if c.take_text("UTF8 (") {
        message.utf8 = true;
    }
    message.binary = c.take(b'~');
    // The announcement itself: its number is known already.
    let rest = c.remaining();
    let is_literal = rest.first() == Some(&b'{') && !rest.contains(&b'"') && !rest.contains(&b' ');
    if is_literal && message.binary >= message.utf8 { Ok(message) } else { Err("APPEND is malformed") }
}

/// RFC 9051 §9 date-time behind its opening quote: `17-Jul-1996 02:44:25 -0700"`.
fn date_time(c: &mut Cursor<'_>) -> Result<i64> {
    let malformed = "The date is malformed";
    let date = c.date_text()?;
    c.space()?;
    let mut clock = [0i8; 3];
    for (index, value) in clock.iter_mut().enumerate() {
        if index > 0 && !c.take(b':') {
            return Err(malformed);
        }
        *value = i8::try_from(c.number()?).map_err(|_| malformed)?;
    }
    let [hour, minute, second] = clock;
    // A leap second is the second before it.
    let time = Time::new(hour, minute, second.min(59), 0).map_err(|_| malformed)?;
    c.space()?;
    let west = c.take(b'-');
    if !west && !c.take(b'+') {
        return Err(malformed);
    }
    let zone = i64::try_from(c.number()?).map_err(|_| malformed)?;
    if zone > 2359 || zone % 100 > 59 || !c.take(b'"') {
        return Err(malformed);
    }
    let offset = (zone / 100 * 60 + zone % 100) * 60;
    let utc = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| malformed)?;
    let seconds = utc.timestamp().as_second();
    Ok(if west { seconds + offset } else { seconds - offset })
}
