//! MAIL and RCPT: who may send to whom.
//!
//! Invariant: a recipient that is accepted delivers to mailboxes here and nowhere else;
//! this server relays for nobody.

use super::Role;
use super::parameters::MailParameters;
use super::path::ForwardPath;
use super::reply::{self, Reply};
use super::session::Session;
use super::state::Transaction;
use crate::delivery::{self, Envelope, Recipient};
use crate::directory::{MailboxConfig, Route};
use crate::model::{EmailAddress, ReversePath, SuspensionScope, bounds};
use std::sync::Arc;

impl Session {
    /// MAIL (RFC 5321 §4.1.1.2).
    pub(super) async fn mail(&mut self, sender: Option<ReversePath>, parameters: MailParameters) -> Reply {
        match self.try_mail(sender, parameters).await {
            Ok(reply) | Err(reply) => reply,
        }
    }

    async fn try_mail(&mut self, sender: Option<ReversePath>, parameters: MailParameters) -> Result<Reply, Reply> {
        self.state.may_open()?;
        let sends_left = match self.role {
            Role::Submission => self.check_sender(sender.as_ref()).await?,
            Role::Mx => None,
        };
        if !self.services.store.accepts_mail() {
            return Err(reply::no_storage());
        }
        // RFC 1870 §6.1
        if parameters.size.is_some_and(|size| size > bounds::MESSAGE_OCTETS) {
            return Err(reply::too_large());
        }
        if sender.as_ref().is_some_and(ReversePath::needs_utf8) && !parameters.utf8 {
            return Err(needs_utf8());
        }
        let envelope = Envelope { sender, recipients: Vec::new() };
        self.state.open(Transaction { envelope, size: parameters.size, utf8: parameters.utf8, sends_left });
        Ok(Reply::new(250, "2.1.0", "Ok"))
    }

    /// RFC 6409 §4.3, §6.1: signed in, may send, and the sender is the login's own. How many recipients it has left.
    async fn check_sender(&self, sender: Option<&ReversePath>) -> Result<Option<u64>, Reply> {
        let Some(login) = &self.login else {
            return Err(Reply::new(530, "5.7.0", "Authentication required"));
        };
        // Settings may have changed since the login without ending it.
        let directory = &self.services.directory;
        let now = directory.mailbox(login.id).await.map_err(|_| reply::own_fault())?;
        let Some(now) = now.filter(|mailbox| mailbox.may_send) else {
            return Err(Reply::new(550, "5.7.1", "Sending is suspended for this mailbox"));
        };
        let left = directory.sends_left(&now).await.map_err(|_| reply::own_fault())?;
        let Some(sender) = sender else { return Ok(left) };
        let own = match sender.address() {
            Some(sender) => directory.may_send_as(login, sender).await.map_err(|_| reply::own_fault())?,
            // What is no address here belongs to nobody here.
            None => false,
        };
        if own { Ok(left) } else { Err(Reply::new(550, "5.7.1", "The sender's address does not belong to this login")) }
    }

    /// RCPT (RFC 5321 §4.1.1.3).
    pub(super) async fn rcpt(&mut self, path: ForwardPath) -> Reply {
        match self.try_rcpt(path).await {
            Ok(reply) | Err(reply) => reply,
        }
    }

    async fn try_rcpt(&mut self, path: ForwardPath) -> Result<Reply, Reply> {
        let transaction = self.state.for_recipient()?;
        if transaction.sends_left.is_some_and(|left| transaction.envelope.recipients.len() as u64 >= left) {
            return Err(reply::sends_used_up());
        }
        let (utf8, size) = (transaction.utf8, transaction.size.unwrap_or(1));
        let accepted: usize = transaction.envelope.recipients.iter().map(|to| to.mailboxes.len()).sum();
        let sender = transaction.envelope.sender.as_ref().and_then(ReversePath::address).cloned();
        let address = match &path {
            ForwardPath::Address(address) => address.clone(),
            ForwardPath::Postmaster => format!("postmaster@{}", self.services.host).parse().map_err(|_| unknown())?,
        };
        if address.needs_utf8() && !utf8 {
            return Err(needs_utf8());
        }
        let directory = &self.services.directory;
        let route = match path {
            ForwardPath::Address(_) => directory.route(&address).await,
            ForwardPath::Postmaster => directory.route_postmaster(&address).await,
        };
        let mailboxes = self.mailboxes_of(route.map_err(|_| reply::own_fault())?, sender.as_ref())?;
        // The first recipient always fits: it comes to at most half of these.
        if accepted + mailboxes.len() > bounds::SMTP_MAILBOXES {
            return Err(Reply::new(452, "4.5.3", "Too many recipients, send to the rest in another transaction"));
        }
        let all: Vec<&Arc<MailboxConfig>> = mailboxes.iter().collect();
        match delivery::without_room(&self.services.store, &all, size).await {
            Ok(full) if full.is_empty() => {}
            Ok(full) => {
                full.into_iter().for_each(|mailbox| self.services.growth.refused(mailbox));
                return Err(reply::over_quota());
            }
            Err(_) => return Err(reply::own_fault()),
        }
        self.state.for_recipient()?.envelope.recipients.push(Recipient { address, mailboxes });
        Ok(Reply::new(250, "2.1.5", "Ok"))
    }

    /// The mailboxes of a recipient, or the reply that refuses it.
    fn mailboxes_of(&self, route: Route, sender: Option<&EmailAddress>) -> Result<Vec<Arc<MailboxConfig>>, Reply> {
        let (mailboxes, remote, lists, suspended) = match route {
            Route::NotLocal => return Err(self.not_local()),
            Route::UnknownAddress => return Err(unknown()),
            Route::Local { mailboxes, remote, lists, suspended } => (mailboxes, remote, lists, suspended),
        };
        if !lists.iter().all(|list| list.admits(sender)) {
            // RFC 3463 §3.8 X.7.2
            return Err(Reply::new(550, "5.7.2", "You may not send to this list"));
        }
        if !remote.is_empty() {
            return Err(Reply::new(550, "5.7.1", "The address forwards to other servers, which is not configured"));
        }
        if mailboxes.is_empty() {
            return Err(unknown());
        }
        let held = suspended.contains(&SuspensionScope::Receive);
        if held || mailboxes.iter().any(|mailbox| !mailbox.may_receive) {
            // RFC 3463 §3.3 X.2.1
            return Err(Reply::new(450, "4.2.1", "The mailbox does not accept mail now, try again later"));
        }
        Ok(mailboxes)
    }

    fn not_local(&self) -> Reply {
        match self.role {
            Role::Mx => Reply::new(550, "5.7.1", "Relaying denied"),
            Role::Submission => Reply::new(550, "5.7.1", "Delivery to other servers is not configured"),
        }
    }
}

fn unknown() -> Reply {
    Reply::new(550, "5.1.1", "No such address here")
}

/// RFC 6531 §3.5
fn needs_utf8() -> Reply {
    Reply::new(553, "5.6.7", "The address needs SMTPUTF8")
}
