//! NOTIFY (RFC 5465 §8).
//!
//! Invariant: the cursor is left behind what was read; events of other extensions are read and told apart later.

use super::Result;
use super::tokens::Cursor;
use super::{fetch, multi_search};
use crate::mail::imap::command::{Command, Event, EventFilter, EventGroup, Notify};

pub(super) fn notify(c: &mut Cursor<'_>) -> Result<Command> {
    match c.word()?.as_str() {
        "NONE" => return Ok(Command::Notify(Notify::None)),
        "SET" => c.space()?,
        _ => return Err("NOTIFY is SET or NONE"),
    }
    let status = c.take_keyword("STATUS");
    if status {
        c.space()?;
    }
    let mut groups = vec![group(c)?];
    while c.take(b' ') && c.peek().is_some() {
        groups.push(group(c)?);
    }
    let of_selected = groups.iter().filter(|group| matches!(group.filter, EventFilter::Selected { .. }));
    // RFC 5465 §6.1.
    if of_selected.count() > 1 {
        Err("There is one selected folder")
    } else {
        Ok(Command::Notify(Notify::Set { status, groups }))
    }
}

fn group(c: &mut Cursor<'_>) -> Result<EventGroup> {
    c.open()?;
    let filter = match c.word()?.as_str() {
        "SELECTED" => EventFilter::Selected { delayed: false },
        "SELECTED-DELAYED" => EventFilter::Selected { delayed: true },
        name => EventFilter::Named(multi_search::source_named(name, c)?),
    };
    c.space()?;
    let mut events = Vec::new();
    if !c.take_keyword("NONE") {
        c.open()?;
        events.push(event(c)?);
        while c.more_in_list()? {
            events.push(event(c)?);
        }
    }
    c.close()?;
    checked(EventGroup { filter, events })
}

/// RFC 5465 §5: what goes together.
fn checked(group: EventGroup) -> Result<EventGroup> {
    let has = |wanted: fn(&Event) -> bool| group.events.iter().any(wanted);
    let new = has(|event| matches!(event, Event::MessageNew(_)));
    if new != has(|event| *event == Event::MessageExpunge) {
        return Err("MessageNew and MessageExpunge come together");
    }
    if has(|event| *event == Event::FlagChange) && !new {
        return Err("FlagChange needs MessageNew and MessageExpunge");
    }
    match group.filter {
        EventFilter::Selected { .. } if has(|event| !event.is_of_messages() && *event != Event::Unknown) => {
            Err("Only events of messages are of the selected folder")
        }
        EventFilter::Named(_) if has(|event| matches!(event, Event::MessageNew(items) if !items.is_empty())) => {
            Err("Data items are for the selected folder alone")
        }
        _ => Ok(group),
    }
}

fn event(c: &mut Cursor<'_>) -> Result<Event> {
    Ok(match c.word()?.as_str() {
        "MESSAGENEW" => {
            let mut items = Vec::new();
            if c.take_text(" (") {
                items.push(fetch::item(c)?);
                while c.more_in_list()? {
                    items.push(fetch::item(c)?);
                }
            }
            Event::MessageNew(items)
        }
        "MESSAGEEXPUNGE" => Event::MessageExpunge,
        "FLAGCHANGE" => Event::FlagChange,
        "MAILBOXNAME" => Event::MailboxName,
        "SUBSCRIPTIONCHANGE" => Event::SubscriptionChange,
        "MAILBOXMETADATACHANGE" => Event::MailboxMetadataChange,
        "SERVERMETADATACHANGE" => Event::ServerMetadataChange,
        _ => Event::Unknown,
    })
}
