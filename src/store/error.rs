//! What a store call can answer when it does not do what was asked.

/// Why a store call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The quota has no room for it.
    #[error("over quota")]
    OverQuota,
    /// There is no such folder (any more).
    #[error("no such folder")]
    NoSuchFolder,
    /// A folder of that name exists.
    #[error("folder exists")]
    FolderExists,
    /// The mailbox has as many folders as it may have.
    #[error("too many folders")]
    TooManyFolders,
    /// The folder's keyword table is full.
    #[error("too many keywords in this folder")]
    TooManyKeywords,
    /// There are too many annotations, or they are too large together.
    #[error("too many annotations")]
    TooManyAnnotations,
    /// The folder's access control list is full.
    #[error("too many entries in the access control list")]
    TooManyRights,
    /// INBOX cannot be deleted.
    #[error("INBOX cannot be deleted")]
    InboxImmutable,
    /// There is no such message (any more): it was expunged meanwhile.
    #[error("no such message")]
    NoSuchMessage,
    /// The message does not fit in memory bounds; stream it.
    #[error("message is too large to be read at once")]
    TooLarge,
    /// A checksum or a reference is wrong; only this object is affected.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The store refuses writes after a failed commit, until restart.
    #[error("the store is read-only after a failed write")]
    ReadOnly,
    /// Too many writes wait; try again.
    #[error("the store is busy")]
    Busy,
    /// The database or disk failed; nothing was stored.
    #[error("storage failed: {0}")]
    Failed(String),
}
