//! Carries mail of Facteur's own: into a mailbox here, or to the smarthost.
//!
//! It asks control what is due and tells it what became of it, so that a restart loses nothing. Invariant: what is not
//! surely delivered is tried again until its time is over.

use crate::auth::seal::Seal;
use crate::control::Control;
use crate::control::letters::Letterhead;
use crate::control::outbox::{self, Outcome, Outgoing};
use crate::delivery::{self, Envelope, Recipient, Verdict};
use crate::directory::{Directory, Route};
use crate::model::ReversePath;
use crate::net::Smarthost;
use crate::store::Store;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks for what is due.
const TURN: Duration = Duration::from_secs(1);

/// What carrying takes.
pub(super) struct Carrier {
    pub control: Control,
    pub seal: Seal,
    pub directory: Directory,
    pub store: Store,
    pub smarthost: Option<Smarthost>,
    pub head: Letterhead,
}

impl Carrier {
    /// Carries until it is told to stop; an attempt under way is finished.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.turn(&stop).await {
                tracing::warn!(%error, "mail of ours waits");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TURN) => {}
            }
        }
    }

    async fn turn(&self, stop: &CancellationToken) -> crate::control::Result<()> {
        for outgoing in outbox::due(&self.control, &self.seal, &self.head).await? {
            let outcome = match stop.is_cancelled() {
                true => Outcome::Failed("the server was stopped".into(), false),
                false => self.carry(&outgoing).await,
            };
            if let Outcome::Failed(error, permanent) = &outcome {
                tracing::warn!(error, permanent, "mail of ours did not go out");
            }
            outbox::done(&self.control, &outgoing, outcome).await?;
        }
        Ok(())
    }

    async fn carry(&self, outgoing: &Outgoing) -> Outcome {
        match self.directory.route(&outgoing.to).await {
            Ok(Route::Local { mailboxes, remote, .. }) if remote.is_empty() => {
                let recipient = Recipient { address: outgoing.to.clone(), mailboxes };
                self.store_here(recipient, &outgoing.message).await
            }
            Ok(Route::Local { .. } | Route::NotLocal) => match &self.smarthost {
                Some(smarthost) => match smarthost.send(&self.head.from, &outgoing.to, &outgoing.message).await {
                    Ok(()) => Outcome::Sent,
                    Err(error) => Outcome::Failed(error.to_string(), error.permanent),
                },
                None => Outcome::Failed("it is for an address elsewhere, and there is no smarthost".into(), false),
            },
            Ok(_) => Outcome::Failed("there is no such address here".into(), false),
            Err(error) => Outcome::Failed(error.to_string(), false),
        }
    }

    async fn store_here(&self, recipient: Recipient, message: &[u8]) -> Outcome {
        let sender = self.head.from.to_string().parse::<ReversePath>().ok();
        let envelope = Envelope { sender, recipients: vec![recipient] };
        let mut intake = self.store.stage();
        let staged = match intake.write(message).await {
            Ok(()) => intake.finish().await,
            Err(error) => Err(error),
        };
        let verdict = match staged {
            Ok(body) => delivery::deliver(&self.store, &envelope, body, self.control.now_ms() / 1000).await,
            Err(error) => return Outcome::Failed(error.to_string(), false),
        };
        match verdict {
            Verdict::Stored => Outcome::Sent,
            other => Outcome::Failed(format!("the mailbox did not take it: {other:?}"), false),
        }
    }
}
