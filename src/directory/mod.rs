//! The read side of configuration, as the mail services see it.
//!
//! It reads through to the database on a miss, keeps what is in use, and drops what a
//! revision touches. It never writes configuration and never holds all of it.
//! Invariant: after [`Directory::wait_applied`] of a revision, no answer here is older.

pub mod activity;
mod app_password;
mod cache;
mod feed;
mod load;
pub mod login;
mod lookup;
mod nodes;
mod notes;
mod routes;
mod sends;
pub mod sessions;

pub use activity::{Activity, Counting};
pub use app_password::{Admitted, AppPassword};
pub use login::{Login, LoginError};
pub use nodes::{Everywhere, NodeInfo};
pub use routes::Posting;
pub use sends::SendLimit;
pub use sessions::{EndReason, SessionGuard, SessionInfo, Sessions};

use crate::clock::Clock;
use crate::db::{Db, DbError, Tx};
use crate::meters::meters;
use crate::model::ids::{DomainId, MailboxId, PlanId, TenantId};
use crate::model::{
    DomainName, EmailAddress, Network, Pop3Policy, Protocol, Quota, Revision, SettingLevel, SuspensionScope, Touch,
};
use cache::Cache;
use nodes::Nodes;
use sessions::Registry;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The database did not answer; the caller answers with a temporary failure.
#[derive(Debug, thiserror::Error)]
#[error("the directory cannot answer now: {0}")]
pub struct DirectoryError(pub String);

impl From<DbError> for DirectoryError {
    fn from(error: DbError) -> Self {
        Self(error.to_string())
    }
}

/// A mailbox with everything a mail service asks about it, settings already resolved.
#[derive(Debug, Clone)]
pub struct MailboxConfig {
    /// The mailbox.
    pub id: MailboxId,
    /// Its domain.
    pub domain: DomainId,
    /// The tenant that owns the domain.
    pub tenant: TenantId,
    /// That tenant and those above it, with their plans: when one of them changes, this is void.
    pub above: Arc<Above>,
    /// Its address.
    pub address: EmailAddress,
    /// The stored password hash, with its scheme; `None` when no password is set.
    pub password_hash: Option<Arc<str>>,
    /// What opens it beside the password.
    pub app_passwords: Arc<[AppPassword]>,
    /// Whether the password itself opens no mail protocol.
    pub app_passwords_only: bool,
    /// Rises with every change of the password: what was verified before is void.
    pub password_epoch: i64,
    /// Its limits.
    pub quota: Quota,
    /// Effective access per protocol, in the order of [`Protocol::ALL`].
    pub access: [Access; 3],
    /// What POP3's DELE does, and expiry.
    pub pop3_policy: Pop3Policy,
    /// False while a suspension refuses incoming mail for now.
    pub may_receive: bool,
    /// False when it takes no mail at all: it sends alone, or has ended.
    pub takes_mail: bool,
    /// False while a suspension refuses what it submits.
    pub may_send: bool,
    /// How much plans let it send, nearest first.
    pub send_limits: Arc<[SendLimit]>,
    /// The revision this was read at.
    pub as_of: Revision,
    /// When a suspension ends by itself and this has to be read again, Unix milliseconds.
    pub valid_until: Option<i64>,
}

/// What a mailbox inherits from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Above {
    /// The tenants, nearest first.
    pub tenants: Vec<TenantId>,
    /// Their plans.
    pub plans: Vec<PlanId>,
}

/// An effective protocol setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whether the protocol may be used now.
    pub allowed: bool,
    /// The level that decided.
    pub source: SettingLevel,
    /// Whether a login needs TLS.
    pub tls_only: bool,
    /// The level that decided it.
    pub tls_only_source: SettingLevel,
    /// The networks a login may come from; an empty list is everywhere.
    pub allow_from: Arc<[Network]>,
    /// The level that decided it.
    pub allow_from_source: SettingLevel,
}

impl Access {
    /// Whether somebody may come in from here, with or without TLS.
    pub fn admits(&self, peer: IpAddr, tls: bool) -> bool {
        self.allowed && (tls || !self.tls_only) && self.is_from_allowed(peer)
    }

    fn is_from_allowed(&self, peer: IpAddr) -> bool {
        self.allow_from.is_empty() || self.allow_from.iter().any(|network| network.contains(peer))
    }
}

impl MailboxConfig {
    /// The effective setting of one protocol.
    pub fn access(&self, protocol: Protocol) -> &Access {
        match protocol {
            Protocol::Imap => &self.access[0],
            Protocol::Pop3 => &self.access[1],
            Protocol::Submission => &self.access[2],
        }
    }
}

/// Where an address delivers.
#[derive(Debug, Clone)]
pub enum Route {
    /// To these mailboxes (one for a mailbox's own address, several for an alias).
    Local {
        /// The mailboxes, without repeats.
        mailboxes: Vec<Arc<MailboxConfig>>,
        /// Targets of an alias that are not ours; refused until outbound delivery exists.
        remote: Vec<EmailAddress>,
        /// Who may send here: all of them must admit the sender.
        lists: Vec<Posting>,
        /// Suspensions of the domains on the way; the mailboxes bear those of their own.
        suspended: Vec<SuspensionScope>,
    },
    /// The domain is ours, the address is not (`550 5.1.1`).
    UnknownAddress,
    /// The domain is not ours: a remote recipient.
    NotLocal,
}

/// What a revision did to this node's live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Sessions it ended.
    pub sessions_closed: u64,
    /// Sessions of the touched mailboxes that go on.
    pub sessions_remaining: u64,
}

/// The directory of this node; cheap to clone.
#[derive(Clone)]
pub struct Directory {
    sessions: Sessions,
}

impl Directory {
    /// Over the control plane's database, caught up with its newest revision: no
    /// configuration is read until somebody asks for it. `name` is this node's for people.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open(db: Db, clock: Clock, name: &str) -> Result<Self, DirectoryError> {
        let newest = load::newest_revision(&db).await?;
        let inner = Arc::new(Inner {
            nodes: Nodes::new(name, clock.now_ms()),
            db,
            clock,
            cache: Cache::new(newest),
            registry: Registry::default(),
            feed: feed::Progress::new(newest),
            look_ups: AtomicU64::new(0),
        });
        Ok(Self { sessions: Sessions::new(inner) })
    }

    fn inner(&self) -> &Arc<Inner> {
        self.sessions.inner()
    }

    /// Follows the revision log until the shutdown; `committed` is woken by commits of this process.
    pub async fn follow(&self, committed: Arc<Notify>, shutdown: CancellationToken) {
        feed::follow(self.inner(), committed, shutdown).await;
    }

    /// A mailbox by its address (aliases do not count).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mailbox_by_address(
        &self,
        address: &EmailAddress,
    ) -> Result<Option<Arc<MailboxConfig>>, DirectoryError> {
        self.inner().mailbox_by_key(address.key()).await
    }

    /// A mailbox by its id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mailbox(&self, id: MailboxId) -> Result<Option<Arc<MailboxConfig>>, DirectoryError> {
        self.inner().mailbox(id).await
    }

    /// Where an address delivers: mailbox, then alias (aliases of aliases followed, to
    /// [`crate::model::bounds::ALIAS_FAN_OUT`] addresses in all).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn route(&self, address: &EmailAddress) -> Result<Route, DirectoryError> {
        routes::route(self.inner(), address).await
    }

    /// Where `<Postmaster>` without a domain delivers; `address` is the one of our own host.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn route_postmaster(&self, address: &EmailAddress) -> Result<Route, DirectoryError> {
        routes::route_postmaster(self.inner(), address).await
    }

    /// Whether mail for a domain is delivered here.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn is_local(&self, domain: &DomainName) -> Result<bool, DirectoryError> {
        Ok(lookup::domain(self.inner(), domain).await?.is_some())
    }

    /// How often the database was asked for what was not in memory, since the start.
    pub fn look_ups(&self) -> u64 {
        self.inner().look_ups.load(Ordering::Relaxed)
    }

    /// Whether this mailbox may send with this address: its own, or an alias that delivers to it (RFC 6409 §6.1).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn may_send_as(&self, mailbox: &MailboxConfig, sender: &EmailAddress) -> Result<bool, DirectoryError> {
        if mailbox.address == *sender {
            return Ok(true);
        }
        match self.route(sender).await? {
            // Who gets a list's mail does not therefore speak for the list, nor anybody for a domain that may not send.
            Route::Local { mailboxes, lists, suspended, .. } => {
                let held = suspended.contains(&SuspensionScope::SendReject);
                Ok(!held && lists.is_empty() && mailboxes.iter().any(|target| target.id == mailbox.id))
            }
            Route::UnknownAddress | Route::NotLocal => Ok(false),
        }
    }

    /// The newest revision this node obeys.
    pub fn applied(&self) -> Revision {
        self.inner().feed.applied()
    }

    /// Waits until this node obeys `revision`; returns what that one did to sessions here.
    pub async fn wait_applied(&self, revision: Revision) -> Applied {
        self.inner().feed.wait(revision).await
    }

    /// Waits until this node obeys `revision`, and then, but no longer than `patience`, until all live nodes do.
    pub async fn wait_everywhere(&self, revision: Revision, patience: Duration) -> Everywhere {
        let inner = self.inner();
        inner.feed.wait(revision).await;
        inner.nodes.everywhere(&inner.clock, &inner.feed, revision, patience).await
    }

    /// The nodes of this configuration, this one first.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let inner = self.inner();
        inner.nodes.list(inner.clock.now_ms(), inner.feed.applied())
    }

    /// Changes with each revision that this node has come to obey.
    pub fn applied_changes(&self) -> watch::Receiver<Revision> {
        self.inner().feed.subscribe()
    }

    /// What a change that is not committed would do to sessions here, asked in its own transaction.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn foresee(&self, tx: &mut Tx, touches: &[Touch]) -> Result<Applied, DirectoryError> {
        feed::foresee(self.inner(), tx, touches).await
    }

    /// The live sessions of this node.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

/// What the parts of a directory share.
struct Inner {
    db: Db,
    clock: Clock,
    cache: Cache,
    registry: Registry,
    feed: feed::Progress,
    nodes: Nodes,
    look_ups: AtomicU64,
}

impl Inner {
    /// A read of the database for somebody who asked, counted.
    async fn look_up(&self) -> Result<Tx, DirectoryError> {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        meters().look_up();
        Ok(self.db.read().await?)
    }

    async fn mailbox(&self, id: MailboxId) -> Result<Option<Arc<MailboxConfig>>, DirectoryError> {
        if self.feed.sees()
            && let Some(known) = self.cache.by_id(id, self.clock.now_ms()).await
        {
            return Ok(Some(known));
        }
        let loaded = load::mailbox_in(&mut self.look_up().await?, id, self.clock.now_ms()).await?;
        Ok(self.remember(loaded).await)
    }

    async fn mailbox_by_key(&self, key: &str) -> Result<Option<Arc<MailboxConfig>>, DirectoryError> {
        if self.feed.sees()
            && let Some(known) = self.cache.by_key(key, self.clock.now_ms()).await
        {
            return Ok(Some(known));
        }
        let loaded = load::mailbox_by_key(&mut self.look_up().await?, key, self.clock.now_ms()).await?;
        Ok(self.remember(loaded).await)
    }

    async fn remember(&self, loaded: Option<MailboxConfig>) -> Option<Arc<MailboxConfig>> {
        let loaded = Arc::new(loaded?);
        self.cache.insert(loaded.clone()).await;
        Some(loaded)
    }
}
