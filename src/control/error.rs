//! What a control call can answer when it does not do what was asked.

use crate::auth::Busy;
use crate::db::DbError;

/// A field that is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request's body.
    pub pointer: String,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl FieldError {
    /// A wrong field.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// Why a control call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields are wrong.
    #[error("the request has wrong fields")]
    Invalid(Vec<FieldError>),
    /// It is not there, or lies outside the caller's tenant: the caller cannot tell which.
    #[error("there is no such object")]
    NotFound,
    /// Something else has this name or address.
    #[error("{0} is taken")]
    AlreadyExists(&'static str),
    /// A plan has no room for it.
    #[error("the limit of {} is reached", .0.name)]
    LimitReached(super::limits::Reached),
    /// Other objects stand against it.
    #[error("{0}")]
    InUse(&'static str),
    /// The caller may see it but not do this.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// The object was changed since the caller read it.
    #[error("the object was changed since it was read")]
    Stale,
    /// Name or password are wrong, or may not be tried now.
    #[error("the name or the password is wrong")]
    SignInRefused,
    /// Too many failed sign-ins.
    #[error("too many failed sign-ins, try again later")]
    Throttled,
    /// It would have been done, were this no dry run: what it would do lies where the caller asked for it.
    #[error("this was a dry run")]
    DryRun,
    /// The log was asked for what it no longer has; the oldest that it has.
    #[error("revisions before {0} were exported and dropped: ask after the one before it")]
    HistoryDropped(i64),
    /// For the moment it cannot be done.
    #[error("not now: {0}")]
    Unavailable(String),
    /// A defect, or the database failed; the text is for the log alone.
    #[error("{0}")]
    Internal(String),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Failed(text) => Self::Unavailable(text),
            // Whoever knows better says so; it is a conflict in any case, and no fault of ours.
            DbError::Unique(_) => Self::AlreadyExists("its id, name or address"),
            DbError::Referred => Self::InUse("something refers to it, or what it refers to is gone"),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<Busy> for Error {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.to_string())
    }
}

impl Error {
    /// One wrong field.
    pub fn field(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, detail)])
    }
}
