//! What an address stands for: its domain, which is remembered, and one read of the addresses that it may mean.
//!
//! Where that leads further is `routes`' to follow. Invariant: an address of a domain that is known costs one read of the
//! database at most, and one of a name that is known to be no domain here none, so that nobody makes us work by
//! inventing recipients.

use super::routes::Posting;
use super::{DirectoryError, Inner, MailboxConfig, load};
use crate::db::addresses::{self, Addressee};
use crate::db::{Tx, aliases, domains, mailboxes, revisions, suspensions};
use crate::model::ids::{DomainId, MailboxId};
use crate::model::{DomainName, EmailAddress, Meanings, Revision, SuspensionScope, WhoMayPost};
use std::sync::Arc;

type Result<T> = std::result::Result<T, DirectoryError>;

/// A domain as look-ups see it: of one that stands for another, that one's say.
#[derive(Debug)]
pub(super) struct DomainConfig {
    /// Its id, and that of the domain that it stands for.
    pub ids: Vec<DomainId>,
    /// The domain whose addresses these are, where it is another.
    stands_for: Option<DomainName>,
    /// That which has the mailboxes.
    id: DomainId,
    catch_all: Option<EmailAddress>,
    reserved_to: Option<EmailAddress>,
    separator: String,
    suspended: Vec<SuspensionScope>,
    /// The revision this was read at.
    pub as_of: Revision,
    /// When a suspension ends by itself and this has to be read again, Unix milliseconds.
    pub valid_until: Option<i64>,
}

/// What an address stands for, and which suspensions of the domains on the way hold for it: a mailbox bears those of
/// its own domain itself.
pub(super) struct Lookup {
    pub found: Found,
    pub suspended: Vec<SuspensionScope>,
}

/// What an address stands for.
pub(super) enum Found {
    /// A mailbox.
    Mailbox(Arc<MailboxConfig>),
    /// Other addresses; with who may send to them, where not everybody may.
    Others(Vec<EmailAddress>, Option<Posting>),
    /// Nothing, in a domain of ours.
    UnknownAddress,
    /// Nothing: the domain is not ours.
    NotLocal,
}

/// A domain of ours by its name.
pub(super) async fn domain(inner: &Inner, name: &DomainName) -> Result<Option<Arc<DomainConfig>>> {
    let now = inner.clock.now_ms();
    if inner.feed.sees()
        && let Some(known) = inner.cache.domain(name, now).await
    {
        return Ok(known);
    }
    let mut tx = inner.look_up().await?;
    let found = load_domain(&mut tx, name, now).await?.map(Arc::new);
    let as_of = revisions::newest(&mut tx).await?;
    drop(tx);
    inner.cache.insert_domain(name, found.clone(), as_of).await;
    Ok(found)
}

async fn load_domain(tx: &mut Tx, name: &DomainName, now: i64) -> Result<Option<DomainConfig>> {
    let Some(own) = domains::find_by_name(tx, name).await? else { return Ok(None) };
    let mut held = in_force(tx, own.id, now).await?;
    let (mut ids, mut decides, mut stands_for) = (vec![own.id], own, None);
    if let Some(target) = decides.alias_of {
        let gone = || DirectoryError("a domain stands for none".into());
        decides = domains::find(tx, target).await?.ok_or_else(gone)?;
        held.extend(in_force(tx, decides.id, now).await?);
        ids.push(decides.id);
        stands_for = Some(decides.name.clone());
    }
    Ok(Some(DomainConfig {
        ids,
        stands_for,
        id: decides.id,
        catch_all: decides.catch_all,
        reserved_to: decides.reserved_to,
        separator: decides.separator,
        suspended: held.iter().map(|(scope, _)| *scope).collect(),
        as_of: revisions::newest(tx).await?,
        valid_until: held.iter().filter_map(|(_, until)| *until).min(),
    }))
}

/// The suspensions of a domain itself.
async fn in_force(tx: &mut Tx, id: DomainId, now: i64) -> Result<Vec<(SuspensionScope, Option<i64>)>> {
    Ok(suspensions::in_force(tx, MailboxId(0), id, now).await?)
}

/// What an address stands for: the address itself, else the same one of the domain that its domain
/// stands for, else the user without the detail (RFC 5233 §1), else who takes reserved addresses, else who takes all.
/// What once stood for something and is deleted or expired stands for nothing, so that nobody else gets its mail.
pub(super) async fn address(inner: &Inner, address: &EmailAddress) -> Result<Lookup> {
    let Some(domain) = domain(inner, address.domain()).await? else {
        return Ok(Lookup { found: Found::NotLocal, suspended: Vec::new() });
    };
    let meanings = Meanings::of(address, domain.stands_for.as_ref(), &domain.separator);
    let mut tx = inner.look_up().await?;
    if let Some((at, addressee)) = addresses::find_first(&mut tx, meanings.keys()).await? {
        // Its own name does not come by way of the domain.
        let mut suspended = if at == 0 { Vec::new() } else { domain.suspended.clone() };
        let found = named(inner, &mut tx, addressee, &mut suspended).await?;
        return Ok(Lookup { found, suspended });
    }
    let taker = match (meanings.is_reserved(), &domain.reserved_to, &domain.catch_all) {
        (true, Some(to), _) | (true, None, Some(to)) | (false, _, Some(to)) => Some(to.clone()),
        (true, None, None) => mailboxes::oldest(&mut tx, domain.id).await?,
        (false, _, None) => None,
    };
    let found = taker.map_or(Found::UnknownAddress, |to| Found::Others(vec![to], None));
    Ok(Lookup { found, suspended: domain.suspended.clone() })
}

/// What a name that was given stands for now.
async fn named(
    inner: &Inner,
    tx: &mut Tx,
    addressee: Addressee,
    suspended: &mut Vec<SuspensionScope>,
) -> Result<Found> {
    let now = inner.clock.now_ms();
    match addressee {
        Addressee::Mailbox(id) => {
            if inner.feed.sees()
                && let Some(known) = inner.cache.by_id(id, now).await
            {
                return Ok(Found::Mailbox(known));
            }
            let loaded = load::mailbox_in(tx, id, now).await?;
            Ok(inner.remember(loaded).await.map_or(Found::UnknownAddress, Found::Mailbox))
        }
        Addressee::Alias(id) => {
            let row = aliases::find(tx, id).await?.filter(|row| row.expires_at.is_none_or(|at| at > now));
            let Some(row) = row else { return Ok(Found::UnknownAddress) };
            suspended.extend(in_force(tx, row.domain, now).await?.into_iter().map(|(scope, _)| scope));
            let posting = (row.who_may_post != WhoMayPost::Anyone).then(|| Posting::of(&row));
            Ok(Found::Others(row.targets, posting))
        }
    }
}

/// Who takes the mail of reserved addresses when nobody else does: a domain's oldest mailbox, or for none the oldest
/// one of the operator's own.
pub(super) async fn last_resort(inner: &Inner, name: Option<&DomainName>) -> Result<Option<EmailAddress>> {
    let Some(name) = name else {
        return Ok(mailboxes::oldest_of_operator(&mut inner.look_up().await?).await?);
    };
    let Some(domain) = domain(inner, name).await? else { return Ok(None) };
    Ok(mailboxes::oldest(&mut inner.look_up().await?, domain.id).await?)
}
