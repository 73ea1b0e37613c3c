//! NOTIFY: news of folders that nobody asked for just now (RFC 5465).
//!
//! A session keeps how each folder stood when it last told of it, and tells the difference: however much happens, what
//! is kept is one line a folder. The selected folder's messages are [`super::sync`]'s to tell, as ever; here is only
//! when. Invariant: a folder is told of by the first group that takes it, and never without the rights that LIST,
//! STATUS and GETMETADATA ask for.

mod known;
mod write;

use super::command::{self, Event, EventFilter, EventGroup, FetchItem, Source};
use super::peer::{Account, Peer};
use super::reply::{Reply, Stop};
use super::search::Meant;
use super::sync::{Expunges, sync};
use super::view::Selected;
use crate::mail::conn::Interrupt;
use crate::model::bounds;
use crate::model::ids::FolderId;
use crate::store::{MailboxNews, MailboxWatch, Noted};
use known::{Change, Known};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a session is to be told.
pub(super) struct Notify {
    groups: Vec<Group>,
    selected: Option<OfSelected>,
    /// ServerMetadataChange, which belongs to no folder.
    of_server: bool,
    watch: MailboxWatch,
    known: Known,
}

/// A group of folders by name.
struct Group {
    meant: Meant,
    events: Vec<Event>,
}

impl Group {
    fn wants(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    fn wants_messages(&self) -> bool {
        self.wants(&Event::MessageExpunge)
    }
}

/// What is wanted of the selected folder.
struct OfSelected {
    delayed: bool,
    flags: bool,
    items: Arc<[FetchItem]>,
}

/// Carries out NOTIFY.
pub(super) async fn notify(
    peer: &mut Peer,
    account: &Account,
    command: command::Notify,
    selected: Option<&mut Selected>,
) -> Result<(Option<Box<Notify>>, Reply), Stop> {
    let done = Reply::ok("NOTIFY completed");
    let command::Notify::Set { status, groups } = command else {
        if let Some(selected) = selected {
            selected.announced = None;
        }
        return Ok((None, done));
    };
    refuse(&groups)?;
    let id = selected.as_deref().map(|selected| selected.folder.id());
    // Followed first, so that nothing happens between the two unseen.
    let watch = peer.store().watch(account.config.id);
    let known = Known::read(peer, account).await?;
    let notify = Box::new(Notify::new(peer, groups, watch, known));
    if let Some(selected) = selected {
        selected.announced = notify.items();
    }
    if status {
        notify.tell_status(peer, id).await?;
    }
    Ok((Some(notify), done))
}

/// What cannot be asked for.
fn refuse(groups: &[EventGroup]) -> Result<(), Stop> {
    if groups.iter().any(|group| group.events.contains(&Event::Unknown)) {
        // RFC 5465 §5: the code names what there is.
        let code = format!("BADEVENT ({})", Event::KNOWN);
        return Err(Reply::no("There is no such event here").with(code).into());
    }
    let names = groups.iter().map(|group| match &group.filter {
        EventFilter::Named(Source::Subtree(names) | Source::SubtreeOne(names) | Source::Mailboxes(names)) => {
            names.len()
        }
        _ => 1,
    });
    if names.sum::<usize>() > bounds::NOTIFY_NAMES {
        // RFC 5465 §5.8.
        return Err(Reply::no("That are more folders than can be watched").with("NOTIFICATIONOVERFLOW").into());
    }
    Ok(())
}

impl Notify {
    fn new(peer: &Peer, groups: Vec<EventGroup>, watch: MailboxWatch, known: Known) -> Self {
        let utf8 = peer.enabled.utf8_names();
        // RFC 5465 §5.7: of the server, whatever the folders of its group.
        let of_server = groups.iter().any(|group| group.events.contains(&Event::ServerMetadataChange));
        let mut notify = Self { groups: Vec::new(), selected: None, of_server, watch, known };
        for EventGroup { filter, events } in groups {
            match filter {
                EventFilter::Named(source) => {
                    notify.groups.push(Group { meant: Meant::new(&source, None, utf8), events })
                }
                EventFilter::Selected { delayed } => notify.selected = OfSelected::new(delayed, &events),
            }
        }
        notify
    }

    /// What is told of each new message of the selected folder.
    pub(super) fn items(&self) -> Option<Arc<[FetchItem]>> {
        self.selected.as_ref().map(|selected| selected.items.clone()).filter(|items| !items.is_empty())
    }

    /// RFC 5465 §3.1: how the folders stand that are told of.
    async fn tell_status(&self, peer: &mut Peer, selected: Option<FolderId>) -> Result<(), Interrupt> {
        for folder in self.known.folders().filter(|folder| Some(folder.id) != selected) {
            let group = self.groups.iter().find(|group| group.meant.takes(folder));
            if self.known.is_readable(folder.id) && group.is_some_and(Group::wants_messages) {
                write::status(peer, folder);
                peer.conn.flush_if_full().await?;
            }
        }
        Ok(())
    }

    /// Tells one difference, if somebody wants it.
    fn tell(&self, peer: &mut Peer, change: &Change, selected: Option<FolderId>) {
        let group = self.groups.iter().find(|group| change.is_taken_by(&group.meant));
        let Some(group) = group else { return };
        if (change.named && group.wants(&Event::MailboxName))
            || (change.subscribed && group.wants(&Event::SubscriptionChange))
        {
            write::list(peer, change);
        }
        let messages = change.messages || (change.flags && group.wants(&Event::FlagChange));
        if let Some(folder) =
            change.now.as_ref().filter(|folder| self.known.is_readable(folder.id) && Some(folder.id) != selected)
            && messages
            && group.wants_messages()
        {
            write::status(peer, folder);
        }
    }

    /// Tells that something was noted about a folder or the mailbox as a whole.
    fn tell_noted(&self, peer: &mut Peer, (folder, entry): &Noted) {
        let Some(id) = folder else {
            if self.of_server {
                write::metadata(peer, None, entry);
            }
            return;
        };
        let Some(folder) = self.known.annotated(*id) else { return };
        let group = self.groups.iter().find(|group| group.meant.takes(folder));
        if group.is_some_and(|group| group.wants(&Event::MailboxMetadataChange)) {
            write::metadata(peer, Some(folder), entry);
        }
    }
}

impl OfSelected {
    fn new(delayed: bool, events: &[Event]) -> Option<Self> {
        let items = events.iter().find_map(|event| match event {
            Event::MessageNew(items) => Some(items.as_slice()),
            _ => None,
        })?;
        Some(Self { delayed, flags: events.contains(&Event::FlagChange), items: items.into() })
    }
}

/// Tells what happened since the last time; with too much to tell, that there is no more to be told.
pub(super) async fn tell(
    peer: &mut Peer,
    account: &Account,
    notify: &mut Option<Box<Notify>>,
    selected: Option<&mut Selected>,
) -> Result<(), Interrupt> {
    let Some(active) = notify else { return Ok(()) };
    let (mut look, mut noted, mut missed) = (false, Vec::new(), false);
    while let Some(news) = active.watch.ready() {
        match news {
            MailboxNews::Folders => look = true,
            MailboxNews::Noted(entry) if !noted.contains(&entry) => noted.push(entry),
            MailboxNews::Noted(_) => {}
            MailboxNews::Missed => missed = true,
        }
    }
    let id = selected.as_deref().map(|selected| selected.folder.id());
    if look {
        match Known::read(peer, account).await {
            Ok(newest) => {
                let changes = active.known.changes_to(newest);
                for change in &changes {
                    active.tell(peer, change, id);
                    peer.conn.flush_if_full().await?;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what is to be notified of cannot be read");
                missed = true;
            }
        }
    }
    noted.iter().for_each(|entry| active.tell_noted(peer, entry));
    if missed {
        // RFC 5465 §5.8: from now on as after NOTIFY NONE.
        peer.out().extend_from_slice(b"* OK [NOTIFICATIONOVERFLOW] There was too much to tell, ask anew\r\n");
        *notify = None;
        if let Some(selected) = selected {
            selected.announced = None;
        }
    }
    Ok(())
}

/// Waits for the client to say something, and meanwhile tells what it wants to know.
pub(super) async fn wait(
    peer: &mut Peer,
    account: &Account,
    notify: &mut Option<Box<Notify>>,
    mut selected: Option<&mut Selected>,
    within: Duration,
) -> Result<(), Stop> {
    // What happens keeps nobody alive.
    let deadline = Instant::now() + within;
    loop {
        if let (Some(selected), Some(of)) = (selected.as_deref_mut(), notify.as_ref().and_then(|n| n.selected.as_ref()))
        {
            of.sync(peer, selected).await?;
        }
        tell(peer, account, notify, selected.as_deref_mut()).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Interrupt::TimedOut.into());
        }
        let Some(active) = notify else { return Ok(peer.conn.read_more(left).await?) };
        let followed = selected.as_deref_mut().filter(|_| active.selected.is_some());
        tokio::select! {
            read = peer.conn.read_more(left) => return Ok(read?),
            changed = changed(followed) => changed?,
            _ = heard(&mut active.watch) => {}
        }
    }
}

/// The selected folder has changed.
async fn changed(selected: Option<&mut Selected>) -> Result<(), Stop> {
    match selected {
        Some(selected) => {
            // RFC 2180 §3.3: the session of a folder that is gone may be ended.
            selected.folder.changed().await.map_err(|_| Stop::Bye("The selected folder was deleted"))
        }
        None => std::future::pending().await,
    }
}

/// There is news.
async fn heard(watch: &mut MailboxWatch) {
    if watch.heard().await.is_err() {
        // The store is closing, and the session with it.
        std::future::pending().await
    }
}

/// In IDLE, where the selected folder is told of in any case: there is news of others.
pub(super) async fn heard_in_idle(notify: &mut Option<Box<Notify>>) {
    match notify {
        Some(active) => heard(&mut active.watch).await,
        None => std::future::pending().await,
    }
}

impl OfSelected {
    /// RFC 5465 §6.1: the selected folder at once; what only moves numbers waits when it is to be delayed.
    async fn sync(&self, peer: &mut Peer, selected: &mut Selected) -> Result<(), Interrupt> {
        let newest = selected.folder.state();
        let diff = newest.diff(&selected.view.seen);
        let gone = !diff.expunged.is_empty() || !selected.view.ghosts.is_empty();
        let wanted = diff.added > 0 || (gone && !self.delayed) || (self.flags && !diff.changed.is_empty());
        if !wanted {
            return Ok(());
        }
        let expunges = if self.delayed { Expunges::Hold } else { Expunges::Tell };
        sync(peer, selected, expunges, None).await
    }
}
