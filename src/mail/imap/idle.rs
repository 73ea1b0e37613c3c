//! IDLE: the folder's changes as they happen (RFC 9051 §6.3.13).
//!
//! The session waits on two things at once: the client and the folder. Invariant: an idle
//! session holds no buffers and is woken by its own folder only.

use super::notify::{self, Notify};
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::sync::{Expunges, sync};
use super::view::Selected;
use super::wire::Wire;
use crate::mail::conn::Interrupt;
use crate::model::bounds;
use tokio::time::Instant;

/// IDLE, until the client says DONE.
pub(super) async fn idle(
    peer: &mut Peer,
    wire: &mut Wire,
    mut selected: Option<&mut Selected>,
    (account, news): (&Account, &mut Option<Box<Notify>>),
) -> Answer {
    peer.out().extend_from_slice(b"+ idling\r\n");
    // RFC 2177 §3: one deadline for the whole IDLE; what the folder does keeps nobody alive.
    let deadline = Instant::now() + bounds::IMAP_IDLE_TIME;
    loop {
        if let Some(selected) = selected.as_deref_mut() {
            sync(peer, selected, Expunges::Tell, None).await?;
        }
        // RFC 5465 §4: in IDLE as well.
        notify::tell(peer, account, news, selected.as_deref_mut()).await?;
        if let Some(line) = super::line::take(peer, wire)? {
            return Ok(if line.eq_ignore_ascii_case(b"DONE") {
                Reply::ok("IDLE completed")
            } else {
                Reply::bad("IDLE ends with DONE")
            });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Interrupt::TimedOut.into());
        }
        match selected.as_deref_mut() {
            None => tokio::select! {
                read = peer.conn.read_more(left) => read?,
                () = notify::heard_in_idle(news) => {}
            },
            Some(selected) => tokio::select! {
                read = peer.conn.read_more(left) => read?,
                () = notify::heard_in_idle(news) => {}
                changed = selected.folder.changed() => {
                    // RFC 2180 §3.3: the session of a folder that is gone may be ended.
                    changed.map_err(|_| Stop::Bye("The selected folder was deleted"))?;
                }
            },
        }
    }
}
