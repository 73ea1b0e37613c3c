//! SMTP replies as values; the one place where verdicts and errors become codes.
//!
//! Invariant: a 5yz is the peer's fault, our own faults are 4yz; every reply but the
//! greeting, EHLO's and 3yz bears an enhanced code (RFC 2034 §4).

use crate::delivery::Verdict;
use crate::mail::sign_in::SignInError;
use std::borrow::Cow;

/// A reply; `text` may have several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced code, where one belongs.
    pub status: Option<&'static str>,
    /// What follows; lines apart by `\n`.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced code.
    pub fn new(code: u16, status: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status: Some(status), text: text.into() }
    }

    /// A reply without one: greeting, EHLO, 3yz.
    pub fn bare(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status: None, text: text.into() }
    }

    /// True for 4yz and 5yz.
    pub fn is_error(&self) -> bool {
        self.code >= 400
    }

    /// Puts it on the wire (RFC 5321 §4.2.1: `-` on all lines but the last).
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            let status = self.status.map(|status| format!("{status} ")).unwrap_or_default();
            out.extend_from_slice(format!("{}{mark}{status}{line}\r\n", self.code).as_bytes());
        }
    }
}

/// `250 2.0.0`.
pub fn ok() -> Reply {
    Reply::new(250, "2.0.0", "Ok")
}

/// A command that does not fit the state (RFC 5321 §4.3.2).
pub fn bad_sequence(text: &'static str) -> Reply {
    Reply::new(503, "5.5.1", text)
}

/// An argument that cannot be read.
pub fn bad_argument(text: &'static str) -> Reply {
    Reply::new(501, "5.5.4", text)
}

/// Larger than allowed (RFC 1870 §6.1, RFC 3463 §3.4).
pub fn too_large() -> Reply {
    Reply::new(552, "5.3.4", "Message is larger than this server accepts")
}

/// Our own fault: the sender keeps the message.
pub fn own_fault() -> Reply {
    Reply::new(451, "4.3.0", "Local error in processing, try again later")
}

/// No room on the disk or a store that takes nothing (RFC 3463 §3.4).
pub fn no_storage() -> Reply {
    Reply::new(452, "4.3.1", "Insufficient system storage, try again later")
}

/// A mailbox without room (RFC 3463 §3.3).
pub fn over_quota() -> Reply {
    Reply::new(452, "4.2.2", "The mailbox is over its quota")
}

/// More recipients within a day than plans let this account send to (RFC 3463 §3.8, for now).
pub fn sends_used_up() -> Reply {
    let text = "The sending limit of this account is used up: so many recipients in 24 hours; try again later";
    Reply::new(452, "4.7.1", text)
}

/// The reply to the end of a message.
pub fn of_verdict(verdict: Verdict, id: &str) -> Reply {
    match verdict {
        Verdict::Stored => Reply::new(250, "2.0.0", format!("Ok, stored as {id}")),
        Verdict::OverQuota => over_quota(),
        Verdict::Unavailable => no_storage(),
        // The next attempt is refused at RCPT.
        Verdict::Gone | Verdict::Failed => own_fault(),
    }
}

/// The reply to a failed AUTH (RFC 4954 §6).
pub fn of_sign_in(error: SignInError) -> Reply {
    match error {
        SignInError::Refused | SignInError::Denied(_) => Reply::new(535, "5.7.8", "Authentication credentials invalid"),
        SignInError::Throttled => Reply::new(454, "4.7.0", "Too many failed logins, try again later"),
        SignInError::Unavailable => Reply::new(454, "4.7.0", "Temporary authentication failure"),
        SignInError::TooMany => Reply::new(454, "4.7.0", "Too many sessions of this mailbox"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_marked() {
        let mut out = Vec::new();
        Reply::new(214, "2.0.0", "a\nb").write(&mut out);
        assert_eq!(out, b"214-2.0.0 a\r\n214 2.0.0 b\r\n");
    }

    #[test]
    fn own_faults_are_temporary() {
        for verdict in [Verdict::OverQuota, Verdict::Unavailable, Verdict::Failed] {
            assert_eq!(of_verdict(verdict, "x").code / 100, 4);
        }
    }
}
