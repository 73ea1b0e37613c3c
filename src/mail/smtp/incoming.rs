//! One message on its way from the peer to every recipient.
//!
//! It sees content only, not how DATA or BDAT framed it. Invariant: once refused, nothing
//! more of it is kept, and the refusal is what the end of the message answers.

use super::content::Content;
use super::reply::{self, Reply};
use super::submission::Submitter;
use crate::delivery::{self, Envelope, Verdict};
use crate::directory::MailboxConfig;
use crate::mail::Services;
use crate::model::{ReversePath, bounds};
use crate::store::Stager;
use std::sync::Arc;

/// A message being received.
pub struct Incoming {
    services: Arc<Services>,
    content: Content,
    /// Where it goes, or why it goes nowhere.
    intake: Result<Stager, Reply>,
    /// Our `Received` field.
    received: String,
    /// Who submits it; `None` for mail from other servers.
    login: Option<Arc<MailboxConfig>>,
    id: String,
    /// Octets seen, kept or not.
    seen: u64,
}

impl Incoming {
    /// A message that begins.
    pub fn new(services: Arc<Services>, login: Option<Arc<MailboxConfig>>, id: String, received: String) -> Self {
        let intake = Ok(services.store.stage());
        Self { services, content: Content::default(), intake, received, login, id, seen: 0 }
    }

    /// Takes the next octets.
    pub async fn take(&mut self, envelope: &Envelope, octets: &[u8]) {
        self.seen += octets.len() as u64;
        if self.intake.is_ok()
            && let Err(refusal) = self.try_take(envelope, octets).await
        {
            // Dropping the intake frees disk and memory at once.
            self.intake = Err(refusal);
        }
    }

    /// Why it is refused, as soon as that is known.
    pub fn refusal(&self) -> Option<&Reply> {
        self.intake.as_ref().err()
    }

    /// True when a peer goes on sending what is long refused: the connection has to end.
    pub fn is_endless(&self) -> bool {
        self.seen > 2 * bounds::MESSAGE_OCTETS
    }

    /// The end of the message: stores it and says what became of it.
    pub async fn finish(mut self, envelope: &Envelope) -> Reply {
        match self.try_finish(envelope).await {
            Ok(reply) | Err(reply) => reply,
        }
    }

    async fn try_take(&mut self, envelope: &Envelope, octets: &[u8]) -> Result<(), Reply> {
        let in_header = !self.content.header_ended();
        let body = self.content.take(octets).map_err(|fault| fault.reply())?;
        if in_header && self.content.header_ended() {
            self.write_head(envelope).await?;
        }
        self.write(body).await
    }

    async fn try_finish(&mut self, envelope: &Envelope) -> Result<Reply, Reply> {
        if let Err(refusal) = &self.intake {
            return Err(refusal.clone());
        }
        self.content.finish().map_err(|fault| fault.reply())?;
        if !self.content.header_ended() {
            self.write_head(envelope).await?;
        }
        let intake = std::mem::replace(&mut self.intake, Err(reply::own_fault()))?;
        let staged = intake.finish().await.map_err(failed)?;
        let now = self.services.clock.now();
        let sender = self.sender().await?;
        self.take_sends(sender.as_ref(), envelope).await?;
        let verdict = delivery::deliver(&self.services.store, envelope, staged, now).await;
        self.note_activity(sender.as_ref(), envelope, verdict).await;
        self.note_refusal(envelope, verdict).await;
        tracing::info!(
            id = %self.id, ?verdict, octets = self.content.size(), recipients = envelope.recipients.len(), "message received"
        );
        Ok(reply::of_verdict(verdict, &self.id))
    }

    /// Who submits it, by the settings of now.
    async fn sender(&self) -> Result<Option<Arc<MailboxConfig>>, Reply> {
        let Some(login) = &self.login else { return Ok(None) };
        let now = self.services.directory.mailbox(login.id).await.map_err(|_| reply::own_fault())?;
        Ok(Some(now.unwrap_or_else(|| login.clone())))
    }

    /// Counts the recipients of a sender that something limits, before anybody has the message.
    async fn take_sends(&self, sender: Option<&Arc<MailboxConfig>>, envelope: &Envelope) -> Result<(), Reply> {
        let Some(sender) = sender.filter(|sender| !sender.send_limits.is_empty()) else { return Ok(()) };
        match self.services.directory.take_sends(sender, envelope.recipients.len()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(reply::sends_used_up()),
            Err(_) => Err(reply::own_fault()),
        }
    }

    /// Tells whose want of room a message was refused for.
    async fn note_refusal(&self, envelope: &Envelope, verdict: Verdict) {
        if verdict != Verdict::OverQuota {
            return;
        }
        let full = delivery::without_room(&self.services.store, &envelope.mailboxes(), self.content.size()).await;
        full.unwrap_or_default().into_iter().for_each(|mailbox| self.services.growth.refused(mailbox));
    }

    /// Counts what was sent and received, or takes back what was counted and then not sent.
    async fn note_activity(&self, sender: Option<&Arc<MailboxConfig>>, envelope: &Envelope, verdict: Verdict) {
        let (activity, now) = (&self.services.activity, self.services.clock.now_ms());
        let recipients = envelope.recipients.len();
        if verdict == Verdict::Stored {
            sender.into_iter().for_each(|sender| activity.sent(sender, now, recipients));
            for mailbox in envelope.mailboxes() {
                activity.received(mailbox, now);
                self.services.growth.grew(mailbox.id);
            }
        } else if let Some(sender) = sender.filter(|sender| !sender.send_limits.is_empty()) {
            self.services.directory.give_back_sends(sender, recipients).await;
        }
    }

    /// Our fields, then the header as it came.
    async fn write_head(&mut self, envelope: &Envelope) -> Result<(), Reply> {
        let mut head = std::mem::take(&mut self.received);
        if let Some(login) = &self.login {
            let submitter = Submitter {
                login,
                directory: &self.services.directory,
                sender: envelope.sender.as_ref().and_then(ReversePath::address),
                host: &self.services.host,
                id: &self.id,
                now: self.services.clock.now(),
            };
            head.push_str(&submitter.complete(self.content.header()).await?);
        }
        let intake = self.intake.as_mut().map_err(|refusal| refusal.clone())?;
        intake.write(head.as_bytes()).await.map_err(failed)?;
        intake.write(self.content.header()).await.map_err(failed)
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Reply> {
        let intake = self.intake.as_mut().map_err(|refusal| refusal.clone())?;
        if octets.is_empty() { Ok(()) } else { intake.write(octets).await.map_err(failed) }
    }
}

fn failed(error: crate::store::StoreError) -> Reply {
    tracing::error!(%error, "a message could not be taken in");
    reply::own_fault()
}
