//! The caller: who makes this request, and how far it reaches.

use super::dry_run::DryRun;
use super::together::Together;
use super::{Error, Result};
use crate::db::keys::Grants;
use crate::model::ids::{DomainId, KeyId, MailboxId, SignInId, TenantId, UserId};
use crate::model::{Duty, Resource, Role, Scope};
use std::sync::Arc;

/// Which user, key or mailbox calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerId {
    /// A user.
    User(UserId),
    /// An API key.
    Key(KeyId),
    /// A mailbox's owner.
    Mailbox(MailboxId),
    /// Facteur itself.
    System,
}

impl std::fmt::Display for CallerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
            Self::Mailbox(id) => id.fmt(f),
            Self::System => f.write_str("system"),
        }
    }
}

/// What a request is beyond its words.
#[derive(Debug, Clone, Default)]
pub struct Intent {
    /// Asks what a write would do, instead of doing it.
    pub dry_run: Option<DryRun>,
    /// The revision that a write undoes.
    pub undoes: Option<i64>,
    /// The id that what is made anew had before.
    pub old_id: Option<i64>,
    /// The writes that it is done together with.
    pub together: Option<Together>,
    /// The Idempotency-Key under which it is done once.
    pub once: Option<Arc<str>>,
    /// The hash of the password that the write brings, made beforehand.
    pub hash: Option<String>,
}

/// Who makes this request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Which one.
    pub id: CallerId,
    /// In which tenant.
    pub tenant: TenantId,
    /// That tenant's path: it reaches what begins with it.
    pub path: String,
    /// What it may do there.
    pub role: Role,
    /// True for a key, or a user by its duty, that may only read.
    pub read_only: bool,
    /// What the request is beyond its words.
    pub intent: Intent,
    /// When the key that calls ends, Unix milliseconds: what it makes must not outlast it.
    pub until: Option<i64>,
    /// What a user is there for; keys and mailbox owners have none.
    pub duty: Option<Duty>,
    /// What narrows the key that calls, or the user by its duty.
    pub grants: Arc<Grants>,
    /// The sign-in that its token is of.
    pub sign_in: Option<SignInId>,
    /// Whether it may do nothing before it has changed its password.
    pub must_change_password: bool,
    /// The id of who acts for it, where that is somebody else.
    pub actor: Option<String>,
}

impl Caller {
    /// One that may write, without end, and asks for nothing beyond the request's words.
    pub(super) fn new(id: CallerId, tenant: TenantId, path: String, role: Role) -> Self {
        Self {
            id,
            tenant,
            path,
            role,
            read_only: false,
            intent: Intent::default(),
            until: None,
            duty: None,
            grants: Arc::default(),
            sign_in: None,
            must_change_password: false,
            actor: None,
        }
    }

    /// Facteur itself, which stands above all tenants.
    pub(super) fn system() -> Self {
        Self::new(CallerId::System, TenantId(0), String::new(), Role::Operator)
    }

    /// The same one without what its duty narrows: for what is its own.
    pub(super) fn unbound(&self) -> Self {
        Self { read_only: false, grants: Arc::default(), ..self.clone() }
    }

    /// The id of who does it: of whoever acts, where that is not the caller itself.
    pub(super) fn who(&self) -> String {
        self.actor.clone().unwrap_or_else(|| self.id.to_string())
    }

    /// Refuses what would outlast somebody who acts for another: passwords, keys, work that goes on.
    pub(super) fn acts_for_itself(&self) -> Result<()> {
        match self.actor {
            None => Ok(()),
            Some(_) => Err(Error::NotAllowed(
                "whoever acts for somebody else changes no passwords, second factors and keys, and leaves nothing to be done later",
            )),
        }
    }

    /// Refuses what does not lie at or below the caller's tenant, as if it were not there.
    pub(super) fn reach(&self, path: &str) -> Result<()> {
        if self.grants.domains.is_none() { self.stands_above(path) } else { Err(Error::NotFound) }
    }

    /// Like [`Caller::reach`], for a domain and what is in it, which a key for some domains reaches too.
    pub(super) fn reach_domain(&self, path: &str, domain: DomainId) -> Result<()> {
        match &self.grants.domains {
            Some(domains) if !domains.contains(&domain) => Err(Error::NotFound),
            _ => self.stands_above(path),
        }
    }

    fn stands_above(&self, path: &str) -> Result<()> {
        if self.role != Role::MailboxUser && path.starts_with(&self.path) { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Refuses what the caller is not for.
    pub fn may_use(&self, resource: Resource, write: bool) -> Result<()> {
        // A webhook tells of revisions: who may not read them has no use of one that is honest.
        let also = (resource == Resource::Webhooks).then_some(Scope::reading(Resource::Revisions));
        let within = |wanted: Scope| match &self.grants.scopes {
            Some(scopes) => scopes.iter().any(|scope| scope.covers(&wanted)),
            None => true,
        };
        if write {
            self.may_write()?;
        }
        if within(Scope::of(resource, write)) && also.is_none_or(within) {
            Ok(())
        } else {
            Err(Error::NotAllowed("the scopes of who calls do not name this"))
        }
    }

    /// Refuses to make what would reach further than the caller, or outlast it: users and webhooks know neither
    /// scopes nor an end.
    pub(super) fn may_make_lasting(&self) -> Result<()> {
        self.acts_for_itself()?;
        if *self.grants == Grants::default() && self.until.is_none() {
            Ok(())
        } else {
            Err(Error::NotAllowed("who has scopes, domains, networks or an end makes no users or webhooks"))
        }
    }

    /// Like [`Caller::reach`], for a mailbox, which its owner reaches too.
    pub(super) fn reach_mailbox(&self, path: &str, domain: DomainId, mailbox: MailboxId) -> Result<()> {
        if self.id == CallerId::Mailbox(mailbox) { Ok(()) } else { self.reach_domain(path, domain) }
    }

    /// The path of lists; a mailbox's owner has none.
    pub(super) fn list_path(&self) -> Result<&str> {
        match self.role {
            Role::MailboxUser => {
                Err(Error::NotAllowed("a mailbox's owner may only read and change the mailbox itself"))
            }
            _ if self.grants.domains.is_some() => {
                Err(Error::NotAllowed("this key is for some domains: name one of them"))
            }
            _ => Ok(&self.path),
        }
    }

    /// Refuses keys that may only read, and mailbox owners.
    pub fn may_administer(&self) -> Result<()> {
        self.may_write()?;
        if self.role == Role::MailboxUser { self.list_path().map(drop) } else { Ok(()) }
    }

    /// Refuses keys that may only read.
    pub(super) fn may_write(&self) -> Result<()> {
        if self.read_only { Err(Error::NotAllowed("who calls may only read")) } else { Ok(()) }
    }

    /// How deep in the tree it stands: 1 for the operator.
    pub(super) fn level(&self) -> i64 {
        self.path.matches('.').count() as i64
    }
}
