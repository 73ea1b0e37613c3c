//! What a submission server checks and adds (RFC 6409 §6, §8).
//!
//! It takes nothing away. Decisions: every address of `From` must belong to the login
//! (550 5.7.1 otherwise), since receivers judge by `From`; the null sender is allowed, as
//! disposition notifications need it (RFC 8098 §2.1); a missing `From`, `Date` or
//! `Message-ID` is added. Invariant: two `From` fields never pass.

use super::reply::{self, Reply};
use super::trace;
use crate::directory::{Directory, MailboxConfig};
use crate::mime::fields;
use crate::model::EmailAddress;
use mail_parser::MessageParser;

/// Who submits, and what the added fields need.
pub struct Submitter<'a> {
    /// The login.
    pub login: &'a MailboxConfig,
    /// Whose addresses are whose.
    pub directory: &'a Directory,
    /// The envelope's sender.
    pub sender: Option<&'a EmailAddress>,
    /// Our name.
    pub host: &'a str,
    /// The message's name here.
    pub id: &'a str,
    /// Unix seconds.
    pub now: i64,
}

impl Submitter<'_> {
    /// Checks a header and returns the fields to put before it.
    ///
    /// # Errors
    /// The reply that refuses the message.
    pub async fn complete(&self, header: &[u8]) -> Result<String, Reply> {
        for address in authors(header)? {
            match self.directory.may_send_as(self.login, &address).await {
                Ok(true) => {}
                Ok(false) => return Err(not_yours()),
                Err(_) => return Err(reply::own_fault()),
            }
        }
        let sender = self.sender.unwrap_or(&self.login.address);
        Ok(missing(header, sender, self.host, self.id, self.now))
    }
}

fn not_yours() -> Reply {
    Reply::new(550, "5.7.1", "The From field must hold addresses of the signed-in mailbox only")
}

fn has(header: &[u8], name: &str) -> bool {
    fields(header).any(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
}

/// The fields that RFC 6409 §8.1–§8.3 lets a submission server add.
fn missing(header: &[u8], sender: &EmailAddress, host: &str, id: &str, now: i64) -> String {
    let mut added = String::new();
    if !has(header, "From") {
        added.push_str(&format!("From: {sender}\r\n"));
    }
    if !has(header, "Date") {
        added.push_str(&format!("Date: {}\r\n", trace::date(now)));
    }
    if !has(header, "Message-ID") {
        added.push_str(&format!("Message-ID: <{id}@{host}>\r\n"));
    }
    added
}

/// The addresses of `From`; none when there is no such field.
fn authors(header: &[u8]) -> Result<Vec<EmailAddress>, Reply> {
    let mut from = fields(header).filter(|field| field.name.eq_ignore_ascii_case(b"from"));
    let Some(field) = from.next() else { return Ok(Vec::new()) };
    if from.next().is_some() {
        // RFC 5322 §3.6: at most one, and readers disagree about which.
        return Err(Reply::new(550, "5.7.1", "The message has more than one From field"));
    }
    let field = [b"From:", field.value, b"\r\n"].concat();
    let message = MessageParser::default().parse_headers(&field);
    let addresses = message.as_ref().and_then(|message| message.from());
    let read: Option<Vec<EmailAddress>> =
        addresses.and_then(|all| all.iter().map(|one| one.address()?.parse().ok()).collect());
    read.filter(|all| !all.is_empty()).ok_or_else(not_yours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_read_or_refused() {
        let read = |header: &str| {
            authors(header.as_bytes()).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            read("From: Ada <ada@example.org>,\r\n b@example.org\r\n\r\n").unwrap(),
            ["ada@example.org", "b@example.org"]
        );
        assert_eq!(read("To: x\r\n\r\n").unwrap().len(), 0);
        for bad in ["From: a@b.example\r\nfrom: c@b.example\r\n\r\n", "From: nobody\r\n\r\n", "From:\r\n\r\n"] {
            assert_eq!(read(bad).unwrap_err().code, 550, "{bad}");
        }
    }

    #[test]
    fn only_what_is_missing_is_added() {
        let sender = "ada@example.org".parse().unwrap();
        let added = missing(b"message-id: <x@y>\r\n\r\n", &sender, "h.example", "1.0", 0);
        assert_eq!(added, "From: ada@example.org\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n");
        assert_eq!(missing(b"From: a\r\nDate: b\r\nMessage-ID: c\r\n", &sender, "h", "1", 0), "");
    }
}
