//! Messages that come in: APPEND into one folder, REPLACE, delivery into many INBOXes.

use super::rows_of;
use crate::model::ids::{FolderId, MailboxId};
use crate::model::{Quota, UidSet, Usage};
use crate::store::batch::{Batch, Incoming};
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{Appended, Delivery, MailboxRef, NewMessage, Result, StagedBody};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// APPEND of one or many messages, all or none (RFC 3502).
pub(in crate::store) struct Append {
    pub mailbox: MailboxRef,
    pub quota: Quota,
    pub folder: FolderId,
    pub messages: Vec<NewMessage>,
}

impl Write for Append {
    type Output = Appended;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.folder);
        needs.messages += self.messages.len();
        needs.bodies.extend(self.messages.iter().map(|m| (self.mailbox.tenant, m.body.clone())));
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        // Keywords are numbered by the folder; without them no state is needed.
        if self.messages.iter().any(|m| !m.keywords.is_empty()) { vec![self.folder] } else { Vec::new() }
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Appended> {
        let head = batch.head(self.mailbox.id, self.folder)?;
        if self.messages.is_empty() {
            return Ok(Appended { uid_validity: head.uid_validity, uids: Default::default() });
        }
        let bytes = self.messages.iter().map(|m| m.body.size).sum();
        let more = Usage { bytes, messages: self.messages.len() as u64 };
        batch.check_quota(self.mailbox.id, self.quota, more)?;
        let names: Vec<String> = self.messages.iter().flat_map(|m| m.keywords.iter().cloned()).collect();
        batch.keywords(self.folder, &names)?;
        let mut incoming = Vec::with_capacity(self.messages.len());
        for message in &self.messages {
            let keywords = batch.keywords(self.folder, &message.keywords)?;
            let (id, size) = batch.store(self.mailbox, &message.body, Bytes::new())?;
            let flags = message.flags.union(keywords);
            incoming.push(Incoming { message: id, flags, size, internal_date: message.internal_date });
        }
        batch.add_usage(self.mailbox.id, more);
        batch.append(self.folder, &incoming)
    }

    fn octets(&self) -> usize {
        self.messages.iter().map(|m| m.body.row_octets()).sum()
    }
}

/// REPLACE: a message comes, another goes, in one change (RFC 8508).
pub(in crate::store) struct Replace {
    pub append: Append,
    pub from: FolderId,
    pub uid: u32,
}

impl Write for Replace {
    /// `None`: the message to be replaced is gone, and nothing was done.
    type Output = Option<Appended>;

    fn needs(&self, needs: &mut Needs) {
        self.append.needs(needs);
        needs.folders.insert(self.from);
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.from, self.append.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Self::Output> {
        batch.head(self.append.mailbox.id, self.from)?;
        let rows = rows_of(&*batch.state(self.from)?, &UidSet::from_ranges([(self.uid, self.uid)]));
        let Some(old) = rows.first() else { return Ok(None) };
        // RFC 8508 §3.5: what goes makes room for what comes.
        let quota = self.append.quota;
        self.append.quota = Quota {
            bytes: quota.bytes.map(|bytes| bytes.saturating_add(old.size.into())),
            messages: quota.messages.map(|messages| messages.saturating_add(1)),
        };
        let appended = self.append.apply(batch);
        self.append.quota = quota;
        let appended = appended?;
        batch.remove(self.from, &rows)?;
        Ok(Some(appended))
    }

    fn octets(&self) -> usize {
        self.append.octets()
    }
}

/// Octets that the rows of one recipient take, roughly: they count against the size of a commit.
const ROW_OCTETS: usize = 1024;

/// One body into the INBOX of many mailboxes, all or none.
pub(in crate::store) struct Deliver {
    pub body: Arc<StagedBody>,
    pub recipients: Vec<Delivery>,
}

impl Write for Deliver {
    type Output = Vec<Appended>;

    fn needs(&self, needs: &mut Needs) {
        for recipient in &self.recipients {
            needs.mailbox(recipient.mailbox);
            needs.bodies.push((recipient.mailbox.tenant, self.body.clone()));
        }
        needs.messages += self.recipients.len();
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Self::Output> {
        let mut more: BTreeMap<MailboxId, Usage> = BTreeMap::new();
        for recipient in &self.recipients {
            let mailbox = recipient.mailbox.id;
            let more = more.entry(mailbox).or_default();
            more.bytes += self.body.size + recipient.prefix.len() as u64;
            more.messages += 1;
            batch.inbox(mailbox)?;
            batch.check_quota(mailbox, recipient.quota, *more)?;
        }
        self.recipients.iter().map(|recipient| deliver(batch, &self.body, recipient)).collect()
    }

    fn octets(&self) -> usize {
        self.body.row_octets() + self.recipients.len() * ROW_OCTETS
    }
}

fn deliver(batch: &mut Batch<'_>, body: &Arc<StagedBody>, recipient: &Delivery) -> Result<Appended> {
    let Delivery { mailbox, prefix, internal_date, .. } = recipient;
    let inbox = batch.inbox(mailbox.id)?;
    let more = Usage { bytes: body.size + prefix.len() as u64, messages: 1 };
    let (message, size) = batch.store(*mailbox, body, prefix.clone())?;
    batch.add_usage(mailbox.id, more);
    batch.append(inbox, &[Incoming { message, flags: Default::default(), size, internal_date: *internal_date }])
}
