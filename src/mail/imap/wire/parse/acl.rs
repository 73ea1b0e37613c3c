//! The commands of RFC 4314 §7.

use super::Result;
use super::tokens::Cursor;
use crate::mail::imap::command::{AclCommand, Command};
use crate::model::{Rights, RightsChange};

/// GETACL, MYRIGHTS, LISTRIGHTS, SETACL, DELETEACL; `None` for a word that is none of them.
pub(super) fn command(name: &str, c: &mut Cursor<'_>) -> Result<Option<Command>> {
    if !matches!(name, "GETACL" | "MYRIGHTS" | "LISTRIGHTS" | "SETACL" | "DELETEACL") {
        return Ok(None);
    }
    let mailbox = c.mailbox()?;
    let command = match name {
        "GETACL" => AclCommand::Get,
        "MYRIGHTS" => AclCommand::Mine,
        _ => {
            c.space()?;
            let identifier = c.text()?;
            // RFC 4314 §3: an empty identifier is malformed.
            if identifier.is_empty() {
                return Err("An identifier is missing");
            }
            match name {
                "LISTRIGHTS" => AclCommand::List(identifier),
                "DELETEACL" => AclCommand::Delete(identifier),
                _ => {
                    c.space()?;
                    AclCommand::Set(identifier, change(&c.text()?)?)
                }
            }
        }
    };
    Ok(Some(Command::Acl(mailbox, command)))
}

/// RFC 4314 §7 mod-rights.
fn change(text: &str) -> Result<RightsChange> {
    let (letters, change): (&str, fn(Rights) -> RightsChange) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(letters), _) => (letters, RightsChange::Add),
        (None, Some(letters)) => (letters, RightsChange::Remove),
        (None, None) => (text, RightsChange::Replace),
    };
    // RFC 4314 §3.1: a right that is not known is refused, not passed over.
    Rights::parse(letters).map(change).ok_or("That right is not known")
}
