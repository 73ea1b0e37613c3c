//! Protocols of mailboxes and domains: what each level says, and what is effective, with its source.
//!
//! Patches merge: what is absent stays. The rule of precedence is `db::effective`'s, which
//! the directory uses too. Invariant: a suspension shows here and changes nothing here.

use super::change::closes;
use super::suspensions::in_force;
use super::{Caller, Control, Error, Record, Result, domains, mailboxes};
use crate::db::domains::ProtocolSettings;
use crate::db::effective::{self, Effective};
use crate::db::mailboxes as mailbox_rows;
use crate::model::ids::{DomainId, MailboxId};
use crate::model::{OnDelete, ProtocolState, Revision, Touch};

/// Days until expiry at most: ten years.
pub const EXPIRE_DAYS: u16 = 3650;

/// One protocol's setting at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ProtocolView {
    /// `inherit` takes what the level above says.
    pub state: ProtocolState,
}

/// The POP3 policy at one level; `null` takes what the level above says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Pop3PolicyView {
    /// What DELE does at QUIT.
    pub on_delete: Option<OnDelete>,
    /// Days after retrieval until a message is removed; 0 never.
    pub expire_days: Option<u16>,
}

/// POP3's setting at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Pop3View {
    /// `inherit` takes what the level above says.
    pub state: ProtocolState,
    /// What the server does with what POP3 deletes and retrieves.
    pub policy: Pop3PolicyView,
}

/// The settings of all protocols at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ProtocolsView {
    /// IMAP.
    pub imap: ProtocolView,
    /// POP3.
    pub pop3: Pop3View,
    /// Sending with login.
    pub submission: ProtocolView,
}

impl From<ProtocolSettings> for ProtocolsView {
    fn from(settings: ProtocolSettings) -> Self {
        Self {
            imap: ProtocolView { state: settings.imap },
            pop3: Pop3View {
                state: settings.pop3,
                policy: Pop3PolicyView { on_delete: settings.pop3_on_delete, expire_days: settings.pop3_expire_days },
            },
            submission: ProtocolView { state: settings.submission },
        }
    }
}

/// A change of settings: what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProtocolsPatch {
    /// IMAP.
    pub imap: Option<ProtocolState>,
    /// POP3.
    pub pop3: Option<ProtocolState>,
    /// Submission.
    pub submission: Option<ProtocolState>,
    /// What DELE does; `Some(None)` inherits.
    pub pop3_on_delete: Option<Option<OnDelete>>,
    /// Days after retrieval; `Some(None)` inherits.
    pub pop3_expire_days: Option<Option<u16>>,
}

impl ProtocolsPatch {
    /// Merges the change into the settings of one level.
    pub(super) fn apply(&self, settings: &mut ProtocolSettings) -> Result<()> {
        if self.pop3_expire_days.flatten().is_some_and(|days| days > EXPIRE_DAYS) {
            let detail = format!("must be at most {EXPIRE_DAYS} days");
            return Err(Error::field("/pop3/policy/expire_days", "too_large", detail));
        }
        settings.imap = self.imap.unwrap_or(settings.imap);
        settings.pop3 = self.pop3.unwrap_or(settings.pop3);
        settings.submission = self.submission.unwrap_or(settings.submission);
        settings.pop3_on_delete = self.pop3_on_delete.unwrap_or(settings.pop3_on_delete);
        settings.pop3_expire_days = self.pop3_expire_days.unwrap_or(settings.pop3_expire_days);
        Ok(())
    }
}

/// The settings of a level and what they come to.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
pub struct Protocols {
    /// What this level says.
    #[serde(flatten)]
    pub settings: ProtocolsView,
    /// What holds now, and the level that decided.
    pub effective: Effective,
    /// The revision that last changed them: the value of their ETag.
    #[serde(skip)]
    pub etag: i64,
}

/// What a mailbox says, and what holds for it now.
pub async fn of_mailbox(control: &Control, caller: &Caller, id: MailboxId) -> Result<Protocols> {
    let mut tx = control.db.read().await?;
    let mailbox = mailboxes::reach(&mut tx, caller, id).await?;
    let domain = domain_settings(&mut tx, mailbox.domain).await?;
    let suspended = in_force(&mut tx, id, mailbox.domain, control.now_ms()).await?;
    let effective = effective::resolve(&domain, Some(&mailbox.protocols), &suspended);
    Ok(Protocols { settings: mailbox.protocols.into(), effective, etag: mailbox.revision })
}

/// What a domain says, and what holds for its mailboxes that say nothing.
pub async fn of_domain(control: &Control, caller: &Caller, id: DomainId) -> Result<Protocols> {
    let mut tx = control.db.read().await?;
    let domain = domains::reach(&mut tx, caller, id).await?;
    let suspended = in_force(&mut tx, MailboxId(0), id, control.now_ms()).await?;
    let effective = effective::resolve(&domain.protocols, None, &suspended);
    Ok(Protocols { settings: domain.protocols.into(), effective, etag: domain.revision })
}

async fn domain_settings(tx: &mut crate::db::Tx, id: DomainId) -> Result<ProtocolSettings> {
    let row = crate::db::domains::find(tx, id).await?.ok_or(Error::NotFound)?;
    Ok(row.protocols)
}

/// Changes what a mailbox says.
pub async fn patch_mailbox(
    control: &Control,
    caller: &Caller,
    id: MailboxId,
    patch: ProtocolsPatch,
    expected: Option<i64>,
) -> Result<(Protocols, Revision)> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "update_mailbox_protocols").await?;
    let mut mailbox = mailboxes::reach(change.tx(), caller, id).await?;
    super::change::check_unchanged(expected, mailbox.revision)?;
    let now = change.now();
    let domain = domain_settings(change.tx(), mailbox.domain).await?;
    let suspended = in_force(change.tx(), id, mailbox.domain, now).await?;
    let before = ProtocolsView::from(mailbox.protocols);
    let held = effective::resolve(&domain, Some(&mailbox.protocols), &suspended);
    patch.apply(&mut mailbox.protocols)?;
    mailbox.revision = change.revision();
    mailbox_rows::update(change.tx(), &mailbox).await?;
    let effective = effective::resolve(&domain, Some(&mailbox.protocols), &suspended);
    let after = Protocols { settings: mailbox.protocols.into(), effective, etag: mailbox.revision };
    let record = Record {
        object: id.to_string(),
        path: mailbox.path,
        before: super::change::view(&before),
        after: super::change::view(&after.settings),
        touches: [Touch::Mailbox(id)].into_iter().chain(closes(&held, &effective)).collect(),
    };
    Ok((after, change.commit(record).await?))
}

/// Changes what a domain says.
pub async fn patch_domain(
    control: &Control,
    caller: &Caller,
    id: DomainId,
    patch: ProtocolsPatch,
    expected: Option<i64>,
) -> Result<(Protocols, Revision)> {
    let (domain, effective, revision) = domains::change_protocols(control, caller, id, patch, expected).await?;
    Ok((Protocols { settings: domain.protocols, effective, etag: domain.etag }, revision))
}
