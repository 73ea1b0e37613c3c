//! APPEND, MULTIAPPEND and REPLACE: messages go from the socket into the store as they come
//! (RFC 9051 §6.3.12, RFC 3502, RFC 4315, RFC 7889, RFC 8508).
//!
//! Everything that can be refused is refused before the first octet is asked for.
//! Invariant: all messages of one APPEND are stored, in one change, or none.

use super::command::{FlagList, MailboxName};
use super::gate;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::sync::{Expunges, sync};
use super::view::Selected;
use super::wire::{Append, AppendMessage, AppendStep, Replaced, Wire};
use crate::model::{Quota, Rights, Usage, bounds};
use crate::store::{FolderInfo, NewMessage, StagedBody, Stager, StoreError};
use bytes::Buf;
use std::sync::Arc;

/// An APPEND on its way.
pub(super) struct Intake {
    folder: FolderInfo,
    /// What may be set on the messages.
    rights: Rights,
    quota: Quota,
    /// What the mailbox would hold with the messages taken so far.
    usage: Usage,
    messages: Vec<NewMessage>,
}

/// APPEND, from its first message to its end.
pub(super) async fn append(peer: &mut Peer, wire: &mut Wire, account: &Account, command: Append) -> Answer {
    let mut intake = match begin(peer, account, &command.mailbox).await {
        Ok(intake) => intake,
        Err(stop) => {
            wire.refuse_append();
            return Err(stop);
        }
    };
    let mut message = command.message;
    loop {
        if message.utf8 && !peer.enabled.utf8 {
            wire.refuse_append();
            // RFC 6855 §4: only after ENABLE.
            return Ok(Reply::no("ENABLE UTF8=ACCEPT first").with("CANNOT"));
        }
        if let Err(refusal) = intake.admit(message.octets) {
            wire.refuse_append();
            if !intake.has_room(message.octets) {
                peer.services.growth.refused(account.config.id);
            }
            return Ok(refusal);
        }
        match take(peer, &message).await? {
            Ok(body) => {
                let now = peer.services.clock.now();
                intake.push(body, &message.flags, message.internal_date.unwrap_or(now));
            }
            Err(refusal) => {
                wire.refuse_after_message();
                return Ok(refusal);
            }
        }
        match after(peer, wire).await? {
            Some(next) => message = next,
            None => break,
        }
        // A message that has begun is taken to its end; of several the next one is not begun once the session is to
        // end, and none of them is stored.
        peer.conn.go_on()?;
    }
    intake.store(peer, account).await
}

/// REPLACE, UID REPLACE (RFC 8508 §3).
pub(super) async fn replace(
    peer: &mut Peer,
    wire: &mut Wire,
    account: &Account,
    selected: &mut Selected,
    command: Append,
) -> Answer {
    let begun = match replaced_uid(selected, command.replaces.as_ref(), peer.enabled.uid_only) {
        Ok(uid) => begin(peer, account, &command.mailbox).await.map(|intake| (uid, intake)),
        Err(stop) => Err(stop),
    };
    let (uid, mut intake) = match begun {
        Ok(begun) => begun,
        Err(stop) => {
            wire.refuse_append();
            return Err(stop);
        }
    };
    let old = selected.view.seen.position(uid).ok().and_then(|position| selected.view.seen.row(position));
    intake.frees(old.map_or(0, |row| row.size.into()));
    if let Err(refusal) = intake.admit(command.message.octets) {
        wire.refuse_append();
        return Ok(refusal);
    }
    match take(peer, &command.message).await? {
        Ok(body) => {
            let (message, now) = (&command.message, peer.services.clock.now());
            intake.push(body, &message.flags, message.internal_date.unwrap_or(now));
        }
        Err(refusal) => {
            wire.refuse_after_message();
            return Ok(refusal);
        }
    }
    if after(peer, wire).await?.is_some() {
        // RFC 8508 §3.6: one message takes the place of one.
        wire.refuse_append();
        return Ok(Reply::bad("REPLACE takes one message"));
    }
    let Some(message) = intake.messages.pop() else { return Ok(Reply::bad("There is no message in it")) };
    let (store, from) = (peer.store(), (selected.folder.id(), uid));
    let Some(appended) = store.replace(account.mailbox(), intake.quota, from, intake.folder.id, message).await? else {
        return Ok(Reply::no("The message no longer exists").with("EXPUNGEISSUED"));
    };
    // RFC 8508 §3.4: APPENDUID comes untagged, before the EXPUNGE.
    let told = format!("* OK [APPENDUID {} {}] Replacement stored\r\n", appended.uid_validity, appended.uids);
    peer.out().extend_from_slice(told.as_bytes());
    sync(peer, selected, Expunges::Tell, None).await?;
    Ok(Reply::ok("REPLACE completed"))
}

/// The UID of the message to be replaced.
fn replaced_uid(selected: &Selected, replaced: Option<&Replaced>, uid_only: bool) -> Result<u32, Stop> {
    let missing = || Stop::from(Reply::no("There is no such message").with("NONEXISTENT"));
    let Replaced { uid, set } = replaced.ok_or_else(missing)?;
    if selected.read_only {
        return Err(Reply::no("The folder was opened with EXAMINE").into());
    }
    // RFC 8508 §4: the old message goes as by MOVE.
    gate::check(selected.rights(), Rights::READ.and(gate::OF_MOVE))?;
    if uid_only && !uid {
        // RFC 9586 §3.
        return Err(Reply::bad("Only UIDs are used in this session").with("UIDREQUIRED").into());
    }
    let uids = selected.resolve(set, *uid)?;
    let there = uids.iter().next().filter(|uid| selected.view.seen.position(*uid).is_ok());
    there.ok_or_else(missing)
}

pub(super) async fn begin(peer: &Peer, account: &Account, folder: &MailboxName) -> Result<Intake, Stop> {
    let folder = account.target(peer, folder).await?;
    if !peer.services.store.accepts_mail() {
        // RFC 5530 §3: for the moment, and for everybody; OVERQUOTA would blame the mailbox.
        return Err(Reply::no("The server is short of room, try again later").with("UNAVAILABLE").into());
    }
    let quota = account.quota(&peer.services).await?;
    let usage = peer.services.store.usage(account.config.id).await?;
    Ok(Intake { rights: account.rights(&folder), folder, quota, usage, messages: Vec::new() })
}

impl Intake {
    /// Counts a message that goes when the others come.
    fn frees(&mut self, octets: u64) {
        let Usage { bytes, messages } = self.usage;
        self.usage = Usage { bytes: bytes.saturating_sub(octets), messages: messages.saturating_sub(1) };
    }

    /// Refuses a message for its announced size, before it is sent.
    pub(super) fn admit(&mut self, octets: u64) -> Result<(), Reply> {
        if octets > bounds::MESSAGE_OCTETS {
            // RFC 7889 §4.
            return Err(Reply::no("The message is too large").with("TOOBIG"));
        }
        if octets == 0 {
            // RFC 3502 §6.3.11: an empty literal is how a client gives up.
            return Err(Reply::no("There is no message in it"));
        }
        if !self.has_room(octets) {
            return Err(StoreError::OverQuota.into());
        }
        self.usage = Usage { bytes: self.usage.bytes + octets, messages: self.usage.messages + 1 };
        Ok(())
    }

    /// Whether a message that is being put together may still grow.
    pub(super) fn has_room(&self, octets: u64) -> bool {
        self.quota.has_room(self.usage, Usage { bytes: octets, messages: 1 })
    }

    pub(super) fn push(&mut self, body: StagedBody, flags: &FlagList, internal_date: i64) {
        self.messages.push(NewMessage {
            body: Arc::new(body),
            // RFC 4314 §4: flags that may not be set are left out, and that is no error.
            flags: flags.system.within(self.rights.flags()),
            keywords: if self.rights.contains(Rights::WRITE) { flags.keywords.clone() } else { Vec::new() },
            internal_date,
        });
    }

    /// Stores what was taken.
    pub(super) async fn store(self, peer: &Peer, account: &Account) -> Answer {
        let appended = peer.store().append(account.mailbox(), self.quota, self.folder.id, self.messages).await?;
        peer.services.growth.grew(account.config.id);
        // RFC 4315 §3.
        let code = format!("APPENDUID {} {}", appended.uid_validity, appended.uids);
        Ok(Reply::ok("APPEND completed").with(code))
    }
}

/// Takes one message's octets. The inner error refuses the message; its octets are taken all the same.
async fn take(peer: &mut Peer, message: &AppendMessage) -> Result<Result<StagedBody, Reply>, Stop> {
    if message.synchronising {
        peer.out().extend_from_slice(b"+ Ready for the message\r\n");
    }
    let mut stager: Result<Stager, Reply> = Ok(peer.services.store.stage());
    let mut left = message.octets;
    while left > 0 {
        if peer.conn.input().is_empty() {
            // What has started is finished: not ended by configuration in the middle.
            peer.conn.read_on(bounds::IMAP_LITERAL_TIME).await?;
        }
        let input = peer.conn.input();
        let here = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let octets = input.get(..here).unwrap_or_default();
        if !message.binary && memchr::memchr(0, octets).is_some() {
            // RFC 9051 §4.3: a literal is of CHAR8, without NUL; a literal8 may hold it.
            stager = Err(Reply::bad("NUL may stand in a literal8 alone"));
        }
        if let Ok(active) = &mut stager
            && let Err(error) = active.write(octets).await
        {
            stager = Err(error.into());
        }
        input.advance(here);
        left -= here as u64;
    }
    Ok(match stager {
        Ok(stager) => stager.finish().await.map_err(Reply::from),
        Err(refusal) => Err(refusal),
    })
}

/// What follows a message: a further one, or the end of the command.
async fn after(peer: &mut Peer, wire: &mut Wire) -> Result<Option<AppendMessage>, Stop> {
    loop {
        match wire.next_message(peer.conn.input()) {
            // Between messages, so the end of the session is obeyed.
            AppendStep::More => peer.conn.read_rest(bounds::IMAP_LITERAL_TIME).await?,
            AppendStep::Message(message) => return Ok(Some(message)),
            AppendStep::End => return Ok(None),
            AppendStep::Bad(text) => return Err(Reply::bad(text).into()),
            AppendStep::Close(text) => return Err(Stop::Bye(text)),
        }
    }
}
