//! Mailboxes and domains that are in use, names that are no domains here, and which of them a revision has made void.
//!
//! Nothing is dropped when configuration changes: an entry knows the revision it was read at and
//! is void when its mailbox, its domain, or a tenant or plan above was touched later; that a name is none of our domains
//! is void when any domain was. Invariant: the memory of touches and of
//! entries is bounded, and a read that raced with a change never stays.

use super::MailboxConfig;
use super::lookup::DomainConfig;
use crate::model::ids::{DomainId, MailboxId, PlanId, TenantId};
use crate::model::{DomainName, Revision, Touch};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Mailboxes remembered at once (about 1 KiB each).
const MAILBOXES: u64 = 100_000;
/// Domains remembered at once (about 500 octets each).
const DOMAINS: u64 = 50_000;
/// Names remembered that are no domains here (at most 255 octets each): whoever makes up more only makes us look them up.
const NOT_LOCAL: u64 = 20_000;
/// Unused entries go after so long.
const IDLE: Duration = Duration::from_secs(3600);
/// Touches remembered one by one; past it everything older is void.
const TOUCHES: usize = 20_000;

pub(super) struct Cache {
    by_id: moka::future::Cache<MailboxId, Arc<MailboxConfig>>,
    by_key: moka::future::Cache<Arc<str>, Arc<MailboxConfig>>,
    domains: moka::future::Cache<DomainName, Arc<DomainConfig>>,
    /// Each with the revision at which it was none.
    not_local: moka::future::Cache<DomainName, Revision>,
    touched: RwLock<Touched>,
}

#[derive(Default)]
struct Touched {
    /// Entries read before this revision are void.
    floor: Revision,
    mailboxes: HashMap<MailboxId, Revision>,
    domains: HashMap<DomainId, Revision>,
    /// The last revision that touched any domain.
    any_domain: Revision,
    tenants: HashMap<TenantId, Revision>,
    plans: HashMap<PlanId, Revision>,
}

impl Cache {
    pub fn new(floor: Revision) -> Self {
        Self {
            by_id: moka::future::Cache::builder().max_capacity(MAILBOXES).time_to_idle(IDLE).build(),
            by_key: moka::future::Cache::builder().max_capacity(MAILBOXES).time_to_idle(IDLE).build(),
            domains: moka::future::Cache::builder().max_capacity(DOMAINS).time_to_idle(IDLE).build(),
            not_local: moka::future::Cache::builder().max_capacity(NOT_LOCAL).time_to_idle(IDLE).build(),
            touched: RwLock::new(Touched { floor, ..Touched::default() }),
        }
    }

    /// A domain that is still as it was read; `Some(None)` for a name that is still none.
    pub async fn domain(&self, name: &DomainName, now: i64) -> Option<Option<Arc<DomainConfig>>> {
        if let Some(known) = self.domains.get(name).await.filter(|domain| self.stands(domain, now)) {
            return Some(Some(known));
        }
        let as_of = self.not_local.get(name).await?;
        let touched = self.touched.read();
        (as_of >= touched.floor && as_of >= touched.any_domain).then_some(None)
    }

    /// Remembers what a name was at a revision.
    pub async fn insert_domain(&self, name: &DomainName, found: Option<Arc<DomainConfig>>, as_of: Revision) {
        match found {
            Some(domain) => self.domains.insert(name.clone(), domain).await,
            None => self.not_local.insert(name.clone(), as_of).await,
        }
    }

    fn stands(&self, domain: &DomainConfig, now: i64) -> bool {
        let touched = self.touched.read();
        domain.valid_until.is_none_or(|until| until > now)
            && domain.as_of >= touched.floor
            && domain.ids.iter().all(|id| touched.domains.get(id).is_none_or(|at| *at <= domain.as_of))
    }

    /// A mailbox that is still as it was read.
    pub async fn by_id(&self, id: MailboxId, now: i64) -> Option<Arc<MailboxConfig>> {
        self.by_id.get(&id).await.filter(|config| self.holds(config, now))
    }

    /// A mailbox that is still as it was read, by its address key.
    pub async fn by_key(&self, key: &str, now: i64) -> Option<Arc<MailboxConfig>> {
        self.by_key.get(key).await.filter(|config| self.holds(config, now))
    }

    pub async fn insert(&self, config: Arc<MailboxConfig>) {
        self.by_key.insert(config.address.key().into(), config.clone()).await;
        self.by_id.insert(config.id, config).await;
    }

    /// Forgets a mailbox that was written without a revision.
    pub async fn forget(&self, config: &MailboxConfig) {
        self.by_id.invalidate(&config.id).await;
        self.by_key.invalidate(config.address.key()).await;
    }

    fn holds(&self, config: &MailboxConfig, now: i64) -> bool {
        if config.valid_until.is_some_and(|until| until <= now) {
            return false;
        }
        let touched = self.touched.read();
        let since = |at: Option<&Revision>| at.is_none_or(|at| *at <= config.as_of);
        config.as_of >= touched.floor
            && since(touched.mailboxes.get(&config.id))
            && since(touched.domains.get(&config.domain))
            && config.above.tenants.iter().all(|id| since(touched.tenants.get(id)))
            && config.above.plans.iter().all(|id| since(touched.plans.get(id)))
    }

    /// Makes void what a revision touches.
    pub fn touch(&self, revision: Revision, touches: &[Touch]) {
        let mut touched = self.touched.write();
        for touch in touches {
            match touch {
                Touch::Mailbox(id) => {
                    touched.mailboxes.insert(*id, revision);
                }
                Touch::Domain(id) => {
                    touched.domains.insert(*id, revision);
                    touched.any_domain = revision;
                }
                Touch::Tenant(id) => {
                    touched.tenants.insert(*id, revision);
                }
                Touch::Plan(id) => {
                    touched.plans.insert(*id, revision);
                }
                // Nothing of these is kept here: they are read when they are asked for.
                Touch::Alias(_) | Touch::User(_) | Touch::Key(_) | Touch::Closes(_) => {}
            }
        }
        let remembered = touched.mailboxes.len() + touched.domains.len() + touched.tenants.len() + touched.plans.len();
        if remembered > TOUCHES {
            *touched = Touched { floor: revision, ..Touched::default() };
        }
    }

    /// Makes everything void that was read before a revision.
    pub fn touch_everything(&self, revision: Revision) {
        *self.touched.write() = Touched { floor: revision, ..Touched::default() };
    }
}
