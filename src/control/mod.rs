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

impl<T: serde::Serialize, N> Paged<T, N> {
    /// As many items as a page holds, in number and in octets; each comes with its place.
    fn cut(rows: impl Iterator<Item = (T, N)>, limit: usize) -> Self {
        let limit = limit.clamp(1, bounds::PAGE_ITEMS);
        let (mut items, mut octets, mut last) = (Vec::new(), 0, None);
        for (item, place) in rows {
            octets += octets_of(&item);
            if items.len() == limit || (octets > bounds::PAGE_OCTETS && !items.is_empty()) {
                return Self { items, next: last };
            }
            items.push(item);
            last = Some(place);
        }
        Self { items, next: None }
    }
}

impl<T: serde::Serialize> Paged<T> {
    /// Of rows that were fetched with one more than the page holds.
    fn new<R>(rows: Vec<R>, page: PageRequest, id: impl Fn(&R) -> i64, mut view: impl FnMut(R) -> T) -> Self {
        let with_place = rows.into_iter().map(|row| {
            let place = id(&row);
            (view(row), place)
        });
        Self::cut(with_place, page.limit)
    }
}

/// How long an item is as JSON.
fn octets_of(item: &impl serde::Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0 += octets.len();
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, item) {
        Ok(()) => counter.0,
        // What cannot be written is refused where it is written.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_it_has_enough_octets_and_shows_one_item_at_least() {
        let long = "x".repeat(bounds::PAGE_OCTETS / 2 - 10);
        let rows = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).zip(1..).collect::<Vec<(String, i64)>>();
        let cut = |rows: Vec<(String, i64)>, limit| {
            let paged = Paged::cut(rows.into_iter(), limit);
            (paged.items.len(), paged.next)
        };
        assert_eq!(cut(rows(&[&long, &long, &long]), 10), (2, Some(2)));
        assert_eq!(cut(rows(&[&long, &long]), 10), (2, None));
        assert_eq!(cut(rows(&["a", "b", "c"]), 2), (2, Some(2)));
        let huge = "x".repeat(2 * bounds::PAGE_OCTETS);
        assert_eq!(cut(rows(&[&huge, "a"]), 10), (1, Some(1)));
        assert_eq!(cut(Vec::new(), 10), (0, None));
    }
}
