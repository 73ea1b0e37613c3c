//! The live sessions of this node: who is signed in, and the switch that ends each.
//!
//! It holds no sockets. Invariant: a session that is registered has been admitted by
//! configuration no older than what the directory has applied.

use super::feed::verdict;
use super::{Above, Access, Admitted, AppPassword, DirectoryError, Inner};
use crate::model::ids::{AppPasswordId, DomainId, MailboxId, SessionId};
use crate::model::{Protocol, Touch, bounds};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// Why a session is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The protocol was switched off for the mailbox.
    ProtocolDisabled,
    /// The mailbox or its domain was suspended.
    Suspended,
    /// The password was changed.
    PasswordChanged,
    /// What it signed in with opens this no more.
    PasswordRevoked,
    /// The mailbox was deleted or renamed.
    MailboxGone,
    /// Somebody ended it over the API.
    Closed,
    /// The server is shutting down.
    Shutdown,
}

impl EndReason {
    /// One sentence for the client, in the words every protocol uses.
    pub fn text(self) -> &'static str {
        match self {
            Self::ProtocolDisabled => "This protocol is disabled for the mailbox",
            Self::Suspended => "The mailbox is suspended",
            Self::PasswordChanged => "The password was changed, sign in again",
            Self::PasswordRevoked => "This password was revoked for mail programs",
            Self::MailboxGone => "The mailbox no longer exists under this name",
            Self::Closed => "The session was ended by an administrator",
            Self::Shutdown => "The server is shutting down",
        }
    }

    /// True when signing in again at once will be refused.
    pub fn is_permanent(self) -> bool {
        matches!(self, Self::ProtocolDisabled | Self::Suspended | Self::PasswordRevoked | Self::MailboxGone)
    }
}

/// A live session as the API shows it.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The session.
    pub id: SessionId,
    /// Whose.
    pub mailbox: MailboxId,
    /// By which protocol.
    pub protocol: Protocol,
    /// From where.
    pub peer: SocketAddr,
    /// Whether TLS protects it.
    pub tls: bool,
    /// Since when, Unix milliseconds.
    pub since: i64,
    /// The last command's name, without arguments.
    pub last_command: &'static str,
    /// When it came, Unix milliseconds.
    pub last_command_at: i64,
}

/// The live sessions; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The mailbox has as many sessions as it may have.
    #[error("too many sessions of this mailbox")]
    TooMany,
    /// Configuration changed since the login and no longer admits it.
    #[error("no longer admitted")]
    Denied(EndReason),
    /// The directory could not be asked.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Sessions {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Registers a signed-in session; looks at the newest configuration once more, so
    /// that a change between login and registration is not missed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        &self,
        admitted: impl Into<Admitted>,
        protocol: Protocol,
        peer: SocketAddr,
        tls: bool,
    ) -> Result<SessionGuard, OpenError> {
        let Admitted { mailbox, app_password } = admitted.into();
        let now = self.inner.clock.now_ms();
        let entry = Arc::new(Entry {
            id: SessionId(self.inner.registry.next_id(now)),
            mailbox: mailbox.id,
            domain: mailbox.domain,
            above: Mutex::new(mailbox.above.clone()),
            address_key: mailbox.address.key().into(),
            password_epoch: mailbox.password_epoch,
            app_password,
            protocol,
            peer,
            tls,
            since: now,
            last: Mutex::new(("LOGIN", now)),
            ending: OnceLock::new(),
            woken: Notify::new(),
        });
        if !self.inner.registry.insert(&entry) {
            return Err(OpenError::TooMany);
        }
        let guard = SessionGuard { entry, inner: self.inner.clone() };
        // The feed looks at registered sessions alone; what it applied before that is seen here.
        let newest = self.inner.mailbox(guard.entry.mailbox).await?;
        if let Some(newest) = &newest {
            guard.entry.stands_below(&newest.above);
        }
        match verdict(&guard.entry, newest.as_deref(), now) {
            Some(reason) => Err(OpenError::Denied(reason)),
            None => Ok(guard),
        }
    }

    /// The sessions of a mailbox.
    pub fn of_mailbox(&self, mailbox: MailboxId) -> Vec<SessionInfo> {
        self.inner.registry.of_mailbox(mailbox).iter().map(|entry| entry.info()).collect()
    }

    /// Ends one session of a mailbox; false when there is none of that id.
    pub fn end(&self, mailbox: MailboxId, session: SessionId) -> bool {
        let entry = self.inner.registry.of_mailbox(mailbox).into_iter().find(|entry| entry.id == session);
        entry.is_some_and(|entry| entry.end(EndReason::Closed))
    }

    /// How many sessions of a protocol are open.
    pub fn count_of(&self, protocol: Protocol) -> usize {
        let open = self.inner.registry.open.lock();
        open.sessions.values().flatten().filter(|entry| entry.protocol == protocol).count()
    }

    /// How many sessions are open.
    pub fn count(&self) -> usize {
        self.inner.registry.open.lock().sessions.values().map(Vec::len).sum()
    }
}

/// Which sessions are open, by mailbox.
#[derive(Default)]
pub(super) struct Registry {
    open: Mutex<Open>,
    last_id: AtomicI64,
}

/// The open sessions and an index of them; both name the same sessions.
#[derive(Default)]
struct Open {
    sessions: HashMap<MailboxId, Vec<Arc<Entry>>>,
    /// How many sessions each mailbox of a domain has.
    domains: HashMap<DomainId, HashMap<MailboxId, usize>>,
}

impl Open {
    fn of_mailbox(&self, mailbox: MailboxId) -> Vec<Arc<Entry>> {
        self.sessions.get(&mailbox).cloned().unwrap_or_default()
    }

    fn uncount(&mut self, entry: &Entry) {
        let Some(mailboxes) = self.domains.get_mut(&entry.domain) else { return };
        if let Some(count) = mailboxes.get_mut(&entry.mailbox) {
            *count -= 1;
            if *count == 0 {
                mailboxes.remove(&entry.mailbox);
            }
        }
        if mailboxes.is_empty() {
            self.domains.remove(&entry.domain);
        }
    }
}

impl Registry {
    /// An id that rises and is not used again, also after a restart.
    fn next_id(&self, now_ms: i64) -> i64 {
        let fresh = now_ms << 20;
        self.last_id.fetch_max(fresh, Ordering::AcqRel);
        self.last_id.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// False when the mailbox has as many sessions as it may have.
    fn insert(&self, entry: &Arc<Entry>) -> bool {
        let mut open = self.open.lock();
        let own = open.sessions.entry(entry.mailbox).or_default();
        if own.len() >= bounds::SESSIONS_PER_MAILBOX {
            return false;
        }
        own.push(entry.clone());
        *open.domains.entry(entry.domain).or_default().entry(entry.mailbox).or_default() += 1;
        true
    }

    fn remove(&self, entry: &Arc<Entry>) {
        let mut open = self.open.lock();
        let Some(own) = open.sessions.get_mut(&entry.mailbox) else { return };
        let Some(at) = own.iter().position(|other| Arc::ptr_eq(other, entry)) else { return };
        own.swap_remove(at);
        if own.is_empty() {
            open.sessions.remove(&entry.mailbox);
        }
        open.uncount(entry);
    }

    /// The sessions of a mailbox.
    pub fn of_mailbox(&self, mailbox: MailboxId) -> Vec<Arc<Entry>> {
        self.open.lock().of_mailbox(mailbox)
    }

    /// The sessions of a domain's mailboxes.
    pub fn of_domain(&self, domain: DomainId) -> Vec<(MailboxId, Vec<Arc<Entry>>)> {
        let open = self.open.lock();
        let mailboxes = open.domains.get(&domain).into_iter().flat_map(HashMap::keys);
        mailboxes.map(|mailbox| (*mailbox, open.of_mailbox(*mailbox))).collect()
    }

    /// The sessions of mailboxes that inherit from something, by mailbox.
    pub fn below(&self, inherits: impl Fn(&Above) -> bool) -> HashMap<MailboxId, Vec<Arc<Entry>>> {
        let open = self.open.lock();
        let concerned = |own: &&Vec<Arc<Entry>>| own.iter().any(|entry| inherits(&entry.above.lock()));
        open.sessions.iter().filter(|(_, own)| concerned(own)).map(|(id, own)| (*id, own.clone())).collect()
    }
}

/// One session in the registry.
pub(super) struct Entry {
    id: SessionId,
    mailbox: MailboxId,
    domain: DomainId,
    /// What its mailbox inherited from when it was last looked at.
    above: Mutex<Arc<Above>>,
    /// The address it signed in to: a rename ends it.
    pub address_key: Box<str>,
    /// The password it signed in with: another one ends it.
    pub password_epoch: i64,
    /// The app password that it signed in with, if with one: then that one alone counts.
    pub app_password: Option<AppPasswordId>,
    pub protocol: Protocol,
    peer: SocketAddr,
    tls: bool,
    since: i64,
    last: Mutex<(&'static str, i64)>,
    ending: OnceLock<EndReason>,
    woken: Notify,
}

impl Entry {
    /// Tells it to end; false when it has been told before.
    pub fn end(&self, reason: EndReason) -> bool {
        let first = self.ending.set(reason).is_ok();
        self.woken.notify_waiters();
        first
    }

    /// Whether it is a session of what a revision touches.
    pub fn is_touched_by(&self, touch: &Touch) -> bool {
        match touch {
            Touch::Mailbox(id) => *id == self.mailbox,
            Touch::Domain(id) => *id == self.domain,
            Touch::Tenant(id) => self.above.lock().tenants.contains(id),
            Touch::Plan(id) => self.above.lock().plans.contains(id),
            _ => false,
        }
    }

    /// Notes what its mailbox inherits from now.
    pub fn stands_below(&self, above: &Arc<Above>) {
        *self.above.lock() = above.clone();
    }

    /// Whether it may go on, from where it comes and as it came.
    pub fn is_admitted(&self, access: &Access) -> bool {
        access.admits(self.peer.ip(), self.tls)
    }

    /// Whether the app password that it signed in with would still open it.
    pub fn is_open_to(&self, app: Option<&AppPassword>, now: i64) -> bool {
        app.is_some_and(|app| app.admits(self.protocol, self.peer.ip(), now))
    }

    /// Whether it has been told to end.
    pub fn is_ending(&self) -> bool {
        self.ending.get().is_some()
    }

    fn info(&self) -> SessionInfo {
        let (last_command, last_command_at) = *self.last.lock();
        SessionInfo {
            id: self.id,
            mailbox: self.mailbox,
            protocol: self.protocol,
            peer: self.peer,
            tls: self.tls,
            since: self.since,
            last_command,
            last_command_at,
        }
    }
}

/// A registered session; unregisters itself when dropped.
pub struct SessionGuard {
    entry: Arc<Entry>,
    inner: Arc<Inner>,
}

impl SessionGuard {
    /// The session.
    pub fn id(&self) -> SessionId {
        self.entry.id
    }

    /// Notes the command that has just come; `name` without arguments.
    pub fn command(&self, name: &'static str) {
        *self.entry.last.lock() = (name, self.inner.clock.now_ms());
    }

    /// Why it must end, once it must.
    pub fn ending(&self) -> Option<EndReason> {
        self.entry.ending.get().copied()
    }

    /// Waits until it must end. Cancel-safe.
    pub async fn ended(&self) -> EndReason {
        loop {
            // Registered before the look, so that an end between the two is not missed.
            let mut woken = std::pin::pin!(self.entry.woken.notified());
            woken.as_mut().enable();
            if let Some(reason) = self.ending() {
                return reason;
            }
            woken.await;
        }
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.inner.registry.remove(&self.entry);
    }
}
