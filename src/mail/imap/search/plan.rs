//! A search made ready: sets resolved, dates as seconds, texts as keys.
//!
//! Pure. Three answers: yes, no, and not without the message. Invariant: with the message
//! there is always a yes or a no.

use super::columns::WORD_FIELDS;
use super::text::Answers;
use crate::mail::imap::command::{SearchKey, SequenceSet};
use crate::mail::imap::view::Selected;
use crate::mime::{casemap, is_known_field};
use crate::model::{Flags, UidSet};
use crate::store::Row;
use jiff::civil::Date;

/// A search made ready.
#[derive(Debug)]
pub(super) enum Plan {
    Always(bool),
    And(Vec<Plan>),
    Or(Box<Plan>, Box<Plan>),
    Not(Box<Plan>),
    Uids(UidSet),
    Flags(Flags),
    /// INTERNALDATE from and before, Unix seconds.
    Arrived(i64, i64),
    /// SAVEDATE from and before, Unix seconds.
    Saved(i64, i64),
    /// The Date field from and before, as days.
    Sent(Date, Date),
    Larger(u64),
    Smaller(u64),
    ModSeq(u64),
    /// The stored message's number.
    Message(i64),
    /// A header field, in lower case, and the key of a text.
    Header(String, String),
    Body(String),
    Text(String),
}

impl Plan {
    pub(super) fn new(key: &SearchKey, selected: &Selected, now: i64) -> Self {
        let ready = |key: &SearchKey| Self::new(key, selected, now);
        match key {
            SearchKey::All | SearchKey::SaveDateSupported => Self::Always(true),
            // No message is ever \Recent, see `sync::exists`.
            SearchKey::Recent => Self::Always(false),
            SearchKey::And(keys) => Self::And(keys.iter().map(ready).collect()),
            SearchKey::Or(a, b) => Self::Or(Box::new(ready(a)), Box::new(ready(b))),
            SearchKey::Not(key) => Self::Not(Box::new(ready(key))),
            SearchKey::Sequence(set) => Self::Uids(uids(selected, set, false)),
            SearchKey::Uid(set) => Self::Uids(uids(selected, set, true)),
            SearchKey::Flag(flags) => Self::Flags(*flags),
            SearchKey::Keyword(name) => keyword(selected, name),
            SearchKey::Header(name, text) => {
                Self::Header(String::from_utf8_lossy(name).to_ascii_lowercase(), needle(text))
            }
            SearchKey::Body(text) => Self::Body(needle(text)),
            SearchKey::Text(text) => Self::Text(needle(text)),
            SearchKey::Before(date) => Self::Arrived(i64::MIN, start(*date)),
            SearchKey::On(date) => Self::Arrived(start(*date), start(next(*date))),
            SearchKey::Since(date) => Self::Arrived(start(*date), i64::MAX),
            SearchKey::SavedBefore(date) => Self::Saved(i64::MIN, start(*date)),
            SearchKey::SavedOn(date) => Self::Saved(start(*date), start(next(*date))),
            SearchKey::SavedSince(date) => Self::Saved(start(*date), i64::MAX),
            SearchKey::SentBefore(date) => Self::Sent(Date::MIN, *date),
            SearchKey::SentOn(date) => Self::Sent(*date, next(*date)),
            SearchKey::SentSince(date) => Self::Sent(*date, Date::MAX),
            SearchKey::Larger(octets) => Self::Larger(*octets),
            SearchKey::Smaller(octets) => Self::Smaller(*octets),
            // RFC 5032 §3.
            SearchKey::Older(seconds) => Self::Arrived(i64::MIN, now - i64::from(*seconds) + 1),
            SearchKey::Younger(seconds) => Self::Arrived(now - i64::from(*seconds), i64::MAX),
            SearchKey::EmailId(id) => email_id(id),
            SearchKey::ThreadId => Self::Always(false),
            SearchKey::ModSeq(modseq) => Self::ModSeq(*modseq),
        }
    }

    /// UIDs outside of which nothing can be found, when the search names some.
    pub(super) fn scope(&self) -> Option<&UidSet> {
        match self {
            Self::Uids(uids) => Some(uids),
            Self::And(plans) => plans.iter().find_map(|plan| match plan {
                Self::Uids(uids) => Some(uids),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Whether the header fields that summaries keep ready answer all that it asks of a message's text.
    pub(super) fn known_fields_suffice(&self) -> bool {
        match self {
            Self::And(plans) => plans.iter().all(Self::known_fields_suffice),
            Self::Or(a, b) => a.known_fields_suffice() && b.known_fields_suffice(),
            Self::Not(plan) => plan.known_fields_suffice(),
            Self::Header(name, _) => is_known_field(name.as_bytes()),
            Self::Body(_) | Self::Text(_) => false,
            _ => true,
        }
    }

    /// Whether columns can say something of what it asks of a message's text.
    pub(super) fn columns_help(&self) -> bool {
        match self {
            Self::And(plans) => plans.iter().any(Self::columns_help),
            Self::Or(a, b) => a.columns_help() || b.columns_help(),
            Self::Not(plan) => plan.columns_help(),
            Self::Header(name, _) => WORD_FIELDS.contains(&name.as_str()),
            Self::Sent(..) => true,
            _ => false,
        }
    }

    /// Whether it looks into bodies; what does not is settled by the header.
    pub(super) fn needs_body(&self) -> bool {
        match self {
            Self::Body(_) | Self::Text(_) => true,
            Self::And(plans) => plans.iter().any(Self::needs_body),
            Self::Or(a, b) => a.needs_body() || b.needs_body(),
            Self::Not(plan) => plan.needs_body(),
            _ => false,
        }
    }

    /// Whether a message satisfies it; `None` when that cannot be said without its text.
    pub(super) fn holds(&self, row: &Row, text: Option<&dyn Answers>) -> Option<bool> {
        match self {
            Self::Always(answer) => Some(*answer),
            Self::And(plans) => all(plans.iter().map(|plan| plan.holds(row, text))),
            Self::Or(a, b) => {
                // Not both false.
                all([a, b].into_iter().map(|plan| plan.holds(row, text).map(|held| !held))).map(|neither| !neither)
            }
            Self::Not(plan) => plan.holds(row, text).map(|held| !held),
            Self::Uids(uids) => Some(uids.contains(row.uid)),
            Self::Flags(flags) => Some(row.flags.contains(*flags)),
            Self::Arrived(from, before) => Some((*from..*before).contains(&row.internal_date)),
            Self::Saved(from, before) => Some((*from..*before).contains(&row.save_date)),
            Self::Larger(octets) => Some(u64::from(row.size) > *octets),
            Self::Smaller(octets) => Some(u64::from(row.size) < *octets),
            Self::Message(id) => Some(row.message.0 == *id),
            Self::ModSeq(modseq) => Some(row.modseq >= *modseq),
            Self::Sent(from, before) => text?.day().map(|day| day.is_some_and(|date| (*from..*before).contains(&date))),
            Self::Header(name, wanted) => text?.field_has(name, wanted),
            Self::Body(wanted) => text?.body_has(wanted),
            Self::Text(wanted) => Some(text?.header_has(wanted)? || text?.body_has(wanted)?),
        }
    }
}

/// All true, one false, or not known.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut so_far = Some(true);
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            None => so_far = None,
            Some(true) => {}
        }
    }
    so_far
}

fn needle(text: &[u8]) -> String {
    casemap(&String::from_utf8_lossy(text))
}

/// A search only narrows: numbers that no message has find nothing (`1:*` in an empty folder is common).
fn uids(selected: &Selected, set: &SequenceSet, by_uid: bool) -> UidSet {
    match (set, by_uid) {
        (SequenceSet::Ranges(_), false) => selected.view.numbers_there(set),
        _ => selected.resolve(set, by_uid).unwrap_or_default(),
    }
}

fn keyword(selected: &Selected, name: &str) -> Plan {
    let keywords = &selected.view.seen.keywords;
    let index = keywords.iter().position(|keyword| keyword.eq_ignore_ascii_case(name));
    index.and_then(Flags::keyword).map_or(Plan::Always(false), Plan::Flags)
}

/// The identifier that FETCH told (RFC 8474 §6).
fn email_id(id: &str) -> Plan {
    id.strip_prefix('M').and_then(|id| id.parse().ok()).map_or(Plan::Always(false), Plan::Message)
}

/// RFC 9051 §6.4.4: time and zone are disregarded; INTERNALDATE is told in UTC, so its days are UTC's.
fn start(date: Date) -> i64 {
    date.to_zoned(jiff::tz::TimeZone::UTC).map_or(i64::MAX, |zoned| zoned.timestamp().as_second())
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::MessageId;

    fn row() -> Row {
        let day = start(jiff::civil::date(2026, 11, 23));
        Row {
            uid: 7,
            message: MessageId(1),
            flags: Flags::SEEN,
            modseq: 9,
            size: 100,
            internal_date: day + 86_399,
            save_date: day,
        }
    }

    #[test]
    fn rows_answer_what_they_can() {
        let seen = || Plan::Flags(Flags::SEEN);
        let open = || Plan::Body("x".into());
        assert_eq!(Plan::And(vec![seen(), open()]).holds(&row(), None), None);
        assert_eq!(Plan::And(vec![open(), Plan::Not(Box::new(seen()))]).holds(&row(), None), Some(false));
        assert_eq!(Plan::Or(Box::new(open()), Box::new(seen())).holds(&row(), None), Some(true));
        assert_eq!(Plan::Or(Box::new(open()), Box::new(Plan::Always(false))).holds(&row(), None), None);
        assert_eq!(Plan::Not(Box::new(open())).holds(&row(), None), None);
    }

    #[test]
    fn days_begin_at_midnight() {
        let date = jiff::civil::date(2026, 11, 23);
        assert_eq!(Plan::Arrived(start(date), start(next(date))).holds(&row(), None), Some(true));
        assert_eq!(Plan::Arrived(i64::MIN, start(date)).holds(&row(), None), Some(false));
        assert_eq!(Plan::Saved(start(date), i64::MAX).holds(&row(), None), Some(true));
    }
}
