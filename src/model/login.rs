//! What became of a login, and why: the words of a mailbox's login history.
//!
//! They are for the mailbox's owner and who is above; a client is told none of this.

use super::access::words;

words!(/// What became of a login.
LoginOutcome {
    /// Somebody is in.
    Admitted = "admitted",
    /// Nobody is.
    Refused = "refused",
    /// It was not even looked at, after too many failures.
    Throttled = "throttled",
});

words!(/// Why a login was refused.
LoginReason {
    /// The password was none of the mailbox's.
    WrongPassword = "wrong_password",
    /// The protocol is off for the mailbox; the level says by whose word.
    ProtocolOff = "protocol_off",
    /// It came without TLS.
    TlsRequired = "tls_required",
    /// It came from a network that the settings do not name.
    NetworkNotAllowed = "network_not_allowed",
    /// The app password is not for this protocol or network, or has ended.
    AppPassword = "app_password",
    /// The mailbox's own password opens no mail protocol.
    AppPasswordsOnly = "app_passwords_only",
    /// Too many failures from this network or on this mailbox.
    TooManyFailures = "too_many_failures",
    /// The mailbox has as many sessions as it may.
    TooManySessions = "too_many_sessions",
});
