//! What may be changed by whom: the rules of the control plane.
//!
//! Free functions per resource over a [`Control`]. A configuration write goes through a
//! [`Change`], whose only way to last is the commit that also appends its revision, so
//! nobody can forget it. It knows no HTTP and no mail. Invariant: a caller sees and changes
//! only what lies at or below its tenant; everything else is [`Error::NotFound`].

pub mod advice;
pub mod aliases;
pub mod app_passwords;
pub mod bootstrap;
pub mod bulk_jobs;
mod caller;
mod change;
pub mod containment;
pub mod diff;
pub mod dispatch;
pub mod domains;
pub mod dry_run;
mod editable;
mod error;
pub mod history;
pub mod idempotency;
mod ids;
pub mod invitations;
pub mod jobs;
pub mod keys;
pub mod letters;
pub mod limits;
pub mod lists;
pub mod login_as;
pub mod login_history;
mod loops;
pub mod mailboxes;
pub mod nodes;
pub mod outbox;
pub mod own_password;
pub mod password_links;
pub mod passwords;
pub mod plans;
pub mod protocols;
pub mod quota_warnings;
pub mod recovery;
pub mod revisions;
pub mod scheduled_changes;
pub mod second_factor;
pub mod sign_in;
pub mod sign_ins;
pub mod suspensions;
pub mod tenants;
pub mod together;
pub mod undo;
pub mod usage;
pub mod usage_copy;
pub mod users;
pub mod webhooks;

pub use caller::{Caller, CallerId, Intent};
pub use change::{Change, Record};
pub use error::{Error, FieldError};

use crate::auth::Passwords;
use crate::clock::Clock;
use crate::db::Db;
use crate::model::bounds;
use ids::Ids;
use std::sync::Arc;
use tokio::sync::Notify;

/// Result of a control call.
pub type Result<T> = std::result::Result<T, Error>;

/// What PostgreSQL nodes are woken on.
pub const CHANNEL: &str = "facteur_revisions";

/// The control plane's handles; cheap to clone.
#[derive(Clone)]
pub struct Control {
    db: Db,
    clock: Clock,
    passwords: Passwords,
    ids: Arc<Ids>,
    committed: Arc<Notify>,
}

impl Control {
    /// Over a database; `committed` is woken after every commit.
    pub fn new(db: Db, clock: Clock, passwords: Passwords, committed: Arc<Notify>) -> Self {
        Self { db, clock, passwords, ids: Arc::default(), committed }
    }

    /// The time, Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The database, for readiness.
    pub fn db(&self) -> &Db {
        &self.db
    }
}

/// A page of a list, as a caller asks for it.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// The id after which it begins; 0 is the beginning.
    pub after: i64,
    /// How many items, at most [`bounds::PAGE_ITEMS`].
    pub limit: usize,
}

impl From<PageRequest> for crate::db::Page {
    fn from(page: PageRequest) -> Self {
        Self { after: page.after, limit: page.limit.clamp(1, bounds::PAGE_ITEMS) }
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct Paged<T, N = i64> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<N>,
}

impl<T> Paged<T> {
    /// Of rows that were fetched with one more than the page holds.
    fn new<R>(mut rows: Vec<R>, page: PageRequest, id: impl Fn(&R) -> i64, view: impl FnMut(R) -> T) -> Self {
        let limit = page.limit.clamp(1, bounds::PAGE_ITEMS);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(id) } else { None };
        Self { items: rows.into_iter().map(view).collect(), next }
    }
}
