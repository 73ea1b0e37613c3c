//! Where an address delivers: mailbox before alias, aliases followed in breadth, bounded.

use super::load::Found;
use super::{DirectoryError, Inner, MailboxConfig, Route, load};
use crate::model::ids::MailboxId;
use crate::model::{EmailAddress, bounds};
use std::collections::HashSet;
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
    if let Some(known) = inner.cache.by_key(address.key(), now).await {
        return Ok(Some(Target::Mailbox(known)));
    }
    Ok(match load::address(&inner.db, address.key(), now).await? {
        Some(Found::Mailbox(config)) => inner.remember(Some(config)).await?.map(Target::Mailbox),
        Some(Found::Alias(targets)) => Some(Target::Alias(targets)),
        None => None,
    })
}

/// All mailboxes and remote addresses that an alias comes to. Loops are refused when aliases are
/// written; what two racing writes might still make ends here by never visiting an address twice.
async fn expand(inner: &Inner, targets: Vec<EmailAddress>) -> Result<Route, DirectoryError> {
    let mut visited = HashSet::new();
    let mut found: HashSet<MailboxId> = HashSet::new();
    let (mut mailboxes, mut remote) = (Vec::new(), Vec::new());
    let mut level = targets;
    for _ in 0..bounds::ALIAS_DEPTH {
        let mut next = Vec::new();
        for target in level {
            if !visited.insert(target.key().to_owned()) || mailboxes.len() + remote.len() >= bounds::ALIAS_FAN_OUT {
                continue;
            }
            match find(inner, &target).await? {
                Some(Target::Mailbox(mailbox)) if found.insert(mailbox.id) => mailboxes.push(mailbox),
                Some(Target::Mailbox(_)) => {}
                Some(Target::Alias(more)) => next.extend(more),
                // A local address that is gone since the alias was written delivers nowhere.
                None if load::is_local(&inner.db, target.domain()).await? => {}
                None => remote.push(target),
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    if mailboxes.is_empty() && remote.is_empty() {
        return Ok(Route::UnknownAddress);
    }
    Ok(Route::Local { mailboxes, remote })
}
