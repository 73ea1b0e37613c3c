//! What is read: sets of rows in one moment of the store, on threads that never write.
//!
//! Invariant: a damaged row or file fails for its own message alone.

use super::bodies::{BodyReader, Encoding, unpack};
use super::head::{Head, head_columns};
use super::load::{read_state, usage_of};
use super::tx::{Columns, Tx};
use super::{FolderInfo, FolderState, MessageReader, Pop3Mark, Result, Shared, StoreError, StoredMessage};
use crate::model::bounds;
use crate::model::ids::{FolderId, MailboxId, MessageId};
use crate::model::{Acl, FolderName, Usage};
use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A mailbox's folders by name; none if it was never touched.
pub(super) async fn folders(tx: &mut Tx, mailbox: MailboxId) -> Result<Vec<FolderInfo>> {
    let sql = concat!("SELECT ", head_columns!(), " FROM folders WHERE mailbox_id = $1");
    let rows = tx.query(sql, &[mailbox.0.into()]).await?;
    let subscribed: HashSet<String> = subscriptions(tx, mailbox).await?.into_iter().collect();
    let mut folders = Vec::with_capacity(rows.len());
    for row in &rows {
        let subscribed = |name: &FolderName| subscribed.contains(name.as_str());
        match Head::read(row)? {
            Ok(head) => folders.push(head.info(subscribed(&head.name))),
            Err(head) => folders.extend(head.info(head.name.as_ref().is_some_and(subscribed))),
        }
    }
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(folders)
}

async fn subscriptions(tx: &mut Tx, mailbox: MailboxId) -> Result<Vec<String>> {
    let rows = tx.query("SELECT name FROM subscriptions WHERE mailbox_id = $1", &[mailbox.0.into()]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Names that are subscribed but have no folder.
pub(super) async fn orphan_subscriptions(tx: &mut Tx, mailbox: MailboxId) -> Result<Vec<FolderName>> {
    let rows = tx.query("SELECT name FROM folders WHERE mailbox_id = $1", &[mailbox.0.into()]).await?;
    let folders: HashSet<String> = rows.iter().filter_map(|row| row.text(0).ok().map(str::to_owned)).collect();
    let mut names: Vec<FolderName> = subscriptions(tx, mailbox)
        .await?
        .into_iter()
        .filter(|name| !folders.contains(name))
        .filter_map(|name| name.parse().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// A folder's state, as far as it was committed when this read began.
pub(super) async fn state(tx: &mut Tx, mailbox: MailboxId, folder: FolderId) -> Result<(Arc<FolderState>, Acl)> {
    let sql = "SELECT uid_validity, highest_modseq, acl FROM folders \
         WHERE id = $1 AND mailbox_id = $2 AND selectable = 1";
    let rows = tx.query(sql, &[folder.0.into(), mailbox.0.into()]).await?;
    let head = rows.first().ok_or(StoreError::NoSuchFolder)?;
    let acl = Acl::decode(head.text(2)?).ok_or_else(|| StoreError::Corrupt("an access control list".into()))?;
    let state = read_state(tx, folder, head.small(0)?, head.unsigned(1)?, None).await??;
    Ok((state, acl))
}

/// What several mailboxes hold, in the order asked for.
pub(super) async fn usages(tx: &mut Tx, mailboxes: Vec<MailboxId>) -> Result<Vec<Option<Usage>>> {
    let ids: Vec<i64> = mailboxes.iter().map(|id| id.0).collect();
    let mut known = HashMap::new();
    let sql = "SELECT mailbox_id, bytes, messages FROM usage WHERE mailbox_id = ANY($1)";
    for row in tx.query(sql, &[ids.into()]).await? {
        known.insert(row.int(0)?, usage_of(&row));
    }
    Ok(mailboxes.iter().map(|id| known.get(&id.0).copied().unwrap_or(Some(Usage::default()))).collect())
}

/// Those among these mailboxes that can take no mail, since their usage or the head of their INBOX does not read.
pub(super) async fn undeliverable(tx: &mut Tx, mailboxes: Vec<MailboxId>) -> Result<Vec<MailboxId>> {
    let ids: Vec<i64> = mailboxes.iter().map(|id| id.0).collect();
    let mut damaged: HashSet<MailboxId> = HashSet::new();
    let sql = concat!("SELECT ", head_columns!(), " FROM folders WHERE mailbox_id = ANY($1) AND name = 'INBOX'");
    for row in tx.query(sql, &[ids.into()]).await? {
        damaged.extend(Head::read(&row)?.err().and_then(|head| head.mailbox));
    }
    let usages = usages(tx, mailboxes.clone()).await?;
    damaged.extend(mailboxes.iter().zip(usages).filter(|(_, usage)| usage.is_none()).map(|(id, _)| *id));
    Ok(damaged.into_iter().collect())
}

/// How often the keys of URLs were reset: of all, and of a folder's.
pub(super) async fn url_epochs(tx: &mut Tx, mailbox: MailboxId, folder: FolderId) -> Result<(i64, i64)> {
    let sql = "SELECT folder_id, epoch FROM url_epochs WHERE mailbox_id = $1 AND folder_id = ANY($2)";
    let whole = super::writes::WHOLE_MAILBOX;
    let (mut of_all, mut of_folder) = (0, 0);
    for row in tx.query(sql, &[mailbox.0.into(), vec![whole.0, folder.0].into()]).await? {
        let epoch = row.int(1)?;
        if row.int(0)? == whole.0 { of_all = epoch } else { of_folder = epoch }
    }
    Ok((of_all, of_folder))
}

/// What POP3 has retrieved or hidden.
pub(super) async fn pop3_marks(tx: &mut Tx, mailbox: MailboxId, inbox: FolderId) -> Result<Vec<Pop3Mark>> {
    let sql = "SELECT m.uid, m.retrieved_at, m.hidden FROM pop3_marks m JOIN folders f ON f.id = m.folder_id \
         WHERE m.folder_id = $1 AND f.mailbox_id = $2 ORDER BY m.uid";
    let rows = tx.query(sql, &[inbox.0.into(), mailbox.0.into()]).await?;
    let mark = |row: &Columns| {
        let retrieved_at = Some(row.int(1)?).filter(|at| *at > 0);
        Ok(Pop3Mark { uid: row.small(0)?, retrieved_at, hidden: row.int(2)? != 0 })
    };
    rows.iter().map(mark).collect()
}

fn numbers(ids: &[MessageId]) -> Vec<i64> {
    ids.iter().map(|id| id.0).collect()
}

/// What stands beside the bodies, in the order asked for.
pub(super) async fn messages(
    tx: &mut Tx,
    shared: Arc<Shared>,
    ids: Vec<MessageId>,
) -> Result<Vec<Option<StoredMessage>>> {
    let sql = "SELECT m.id, m.prefix, m.size, b.summary FROM messages m JOIN bodies b ON b.id = m.body_id \
         WHERE m.id = ANY($1)";
    let mut found = HashMap::with_capacity(ids.len());
    for row in tx.query(sql, &[numbers(&ids).into()]).await? {
        let id = MessageId(row.int(0)?);
        let summary = match row.blob(3).ok().and_then(unsealed) {
            Some(summary) => summary,
            None => summarized_again(tx, &shared, id).await,
        };
        found.insert(id, StoredMessage { id, prefix: row.blob(1)?, size: row.unsigned(2)?, summary });
    }
    // The same message may be asked for twice, as it may stand in two folders.
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// A summary without its checksum; `None` when it is damaged.
pub(super) fn unsealed(stored: Bytes) -> Option<Bytes> {
    let at = stored.len().checked_sub(4)?;
    let (summary, checksum) = stored.split_at_checked(at)?;
    (crc32fast::hash(summary).to_le_bytes()[..] == *checksum).then(|| stored.slice(..at))
}

/// The summary made anew from the body, since the stored one is damaged; empty when the body is, too.
async fn summarized_again(tx: &mut Tx, shared: &Shared, id: MessageId) -> Bytes {
    tracing::error!(message = %id, "a summary is damaged; it is made again from the body");
    let mut summarizer = crate::mime::Summarizer::default();
    match feed(tx, shared, id, &mut summarizer).await {
        Ok(()) => summarizer.finish(),
        Err(error) => {
            tracing::error!(message = %id, %error, "the body is damaged as well");
            Bytes::new()
        }
    }
}

async fn feed(tx: &mut Tx, shared: &Shared, id: MessageId, to: &mut crate::mime::Summarizer) -> Result<()> {
    let rows = tx.query(BODIES, &[vec![id.0].into()]).await?;
    let at = Located::from_columns(rows.first().ok_or(StoreError::NoSuchMessage)?)?;
    if at.encoding == Encoding::File {
        let mut file = BodyReader::open(&shared.bodies.path(&at.file))?;
        while let Some(frame) = file.frame()? {
            to.push(&frame);
        }
        return Ok(());
    }
    let rows = tx.query(OCTETS, &[vec![id.0].into()]).await?;
    let data = rows.first().ok_or(StoreError::NoSuchMessage)?.blob(1)?;
    to.push(&unpack(at.encoding, data, at.checksum, at.body_size)?);
    Ok(())
}

const BODIES: &str = "SELECT m.id, m.prefix, m.size, b.size, b.encoding, b.checksum, b.file FROM messages m \
     JOIN bodies b ON b.id = m.body_id WHERE m.id = ANY($1)";
const OCTETS: &str = "SELECT m.id, d.data FROM messages m JOIN body_octets d ON d.body_id = m.body_id \
     WHERE m.id = ANY($1)";

/// Where one message's octets are.
struct Located {
    prefix: Bytes,
    size: u64,
    body_size: usize,
    encoding: Encoding,
    checksum: u32,
    file: String,
}

impl Located {
    fn from_columns(row: &Columns) -> Result<Self> {
        Ok(Self {
            prefix: row.blob(1)?,
            size: row.unsigned(2)?,
            body_size: usize::try_from(row.int(3)?).map_err(|_| StoreError::Corrupt("a body's size".into()))?,
            encoding: Encoding::from_number(row.int(4)?)?,
            checksum: row.small(5)?,
            file: row.text(6)?.to_owned(),
        })
    }
}

/// Whole messages, in the order asked for.
pub(super) async fn read_many(tx: &mut Tx, shared: Arc<Shared>, ids: Vec<MessageId>) -> Result<Vec<Result<Bytes>>> {
    let mut located = HashMap::with_capacity(ids.len());
    for row in tx.query(BODIES, &[numbers(&ids).into()]).await? {
        located.insert(row.int(0)?, Located::from_columns(&row));
    }
    let small = located.iter().filter(|(_, at)| matches!(at, Ok(at) if at.encoding != Encoding::File));
    let small: Vec<i64> = small.map(|(id, _)| *id).collect();
    let mut octets = HashMap::with_capacity(small.len());
    for row in tx.query(OCTETS, &[small.into()]).await? {
        octets.insert(row.int(0)?, row.blob(1));
    }
    let whole = |id: &MessageId| match located.get(&id.0) {
        None => Err(StoreError::NoSuchMessage),
        Some(Err(error)) => Err(StoreError::Corrupt(error.to_string())),
        Some(Ok(at)) => assemble(at, octets.get(&id.0), &shared),
    };
    Ok(ids.iter().map(whole).collect())
}

fn assemble(at: &Located, data: Option<&Result<Bytes>>, shared: &Shared) -> Result<Bytes> {
    if at.body_size >= bounds::MESSAGE_IN_MEMORY_OCTETS {
        return Err(StoreError::TooLarge);
    }
    let body = match at.encoding {
        Encoding::File => {
            let mut reader = BodyReader::open(&shared.bodies.path(&at.file))?;
            let mut body = BytesMut::with_capacity(at.body_size);
            while let Some(frame) = reader.frame()?.filter(|_| body.len() < at.body_size) {
                body.extend_from_slice(&frame);
            }
            if body.len() != at.body_size {
                return Err(StoreError::Corrupt("a body's file has another size than its row says".into()));
            }
            body.freeze()
        }
        encoding => {
            let Some(Ok(data)) = data else {
                return Err(StoreError::Corrupt("a body's octets are not there".into()));
            };
            unpack(encoding, data.clone(), at.checksum, at.body_size)?
        }
    };
    if at.prefix.is_empty() {
        return Ok(body);
    }
    let mut whole = BytesMut::with_capacity(at.prefix.len() + body.len());
    whole.extend_from_slice(&at.prefix);
    whole.extend_from_slice(&body);
    Ok(whole.freeze())
}

/// One message, opened for reading in chunks.
pub(super) async fn read(tx: &mut Tx, shared: Arc<Shared>, id: MessageId) -> Result<MessageReader> {
    let rows = tx.query(BODIES, &[vec![id.0].into()]).await?;
    let at = Located::from_columns(rows.first().ok_or(StoreError::NoSuchMessage)?)?;
    if at.encoding == Encoding::File {
        let file = BodyReader::open(&shared.bodies.path(&at.file))?;
        return Ok(MessageReader::of_file(at.prefix, file, at.size));
    }
    let rows = tx.query(OCTETS, &[vec![id.0].into()]).await?;
    let data = rows.first().ok_or(StoreError::NoSuchMessage)?.blob(1)?;
    let body = unpack(at.encoding, data, at.checksum, at.body_size)?;
    Ok(MessageReader::of_octets(at.prefix, body, at.size))
}
