//! POP3 answers of one line; the one place where errors become response codes
//! (RFC 2449 §8, RFC 3206).
//!
//! Invariant: `[AUTH]` only when the credentials are at fault, `[SYS/…]` when they are not.

use crate::directory::EndReason;
use crate::mail::sign_in::SignInError;
use crate::store::StoreError;
use std::borrow::Cow;

/// An answer of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Ok(Cow<'static, str>),
    /// `-ERR`
    Err(Cow<'static, str>),
}

impl Reply {
    /// `+OK`
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Ok(text.into())
    }

    /// `-ERR`
    pub fn err(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Err(text.into())
    }

    /// Puts it on the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (mark, text) = match self {
            Self::Ok(text) => ("+OK", text),
            Self::Err(text) => ("-ERR", text),
        };
        out.extend_from_slice(mark.as_bytes());
        if !text.is_empty() {
            out.push(b' ');
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A command that cannot be read.
pub fn not_understood() -> Reply {
    Reply::err("Command not understood")
}

/// A command of another state (RFC 1939 §3).
pub fn not_now() -> Reply {
    Reply::err("Command not valid in this state")
}

/// No message of that number, or it is marked deleted.
pub fn no_such_message() -> Reply {
    Reply::err("No such message")
}

/// A failed login (RFC 3206 §4, §5).
pub fn of_sign_in(error: SignInError) -> Reply {
    match error {
        SignInError::Refused => Reply::err("[AUTH] Authentication failed"),
        SignInError::Throttled => Reply::err("[SYS/TEMP] Too many failed logins, try again later"),
        SignInError::Unavailable => Reply::err("[SYS/TEMP] Temporary authentication failure"),
        SignInError::TooMany => Reply::err("[SYS/TEMP] Too many sessions of this mailbox"),
        SignInError::Denied(reason) => of_end(reason),
    }
}

/// The last words of a session that is ended from outside (RFC 3206 §3).
pub fn of_end(reason: EndReason) -> Reply {
    let code = if reason.is_permanent() { "SYS/PERM" } else { "SYS/TEMP" };
    Reply::err(format!("[{code}] {}", reason.text()))
}

/// A store that did not do it.
pub fn of_store(error: &StoreError) -> Reply {
    match error {
        StoreError::Corrupt(_) => Reply::err("[SYS/PERM] What is stored here is damaged"),
        StoreError::NoSuchMessage => Reply::err("[SYS/PERM] This message was removed meanwhile"),
        _ => Reply::err("[SYS/TEMP] The mail store does not answer, try again later"),
    }
}
