//! One whole command as octets, literals included, to a [`Command`] (RFC 9051 §9, RFC 3501 §9).
//!
//! Recursion happens in SEARCH keys alone and is counted. Invariant: what is left over makes
//! the command malformed; nothing is guessed.

mod acl;
mod append;
mod fetch;
mod list;
mod metadata;
mod multi_search;
mod notify;
mod search;
mod tokens;
mod urls;

pub(super) use append::{append_next, append_start};

use super::super::command::{
    Command, Qresync, Secret, Section, Select, SequenceSet, Store, Tagged, Transfer, UrlCommand,
};
use crate::store::FlagMode;
use tokens::Cursor;

/// What is wrong, in words for the client.
type Result<T> = std::result::Result<T, &'static str>;

/// A command that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Its tag, if that much could be read.
    pub tag: Option<String>,
    /// What is wrong.
    pub text: &'static str,
}

/// The tag at the beginning of a command.
pub(super) fn tag_of(octets: &[u8]) -> Option<String> {
    Cursor::new(octets, 0).tag().ok()
}

/// A section without its brackets, as URLs have it (RFC 5092 §6.1); `None` when it is none.
pub(in crate::mail::imap) fn section(text: &[u8]) -> Option<Section> {
    let bracketed = [b"[", text, b"]"].concat();
    let mut cursor = Cursor::new(&bracketed, 0);
    fetch::section(&mut cursor).ok().filter(|_| cursor.remaining().is_empty())
}

/// Parses a command without its final CRLF.
///
/// # Errors
/// It is not in the grammar, or nested deeper than `nesting`.
pub fn command(octets: &[u8], nesting: usize) -> std::result::Result<Tagged, ParseError> {
    let mut cursor = Cursor::new(octets, nesting);
    let tag = cursor.tag().map_err(|text| ParseError { tag: None, text })?;
    let parsed = cursor.space().and_then(|()| named(&mut cursor)).and_then(|command| cursor.end().map(|()| command));
    match parsed {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(text) => Err(ParseError { tag: Some(tag), text }),
    }
}

fn named(c: &mut Cursor<'_>) -> Result<Command> {
    let name = c.word()?;
    Ok(match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "UNAUTHENTICATE" => Command::Unauthenticate,
        "NAMESPACE" => Command::Namespace,
        "UNSELECT" => Command::Unselect,
        "CLOSE" => Command::Close,
        "CHECK" => Command::Check,
        "EXPUNGE" => Command::Expunge,
        "IDLE" => Command::Idle,
        "UID" => return with_uid(c),
        "RESETKEY" if c.peek() != Some(b' ') => Command::Urls(UrlCommand::Reset(None, Vec::new())),
        "REPLACE" => return Err("REPLACE is malformed or comes too early"),
        "APPEND" => {
            c.space().map_err(|_| "APPEND is malformed or comes too early")?;
            return urls::catenate(c);
        }
        _ => {
            c.space().map_err(|_| "Unknown command, or it lacks what it needs")?;
            return with_arguments(&name, c);
        }
    })
}

fn with_arguments(name: &str, c: &mut Cursor<'_>) -> Result<Command> {
    Ok(match name {
        "ID" => Command::Id(id(c)?),
        "ENABLE" => Command::Enable(words(c)?),
        "COMPRESS" => Command::Compress(c.word()?),
        "AUTHENTICATE" => authenticate(c)?,
        "LOGIN" => {
            let user = c.astring()?;
            c.space()?;
            Command::Login { user, password: Secret(c.astring()?) }
        }
        "SELECT" | "EXAMINE" => Command::Select(select(c, name == "EXAMINE")?),
        "CREATE" => list::create(c)?,
        "DELETE" => Command::Delete(c.mailbox()?),
        "RENAME" => {
            let from = c.mailbox()?;
            c.space()?;
            Command::Rename(from, c.mailbox()?)
        }
        "SUBSCRIBE" => Command::Subscribe(c.mailbox()?),
        "UNSUBSCRIBE" => Command::Unsubscribe(c.mailbox()?),
        "LIST" => Command::List(list::list(c)?),
        "LSUB" => {
            let reference = c.mailbox()?;
            c.space()?;
            Command::Lsub(reference, c.pattern()?)
        }
        "STATUS" => {
            let mailbox = c.mailbox()?;
            c.space()?;
            Command::Status(mailbox, list::status_items(c)?)
        }
        "ESEARCH" => Command::MultiSearch(multi_search::multi_search(c)?),
        "GETQUOTA" => Command::GetQuota(c.text()?),
        "GETQUOTAROOT" => Command::GetQuotaRoot(c.mailbox()?),
        "SETQUOTA" => set_quota(c)?,
        "NOTIFY" => notify::notify(c)?,
        "CANCELUPDATE" => cancel_update(c)?,
        name => match acl::command(name, c)? {
            Some(command) => command,
            None => match metadata::command(name, c)? {
                Some(command) => command,
                None => match urls::command(name, c)? {
                    Some(command) => command,
                    None => return on_messages(name, c, false),
                },
            },
        },
    })
}

/// UID and the commands that it goes before (RFC 9051 §6.4.9, RFC 4315 §2.1).
fn with_uid(c: &mut Cursor<'_>) -> Result<Command> {
    c.space()?;
    let name = c.word()?;
    c.space()?;
    match name.as_str() {
        "EXPUNGE" => Ok(Command::UidExpunge(c.sequence_set()?)),
        name => on_messages(name, c, true),
    }
}

fn on_messages(name: &str, c: &mut Cursor<'_>, uid: bool) -> Result<Command> {
    Ok(match name {
        "FETCH" => Command::Fetch(fetch::fetch(c, uid)?),
        "STORE" => Command::Store(store(c, uid)?),
        "SEARCH" => Command::Search(search::search(c, uid)?),
        "SORT" => Command::Sort(search::sort(c, uid)?),
        "THREAD" => Command::Thread(search::thread(c, uid)?),
        "COPY" => Command::Copy(transfer(c, uid)?),
        "MOVE" => Command::Move(transfer(c, uid)?),
        _ => return Err("Unknown command"),
    })
}

/// ID (RFC 2971 §3.1).
fn id(c: &mut Cursor<'_>) -> Result<Vec<(String, Option<String>)>> {
    if c.take_keyword("NIL") {
        return Ok(Vec::new());
    }
    let mut fields = Vec::new();
    c.open()?;
    while !c.take(b')') {
        if !fields.is_empty() {
            c.space()?;
        }
        let name = c.text()?;
        c.space()?;
        let value = if c.take_keyword("NIL") { None } else { Some(c.text()?) };
        fields.push((name, value));
    }
    Ok(fields)
}

fn words(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut words = vec![c.word()?];
    while c.take(b' ') {
        words.push(c.word()?);
    }
    Ok(words)
}

/// AUTHENTICATE with an initial response (RFC 4959 §3).
fn authenticate(c: &mut Cursor<'_>) -> Result<Command> {
    let mechanism = c.word()?;
    let initial = if c.take(b' ') { Some(Secret(c.rest().to_vec())) } else { None };
    let base64 = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=');
    if initial.as_ref().is_some_and(|secret| secret.0.is_empty() || !secret.0.iter().all(base64)) {
        return Err("The initial response is not base64");
    }
    Ok(Command::Authenticate { mechanism, initial })
}

fn select(c: &mut Cursor<'_>, read_only: bool) -> Result<Select> {
    let mut select = Select { mailbox: c.mailbox()?, read_only, condstore: false, qresync: None };
    if !c.take(b' ') {
        return Ok(select);
    }
    c.open()?;
    loop {
        match c.word()?.as_str() {
            "CONDSTORE" => select.condstore = true,
            "QRESYNC" => {
                c.space()?;
                select.qresync = Some(qresync(c)?);
            }
            _ => return Err("Unknown parameter"),
        }
        if !c.more_in_list()? {
            return Ok(select);
        }
    }
}

/// RFC 7162 §7 select-param: `(uidvalidity modseq [known-uids] [(seqs uids)])`.
fn qresync(c: &mut Cursor<'_>) -> Result<Qresync> {
    c.open()?;
    let uid_validity = c.number32()?;
    c.space()?;
    let mut qresync = Qresync { uid_validity, modseq: c.number()?, known: None, matching: None };
    if c.take(b' ') {
        if c.peek() != Some(b'(') {
            qresync.known = Some(written_set(c)?);
        }
        if qresync.known.is_none() || c.take(b' ') {
            c.open()?;
            let numbers = written_set(c)?;
            c.space()?;
            qresync.matching = Some((numbers, written_set(c)?));
            c.close()?;
        }
    }
    c.close()?;
    Ok(qresync)
}

/// RFC 7162 §7: here a set holds no `$`.
fn written_set(c: &mut Cursor<'_>) -> Result<SequenceSet> {
    match c.sequence_set()? {
        SequenceSet::Saved => Err("$ does not belong here"),
        set => Ok(set),
    }
}

fn store(c: &mut Cursor<'_>, uid: bool) -> Result<Store> {
    let set = c.sequence_set()?;
    c.space()?;
    let mut unchanged_since = None;
    if c.take(b'(') {
        if c.word()? != "UNCHANGEDSINCE" {
            return Err("Unknown modifier");
        }
        c.space()?;
        unchanged_since = Some(c.number()?);
        c.close()?;
        c.space()?;
    }
    let mode = match c.peek() {
        Some(b'+') => FlagMode::Add,
        Some(b'-') => FlagMode::Remove,
        _ => FlagMode::Replace,
    };
    if mode != FlagMode::Replace {
        c.skip();
    }
    let silent = match c.word()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err("Unknown data item"),
    };
    c.space()?;
    Ok(Store { uid, set, unchanged_since, mode, silent, flags: c.flags()? })
}

fn transfer(c: &mut Cursor<'_>, uid: bool) -> Result<Transfer> {
    let set = c.sequence_set()?;
    c.space()?;
    Ok(Transfer { uid, set, mailbox: c.mailbox()? })
}

/// CANCELUPDATE (RFC 5267 §5): quoted tags.
fn cancel_update(c: &mut Cursor<'_>) -> Result<Command> {
    let mut tags = vec![c.text()?];
    while c.take(b' ') && c.peek().is_some() {
        tags.push(c.text()?);
    }
    Ok(Command::CancelUpdate(tags))
}

/// SETQUOTA (RFC 9208 §4.1.3).
fn set_quota(c: &mut Cursor<'_>) -> Result<Command> {
    let root = c.text()?;
    c.space()?;
    c.open()?;
    let mut limits = Vec::new();
    while !c.take(b')') {
        if !limits.is_empty() {
            c.space()?;
        }
        let resource = c.word()?;
        c.space()?;
        limits.push((resource, c.number()?));
    }
    Ok(Command::SetQuota(root, limits))
}
