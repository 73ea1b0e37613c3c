//! Where an address delivers: mailbox before alias, aliases followed in breadth, bounded.

use super::load::Found;
use super::{DirectoryError, Inner, MailboxConfig, Route, load};
use crate::model::ids::MailboxId;
use crate::model::{EmailAddress, bounds};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

pub(super) async fn route(inner: &Inner, address: &EmailAddress) -> Result<Route, DirectoryError> {
    match find(inner, address).await? {
        Some(Target::Mailbox(mailbox)) => Ok(Route::Local { mailboxes: vec![mailbox], remote: Vec::new() }),
        Some(Target::Alias(targets)) => expand(inner, targets).await,
        None if load::is_local(&inner.db, address.domain()).await? => Ok(Route::UnknownAddress),
        None => Ok(Route::NotLocal),
    }
}

enum Target {
    Mailbox(Arc<MailboxConfig>),
    Alias(Vec<EmailAddress>),
}

async fn find(inner: &Inner, address: &EmailAddress) -> Result<Option<Target>, DirectoryError> {
    let now = inner.clock.now_ms();
    if inner.feed.sees()
        && let Some(known) = inner.cache.by_key(address.key(), now).await
    {
        return Ok(Some(Target::Mailbox(known)));
    }
    Ok(match load::address(&inner.db, address.key(), now).await? {
        Some(Found::Mailbox(config)) => inner.remember(Some(*config)).await?.map(Target::Mailbox),
        Some(Found::Alias(targets)) => Some(Target::Alias(targets)),
        None => None,
    })
}

/// All mailboxes and remote addresses that an alias comes to. Loops are refused when aliases are
/// written; none is visited twice here. An alias that comes to too many is not cut short, which would
/// lose mail that was accepted: it fails for now, until someone mends it.
async fn expand(inner: &Inner, targets: Vec<EmailAddress>) -> Result<Route, DirectoryError> {
    let mut visited = HashSet::new();
    let mut found: HashSet<MailboxId> = HashSet::new();
    let (mut mailboxes, mut remote) = (Vec::new(), Vec::new());
    let mut waiting = VecDeque::from(targets);
    while let Some(target) = waiting.pop_front() {
        if !visited.insert(target.key().to_owned()) {
            continue;
        }
        if visited.len() > bounds::ALIAS_FAN_OUT {
            return Err(DirectoryError(format!("an alias comes to more than {} addresses", bounds::ALIAS_FAN_OUT)));
        }
        match find(inner, &target).await? {
            Some(Target::Mailbox(mailbox)) if found.insert(mailbox.id) => mailboxes.push(mailbox),
            Some(Target::Mailbox(_)) => {}
            Some(Target::Alias(more)) => waiting.extend(more),
            // A local address that is gone since the alias was written delivers nowhere.
            None if load::is_local(&inner.db, target.domain()).await? => {}
            None => remote.push(target),
        }
    }
    if mailboxes.is_empty() && remote.is_empty() {
        return Ok(Route::UnknownAddress);
    }
    Ok(Route::Local { mailboxes, remote })
}
