//! What lists are filtered by, in callers' words, and where a page of them begins.
//!
//! A resource's own `list` puts it together; what every list shares is here. Invariant: whatever is filtered by, a caller
//! sees nothing that does not lie at or below its tenant.

use super::{Caller, Error, PageRequest, Paged, Result, tenants};
pub use crate::db::listing::{Key, Parts, Place, SortKey};
use crate::db::listing::{Listing, Slice, end_of};
use crate::db::tenants::path_end;
use crate::db::{Arg, Tx};
use crate::model::ids::TenantId;
use crate::model::{Role, TenantKind, bounds};

/// The lists that can be sorted and filtered.
pub mod parts {
    pub use crate::db::aliases::PARTS as ALIASES;
    pub use crate::db::domains::PARTS as DOMAINS;
    pub use crate::db::keys::PARTS as KEYS;
    pub use crate::db::mailboxes::PARTS as MAILBOXES;
    pub use crate::db::tenants::PARTS as TENANTS;
    pub use crate::db::users::PARTS as USERS;
}

/// The state of a mailbox; of those that hold at once the last of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailboxState {
    /// None of the others.
    Active,
    /// It, or its domain, is suspended.
    Suspended,
    /// Somebody else may hold it, so nobody may use it.
    Contained,
    /// Its end has come.
    Expired,
    /// It is deleted and can be restored.
    Deleted,
}

/// The state of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    /// Not suspended.
    Active,
    /// A suspension is in force.
    Suspended,
}

/// The state of what may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Its end has not come.
    Active,
    /// Its end has come.
    Expired,
}

/// Whether a protocol may be used now, all levels, plans and suspensions counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It may.
    Enabled,
    /// It may not.
    Disabled,
}

/// Which protocols are on or off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Switches {
    /// IMAP.
    pub imap: Option<Switch>,
    /// POP3.
    pub pop3: Option<Switch>,
    /// Submission.
    pub submission: Option<Switch>,
}

impl Switches {
    /// The filters that these are, by name.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let name =
            |switch: Option<Switch>, on, off| switch.map(|switch| if switch == Switch::Enabled { on } else { off });
        let names = [
            name(self.imap, "imap", "not_imap"),
            name(self.pop3, "pop3", "not_pop3"),
            name(self.submission, "submission", "not_submission"),
        ];
        names.into_iter().flatten()
    }
}

/// A page of a list, as a caller asks for it.
#[derive(Clone)]
pub struct ListPage {
    /// In which order; the list's own when none is named.
    pub sort: Option<&'static SortKey>,
    /// From its end.
    pub descending: bool,
    /// After which row.
    pub after: Option<Place>,
    /// How many items, at most [`bounds::PAGE_ITEMS`].
    pub limit: usize,
}

impl From<PageRequest> for ListPage {
    fn from(page: PageRequest) -> Self {
        let after = (page.after != 0).then_some(Place { key: Key::Number(page.after), id: page.after });
        Self { sort: None, descending: false, after, limit: page.limit }
    }
}

impl ListPage {
    /// The list that is asked for, without filters yet.
    pub(super) fn of(&self, parts: &'static Parts) -> Result<Listing> {
        let own = Slice::first(parts, self.limit)?;
        let sort = self.sort.unwrap_or(own.sort);
        Ok(Listing::new(
            parts,
            Slice { sort, descending: self.descending, after: self.after.clone(), limit: self.limit },
        ))
    }
}

impl<T: serde::Serialize> Paged<T, Place> {
    /// Of rows that were fetched with one more than the page holds.
    pub(super) fn of_list<R>(rows: Vec<(R, Place)>, page: &ListPage, mut view: impl FnMut(R) -> T) -> Self {
        Self::cut(rows.into_iter().map(|(row, place)| (view(row), place)), page.limit)
    }
}

/// Filters by what the caller reaches: all at and below its tenant, or at and below one that it names.
pub(super) async fn within(
    listing: &mut Listing,
    tx: &mut Tx,
    caller: &Caller,
    tenant: Option<TenantId>,
) -> Result<()> {
    let (id, path, leaf) = match tenant {
        Some(id) => {
            let row = tenants::reach(tx, caller, id).await?;
            (id, row.path, row.kind == TenantKind::Customer)
        }
        None => (caller.tenant, caller.list_path()?.to_owned(), caller.role == Role::Customer),
    };
    // Below the root lies everything, below a customer nothing: an index alone then gives the order.
    if path.matches('.').count() <= 1 {
        return Ok(());
    }
    if leaf {
        return Ok(listing.by("tenant", [Arg::from(id.0)])?);
    }
    let end = path_end(&path);
    Ok(listing.by("below", [Arg::from(path), Arg::from(end)])?)
}

/// The values of the filter by prefix.
pub(super) fn prefix_range(given: &str, fold: impl Fn(&str) -> String) -> Result<[Arg; 2]> {
    if given.chars().any(char::is_control) {
        return Err(Error::field("prefix", "control_character", "must not contain control characters"));
    }
    if given.len() > bounds::PREFIX_OCTETS {
        let detail = format!("may have at most {} octets", bounds::PREFIX_OCTETS);
        return Err(Error::field("prefix", "too_long", detail));
    }
    let prefix = fold(given);
    let end = end_of(&prefix);
    Ok([prefix.into(), end.into()])
}

/// Names are filtered by as if they had no capital letters of ASCII.
pub(super) fn fold_name(prefix: &str) -> String {
    prefix.to_ascii_lowercase()
}
