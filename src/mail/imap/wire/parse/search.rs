//! SEARCH keys and options (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 7162 §3.1.5, RFC 8514, RFC 5032).
//!
//! Invariant: NOT, OR and parentheses together nest no deeper than the cursor's depth.

use super::Result;
use super::tokens::Cursor;
use crate::mail::imap::command::{
    PartialRange, Search, SearchKey, SearchReturn, Sort, SortCriterion, SortKey, Thread, ThreadAlgorithm,
};
use crate::model::Flags;

pub(super) fn search(c: &mut Cursor<'_>, uid: bool) -> Result<Search> {
    let mut returning = None;
    if c.take_text("RETURN ") {
        returning = Some(return_options(c)?);
        c.space()?;
    }
    let mut charset = None;
    if c.take_text("CHARSET ") {
        charset = Some(c.text()?.to_ascii_uppercase());
        c.space()?;
    }
    Ok(Search { uid, returning, charset, key: keys(c)? })
}

/// The keys that end a command.
fn keys(c: &mut Cursor<'_>) -> Result<SearchKey> {
    let mut keys = vec![key(c)?];
    while c.take(b' ') && c.peek().is_some() {
        keys.push(key(c)?);
    }
    Ok(all_of(keys))
}

/// SORT (RFC 5256 §5 sort, RFC 5267 §5 sort-return).
pub(super) fn sort(c: &mut Cursor<'_>, uid: bool) -> Result<Sort> {
    let mut returning = None;
    if c.take_text("RETURN ") {
        returning = Some(return_options(c)?);
        c.space()?;
    }
    c.open()?;
    let mut criteria = vec![criterion(c)?];
    while c.more_in_list()? {
        criteria.push(criterion(c)?);
    }
    c.space()?;
    let charset = Some(c.text()?.to_ascii_uppercase());
    c.space()?;
    Ok(Sort { criteria, search: Search { uid, returning, charset, key: keys(c)? } })
}

fn criterion(c: &mut Cursor<'_>) -> Result<SortCriterion> {
    let mut word = c.word()?;
    let reverse = word == "REVERSE";
    if reverse {
        c.space()?;
        word = c.word()?;
    }
    let known = SortKey::ALL.iter().find(|(_, name)| *name == word);
    known.map(|(key, _)| SortCriterion { reverse, key: *key }).ok_or("Unknown sort criterion")
}

/// THREAD (RFC 5256 §5 thread).
pub(super) fn thread(c: &mut Cursor<'_>, uid: bool) -> Result<Thread> {
    let algorithm = match c.word()?.as_str() {
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFERENCES" => ThreadAlgorithm::References,
        "REFS" => ThreadAlgorithm::Refs,
        _ => return Err("Unknown threading algorithm"),
    };
    c.space()?;
    let charset = c.text()?.to_ascii_uppercase();
    c.space()?;
    Ok(Thread { uid, algorithm, charset, key: keys(c)? })
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(key) if keys.is_empty() => key,
        last => {
            keys.extend(last);
            SearchKey::And(keys)
        }
    }
}

fn return_options(c: &mut Cursor<'_>) -> Result<SearchReturn> {
    let mut returning = SearchReturn::default();
    c.open()?;
    if c.take(b')') {
        // RFC 9051 §6.4.4: no option means ALL.
        return Ok(SearchReturn { all: true, ..returning });
    }
    loop {
        match c.word()?.as_str() {
            "MIN" => returning.min = true,
            "MAX" => returning.max = true,
            "ALL" => returning.all = true,
            "COUNT" => returning.count = true,
            "SAVE" => returning.save = true,
            // RFC 5267 §4.2: a hint that more will be asked; results are quick to make again.
            "CONTEXT" => {}
            "UPDATE" => returning.update = true,
            "PARTIAL" => {
                c.space()?;
                returning.partial = Some(partial_range(c)?);
            }
            _ => return Err("Unknown return option"),
        }
        if !c.more_in_list()? {
            break;
        }
    }
    // RFC 9394 §3.1.
    if returning.all && returning.partial.is_some() {
        return Err("PARTIAL and ALL exclude each other");
    }
    Ok(returning)
}

/// RFC 9394 §4 partial-range: both ends have the same sign.
pub(super) fn partial_range(c: &mut Cursor<'_>) -> Result<PartialRange> {
    let from_end = c.take(b'-');
    let first = c.positive()?;
    if !c.take(b':') || c.take(b'-') != from_end {
        return Err("A partial range is malformed");
    }
    Ok(PartialRange { from_end, first, last: c.positive()? })
}

/// A key within another.
fn nested<T>(c: &mut Cursor<'_>, parse: impl FnOnce(&mut Cursor<'_>) -> Result<T>) -> Result<T> {
    c.depth = c.depth.checked_sub(1).ok_or("The search is nested too deep")?;
    let parsed = parse(c);
    c.depth += 1;
    parsed
}

fn key(c: &mut Cursor<'_>) -> Result<SearchKey> {
    match c.peek() {
        Some(b'(') => {
            c.skip();
            nested(c, |c| {
                let mut keys = vec![key(c)?];
                while c.more_in_list()? {
                    keys.push(key(c)?);
                }
                Ok(all_of(keys))
            })
        }
        Some(b'0'..=b'9' | b'*' | b'$') => c.sequence_set().map(SearchKey::Sequence),
        _ => {
            let name = c.word()?;
            match plain_key(&name) {
                Some(key) => Ok(key),
                None => {
                    c.space().map_err(|_| "Unknown search key, or it lacks what it needs")?;
                    key_with_argument(&name, c)
                }
            }
        }
    }
}

fn plain_key(name: &str) -> Option<SearchKey> {
    let not = |key| SearchKey::Not(Box::new(key));
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => SearchKey::Flag(Flags::ANSWERED),
        "DELETED" => SearchKey::Flag(Flags::DELETED),
        "DRAFT" => SearchKey::Flag(Flags::DRAFT),
        "FLAGGED" => SearchKey::Flag(Flags::FLAGGED),
        "SEEN" => SearchKey::Flag(Flags::SEEN),
        "UNANSWERED" => not(SearchKey::Flag(Flags::ANSWERED)),
        "UNDELETED" => not(SearchKey::Flag(Flags::DELETED)),
        "UNDRAFT" => not(SearchKey::Flag(Flags::DRAFT)),
        "UNFLAGGED" => not(SearchKey::Flag(Flags::FLAGGED)),
        "UNSEEN" => not(SearchKey::Flag(Flags::SEEN)),
        "RECENT" => SearchKey::Recent,
        "OLD" => not(SearchKey::Recent),
        "NEW" => SearchKey::And(vec![SearchKey::Recent, not(SearchKey::Flag(Flags::SEEN))]),
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

fn key_with_argument(name: &str, c: &mut Cursor<'_>) -> Result<SearchKey> {
    Ok(match name {
        "NOT" => SearchKey::Not(Box::new(nested(c, key)?)),
        "OR" => nested(c, |c| {
            let first = key(c)?;
            c.space()?;
            Ok(SearchKey::Or(Box::new(first), Box::new(key(c)?)))
        })?,
        "UID" => SearchKey::Uid(c.sequence_set()?),
        "KEYWORD" => SearchKey::Keyword(c.keyword()?),
        "UNKEYWORD" => SearchKey::Not(Box::new(SearchKey::Keyword(c.keyword()?))),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header(name.as_bytes().to_vec(), c.astring()?),
        "HEADER" => {
            let field = c.astring()?;
            c.space()?;
            SearchKey::Header(field, c.astring()?)
        }
        "BODY" => SearchKey::Body(c.astring()?),
        "TEXT" => SearchKey::Text(c.astring()?),
        "BEFORE" => SearchKey::Before(c.date()?),
        "ON" => SearchKey::On(c.date()?),
        "SINCE" => SearchKey::Since(c.date()?),
        "SENTBEFORE" => SearchKey::SentBefore(c.date()?),
        "SENTON" => SearchKey::SentOn(c.date()?),
        "SENTSINCE" => SearchKey::SentSince(c.date()?),
        "SAVEDBEFORE" => SearchKey::SavedBefore(c.date()?),
        "SAVEDON" => SearchKey::SavedOn(c.date()?),
        "SAVEDSINCE" => SearchKey::SavedSince(c.date()?),
        "LARGER" => SearchKey::Larger(c.number()?),
        "SMALLER" => SearchKey::Smaller(c.number()?),
        "OLDER" => SearchKey::Older(c.positive()?),
        "YOUNGER" => SearchKey::Younger(c.positive()?),
        "EMAILID" => SearchKey::EmailId(c.text()?),
        "THREADID" => {
            c.text()?;
            SearchKey::ThreadId
        }
        "MODSEQ" => mod_seq(c)?,
        _ => return Err("Unknown search key"),
    })
}

/// RFC 7162 §3.1.5: an entry name and its type may come before the number.
fn mod_seq(c: &mut Cursor<'_>) -> Result<SearchKey> {
    if c.peek() == Some(b'"') {
        c.astring()?;
        c.space()?;
        if !matches!(c.word()?.as_str(), "PRIV" | "SHARED" | "ALL") {
            return Err("Unknown entry type");
        }
        c.space()?;
    }
    Ok(SearchKey::ModSeq(c.number()?))
}
