//! Where an address delivers: what it stands for, aliases followed in breadth, bounded.
//!
//! What an address stands for is `lookup`'s to say. Invariant: no address is visited twice, and a mailbox
//! that takes no mail is never an answer.

use super::{DirectoryError, Inner, MailboxConfig, Route, lookup};
use crate::db::aliases::AliasRow;
use crate::model::ids::MailboxId;
use crate::model::meanings::is_reserved;
use crate::model::{DomainName, EmailAddress, SuspensionScope, WhoMayPost, bounds};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Who may send to a list.
#[derive(Debug, Clone)]
pub struct Posting {
    who: WhoMayPost,
    domain: DomainName,
    members: Vec<EmailAddress>,
    posters: Vec<EmailAddress>,
}

impl Posting {
    pub(super) fn of(row: &AliasRow) -> Self {
        Self {
            who: row.who_may_post,
            domain: row.address.domain().clone(),
            members: row.targets.clone(),
            posters: row.posters.clone(),
        }
    }

    /// Whether a sender may send to it. Who sends without an address (a bounce) may not.
    pub fn admits(&self, sender: Option<&EmailAddress>) -> bool {
        let Some(sender) = sender else { return self.who == WhoMayPost::Anyone };
        self.posters.contains(sender)
            || match self.who {
                WhoMayPost::Anyone => true,
                WhoMayPost::Members => self.members.contains(sender),
                WhoMayPost::Domain => sender.domain() == &self.domain,
                WhoMayPost::Listed => false,
            }
    }
}

pub(super) async fn route(inner: &Inner, address: &EmailAddress) -> Result<Route, DirectoryError> {
    let route = lead(inner, address).await?;
    if matches!(route, Route::UnknownAddress) && is_reserved(address) {
        // RFC 5321 §4.5.1, RFC 2142 §4, §5: also when the one who was to take it is gone.
        return last_resort(inner, Some(address.domain())).await;
    }
    Ok(route)
}

/// Where `<Postmaster>` without a domain goes: to our host's, else to the operator (RFC 5321 §4.5.1).
pub(super) async fn route_postmaster(inner: &Inner, address: &EmailAddress) -> Result<Route, DirectoryError> {
    match route(inner, address).await? {
        Route::NotLocal | Route::UnknownAddress => last_resort(inner, None).await,
        local => Ok(local),
    }
}

async fn last_resort(inner: &Inner, domain: Option<&DomainName>) -> Result<Route, DirectoryError> {
    match lookup::last_resort(inner, domain).await? {
        Some(to) => lead(inner, &to).await,
        None => Ok(Route::UnknownAddress),
    }
}

async fn lead(inner: &Inner, address: &EmailAddress) -> Result<Route, DirectoryError> {
    let Found { target, suspended } = find(inner, address).await?;
    match target {
        Target::Mailbox(mailbox) if mailbox.takes_mail => {
            Ok(Route::Local { mailboxes: vec![mailbox], remote: Vec::new(), lists: Vec::new(), suspended })
        }
        Target::Mailbox(_) | Target::UnknownAddress => Ok(Route::UnknownAddress),
        Target::Others(targets, posting) => expand(inner, targets, posting, suspended).await,
        Target::NotLocal => Ok(Route::NotLocal),
    }
}

/// What an address leads to, and the suspensions of the domains on the way.
struct Found {
    target: Target,
    suspended: Vec<SuspensionScope>,
}

enum Target {
    Mailbox(Arc<MailboxConfig>),
    Others(Vec<EmailAddress>, Option<Posting>),
    UnknownAddress,
    NotLocal,
}

async fn find(inner: &Inner, address: &EmailAddress) -> Result<Found, DirectoryError> {
    let now = inner.clock.now_ms();
    if inner.feed.sees()
        && let Some(known) = inner.cache.by_key(address.key(), now).await
    {
        return Ok(Found { target: Target::Mailbox(known), suspended: Vec::new() });
    }
    let lookup::Lookup { found, suspended } = lookup::address(inner, address).await?;
    let target = match found {
        lookup::Found::Mailbox(mailbox) => Target::Mailbox(mailbox),
        lookup::Found::Others(targets, posting) => Target::Others(targets, posting),
        lookup::Found::UnknownAddress => Target::UnknownAddress,
        lookup::Found::NotLocal => Target::NotLocal,
    };
    Ok(Found { target, suspended })
}

/// All mailboxes and remote addresses that an alias comes to. Loops are refused when aliases are
/// written; none is visited twice here. An alias that comes to too many is not cut short, which would
/// lose mail that was accepted: it fails for now, until someone mends it.
async fn expand(
    inner: &Inner,
    targets: Vec<EmailAddress>,
    posting: Option<Posting>,
    mut suspended: Vec<SuspensionScope>,
) -> Result<Route, DirectoryError> {
    let mut visited = HashSet::new();
    let mut found: HashSet<MailboxId> = HashSet::new();
    let (mut mailboxes, mut remote, mut lists) = (Vec::new(), Vec::new(), Vec::from_iter(posting));
    let mut waiting = VecDeque::from(targets);
    while let Some(target) = waiting.pop_front() {
        if !visited.insert(target.key().to_owned()) {
            continue;
        }
        if visited.len() > bounds::ALIAS_FAN_OUT {
            return Err(DirectoryError(format!("an alias comes to more than {} addresses", bounds::ALIAS_FAN_OUT)));
        }
        let Found { target: leads_to, suspended: on_the_way } = find(inner, &target).await?;
        suspended.extend(on_the_way);
        match leads_to {
            Target::Mailbox(mailbox) if mailbox.takes_mail && found.insert(mailbox.id) => mailboxes.push(mailbox),
            // A local address that is gone since the alias was written delivers nowhere.
            Target::Mailbox(_) | Target::UnknownAddress => {}
            Target::Others(more, posting) => {
                waiting.extend(more);
                lists.extend(posting);
            }
            Target::NotLocal => remote.push(target),
        }
    }
    if mailboxes.is_empty() && remote.is_empty() {
        return Ok(Route::UnknownAddress);
    }
    Ok(Route::Local { mailboxes, remote, lists, suspended })
}
