//! Contexts: results of SEARCH and SORT that the server keeps up to date (RFC 5267 §4).
//!
//! A context keeps the UIDs that its client was told, and is brought up to date wherever [`crate::mail::imap::sync`]
//! tells what became of the folder. Invariants: after that the client's result is what the same command would answer
//! now; their number and their results are bounded.

use super::sort;
use super::{Found, Hit, Plan, find};
use crate::mail::conn::Interrupt;
use crate::mail::imap::command::{Search, SearchKey, SortCriterion};
use crate::mail::imap::encode;
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::{Reply, Stop};
use crate::mail::imap::view::{Selected, View};
use crate::model::{UidSet, bounds};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The contexts of a selected folder.
#[derive(Default)]
pub(in crate::mail::imap) struct Contexts(Vec<Context>);

struct Context {
    tag: String,
    /// Whether UIDs are told, or numbers.
    uid: bool,
    key: SearchKey,
    /// How the result is sorted; none for SEARCH.
    criteria: Option<Vec<SortCriterion>>,
    /// The UIDs of the result, in its order.
    told: Vec<u32>,
}

/// What happens to a result.
#[derive(Clone, Copy)]
enum Update {
    Add,
    Remove,
}

impl Contexts {
    pub(in crate::mail::imap) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins to keep a result up to date, if there is room; else says so (RFC 5267 §4.3.1).
    pub(super) fn begin(
        &mut self,
        peer: &mut Peer,
        tag: &str,
        search: &Search,
        criteria: Option<&[SortCriterion]>,
        found: &Found,
    ) {
        // A tag used again means the new context.
        self.0.retain(|context| context.tag != tag);
        let kept: usize = self.0.iter().map(|context| context.told.len()).sum();
        if self.0.len() >= bounds::CONTEXTS || kept + found.hits.len() > bounds::CONTEXT_HITS {
            refuse(peer, tag);
            return;
        }
        let told = found.hits.iter().map(|hit| hit.uid).collect();
        let criteria = criteria.map(<[_]>::to_vec);
        self.0.push(Context { tag: tag.to_owned(), uid: search.uid, key: search.key.clone(), criteria, told });
    }

    /// CANCELUPDATE (RFC 5267 §4.3.5); a tag that is no context's is passed over.
    pub(in crate::mail::imap) fn cancel(&mut self, tags: &[String]) -> Reply {
        self.0.retain(|context| !tags.contains(&context.tag));
        Reply::ok("CANCELUPDATE completed")
    }

    /// Messages are about to be told as gone; their numbers still hold.
    pub(in crate::mail::imap) fn expunged(&mut self, peer: &mut Peer, older: &View, gone: &[u32]) {
        let gone: BTreeSet<u32> = gone.iter().copied().collect();
        for context in &mut self.0 {
            context.remove(peer, older, &gone);
        }
    }

    /// Messages came or have other flags, and have been told.
    pub(in crate::mail::imap) async fn changed(
        &mut self,
        peer: &mut Peer,
        selected: &Selected,
        touched: &UidSet,
    ) -> Result<(), Interrupt> {
        for context in &mut self.0 {
            match context.changed(peer, selected, touched).await {
                Ok(()) | Err(Stop::Reply(_) | Stop::Bye(_)) => {}
                Err(Stop::Interrupt(interrupt)) => return Err(interrupt),
            }
            peer.conn.flush_if_full().await?;
        }
        let full: usize = self.0.iter().map(|context| context.told.len()).sum();
        if full > bounds::CONTEXT_HITS {
            self.0.drain(..).for_each(|context| refuse(peer, &context.tag));
        }
        Ok(())
    }
}

/// `* NO [NOUPDATE "tag"]`: this result is kept up to date no more, or never was (RFC 5267 §4.3.1).
fn refuse(peer: &mut Peer, tag: &str) {
    let out = peer.out();
    out.extend_from_slice(b"* NO [NOUPDATE ");
    encode::quoted(out, tag.as_bytes());
    out.extend_from_slice(b"] Too many results are kept up to date\r\n");
}

impl Context {
    fn is_sorted(&self) -> bool {
        self.criteria.is_some()
    }

    /// Takes messages out; from the end, so that no place is moved by what was told before.
    fn remove(&mut self, peer: &mut Peer, view: &View, gone: &BTreeSet<u32>) {
        let places = (1..).zip(&self.told).filter(|(_, uid)| gone.contains(uid));
        let mut places: Vec<(u32, u32)> = places.map(|(place, uid)| (place, *uid)).collect();
        places.reverse();
        self.told.retain(|uid| !gone.contains(uid));
        self.tell(peer, view, Update::Remove, &places);
    }

    async fn changed(&mut self, peer: &mut Peer, selected: &Selected, touched: &UidSet) -> Result<(), Stop> {
        let plan = Arc::new(Plan::new(&self.key, selected, peer.services.clock.now()));
        let now: BTreeSet<u32> = find(peer, selected, &plan, Some(touched)).await?.iter().map(|hit| hit.uid).collect();
        let left: BTreeSet<u32> =
            self.told.iter().copied().filter(|uid| touched.contains(*uid) && !now.contains(uid)).collect();
        self.remove(peer, &selected.view, &left);
        let there: BTreeSet<u32> = self.told.iter().copied().collect();
        let come: BTreeSet<u32> = now.difference(&there).copied().collect();
        if come.is_empty() {
            return Ok(());
        }
        let all: BTreeSet<u32> = there.union(&come).copied().collect();
        self.told = match &self.criteria {
            None => all.into_iter().collect(),
            Some(criteria) => {
                let hits = all.iter().filter_map(|uid| hit(&selected.view, *uid)).collect();
                let sorted = sort::sort(peer, selected, criteria, hits).await?;
                sorted.iter().map(|hit| hit.uid).collect()
            }
        };
        // In their order: each is put where it stands in the end.
        let places = (1..).zip(&self.told).filter(|(_, uid)| come.contains(uid));
        let places: Vec<(u32, u32)> = places.map(|(place, uid)| (place, *uid)).collect();
        self.tell(peer, &selected.view, Update::Add, &places);
        Ok(())
    }

    /// `* ESEARCH (TAG "a") UID ADDTO (0 7:9)`; sorted results say where (RFC 5267 §4.3.3, §4.3.4).
    fn tell(&self, peer: &mut Peer, view: &View, update: Update, places: &[(u32, u32)]) {
        let name = |uid: u32| if self.uid { Some(uid) } else { view.number_counted(uid) };
        let named: Vec<(u32, u32)> = places.iter().filter_map(|(place, uid)| Some((*place, name(*uid)?))).collect();
        if named.is_empty() {
            return;
        }
        let out = peer.out();
        out.extend_from_slice(b"* ESEARCH (");
        out.extend_from_slice(&super::answer::tag(&self.tag));
        out.extend_from_slice(if self.uid { b") UID " } else { b") " });
        out.extend_from_slice(match update {
            Update::Add => b"ADDTO (",
            Update::Remove => b"REMOVEFROM (",
        });
        if self.is_sorted() {
            for (index, (place, name)) in named.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                encode::number(out, (*place).into());
                out.push(b' ');
                encode::number(out, (*name).into());
            }
        } else {
            // RFC 5267 §4.3.2: 0 where the order is that of the numbers.
            let set: UidSet = named.iter().map(|(_, name)| *name).collect::<BTreeSet<u32>>().into_iter().collect();
            out.extend_from_slice(format!("0 {set}").as_bytes());
        }
        out.extend_from_slice(b")\r\n");
    }
}

fn hit(view: &View, uid: u32) -> Option<Hit> {
    let position = view.seen.position(uid).ok()?;
    let row = view.seen.row(position)?;
    Some(Hit { number: view.number_at(position, uid), uid, modseq: row.modseq })
}
