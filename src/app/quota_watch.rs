//! Looks at mailboxes that grew and warns those that come to a share of their quota.
//!
//! Behind the mail's back: what is looked at is what the store says then. Invariant: a warning is a revision before it is a
//! mail, so that after a crash nobody is warned twice.

use crate::control::Control;
use crate::control::quota_warnings::{self, Seen};
use crate::delivery::growth::Grown;
use crate::delivery::quota_warning::{Language, QuotaWarning};
use crate::directory::{Directory, MailboxConfig};
use crate::model::ids::MailboxId;
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long mailboxes are gathered for one look.
const GATHER: Duration = Duration::from_secs(1);

/// Watches quotas.
pub(super) struct QuotaWatch {
    pub control: Control,
    pub directory: Directory,
    pub store: Store,
    /// The shares that are warned of, in percent.
    pub shares: Vec<u8>,
    /// The language of the mails.
    pub language: Language,
    /// Our host name.
    pub host: String,
}

impl QuotaWatch {
    /// Watches until the shutdown.
    pub async fn run(self, mut grown: mpsc::Receiver<Grown>, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => return,
                first = grown.recv() => first,
            };
            let Some(first) = first else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(GATHER) => {}
            }
            let mut mailboxes = BTreeMap::from([(first.mailbox, first.refused)]);
            while let Ok(next) = grown.try_recv() {
                *mailboxes.entry(next.mailbox).or_default() |= next.refused;
            }
            if !self.shares.is_empty() && self.look(mailboxes).await.is_none() {
                tracing::warn!("quotas cannot be looked at now");
            }
        }
    }

    /// Looks at mailboxes; none when the store or the directory does not answer.
    async fn look(&self, mailboxes: BTreeMap<MailboxId, bool>) -> Option<()> {
        let mut limited: Vec<(Arc<MailboxConfig>, bool)> = Vec::new();
        for (id, refused) in mailboxes {
            let config = self.directory.mailbox(id).await.ok()?;
            let has_limit = |c: &Arc<MailboxConfig>| c.quota.bytes.is_some() || c.quota.messages.is_some();
            limited.extend(config.filter(has_limit).map(|config| (config, refused)));
        }
        let ids: Vec<MailboxId> = limited.iter().map(|(config, _)| config.id).collect();
        let usages = self.store.usages(&ids).await.ok()?;
        for ((config, refused), usage) in limited.iter().zip(usages) {
            // Of a damaged counter nothing is known.
            let Some(usage) = usage else { continue };
            let seen = Seen { usage, quota: config.quota, refused: *refused };
            match quota_warnings::look(&self.control, &self.shares, config.id, seen).await {
                Ok(Some(percent)) => self.warn(config, percent, seen).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, mailbox = %config.id, "a quota cannot be looked at"),
            }
        }
        Some(())
    }

    async fn warn(&self, config: &MailboxConfig, percent: u8, seen: Seen) {
        let now = self.control.now_ms() / 1000;
        let warning = QuotaWarning { percent, usage: seen.usage, language: self.language, host: &self.host, now };
        if let Err(error) = warning.deliver(&self.store, config).await {
            tracing::warn!(%error, mailbox = %config.id, "the mail of a quota warning is not delivered");
        }
    }
}
