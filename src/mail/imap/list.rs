//! LIST and LSUB: which folders there are (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154; RFC 3501 §6.3.9).
//!
//! It reads the store's list of folders once per command. Invariant: each name is answered once.

use super::acl;
use super::command::{List, MailboxName};
use super::encode;
use super::metadata;
use super::pattern::{Pattern, Patterns};
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply};
use super::status;
use super::wire::utf7;
use crate::model::{FolderName, Rights};
use crate::store::FolderInfo;
use std::collections::{BTreeMap, BTreeSet};

/// Writes a folder's name as the client reads names: UTF-8 or modified UTF-7, quoted.
pub(super) fn name(out: &mut Vec<u8>, text: &str, utf8: bool) {
    // Names hold no control characters: they can always be quoted. INBOX is an atom everywhere else, so here too.
    if text == "INBOX" {
        out.extend_from_slice(b"INBOX");
    } else if utf8 {
        encode::quoted(out, text.as_bytes());
    } else {
        encode::quoted(out, utf7::encode(text).as_bytes());
    }
}

/// A name that LIST may answer.
#[derive(Default)]
struct Candidate {
    /// The folder; `None` for a name without one.
    info: Option<FolderInfo>,
    subscribed: bool,
    has_children: bool,
}

impl Candidate {
    fn selected(&self, list: &List) -> bool {
        // RFC 5258 §3.1: every selection option has to hold; REMOTE adds nothing here.
        (!list.selection.subscribed || self.subscribed)
            && (!list.selection.special_use || self.info.as_ref().is_some_and(|info| info.special_use.is_some()))
            && (list.selection.subscribed || self.info.is_some())
    }
}

type Candidates = BTreeMap<FolderName, Candidate>;

async fn candidates(
    peer: &Peer,
    account: &Account,
    with_orphans: bool,
) -> Result<Candidates, crate::store::StoreError> {
    let store = peer.store();
    let mut all = Candidates::new();
    // RFC 4314 §4: a folder that may not be listed is as if it were not there.
    let folders = store.folders(account.mailbox()).await?;
    for info in folders.into_iter().filter(|info| account.rights(info).contains(Rights::LOOKUP)) {
        let subscribed = info.subscribed;
        all.insert(info.name.clone(), Candidate { info: Some(info), subscribed, has_children: false });
    }
    let parents: BTreeSet<FolderName> = all.keys().filter_map(FolderName::parent).collect();
    for (name, candidate) in &mut all {
        candidate.has_children = parents.contains(name);
    }
    if with_orphans {
        for name in store.orphan_subscriptions(account.mailbox()).await? {
            all.entry(name).or_default().subscribed = true;
        }
    }
    Ok(all)
}

/// The levels above a name, nearest first.
fn above(name: &FolderName) -> impl Iterator<Item = FolderName> {
    std::iter::successors(name.parent(), FolderName::parent)
}

/// LIST.
pub(super) async fn list(peer: &mut Peer, account: &Account, list: &List) -> Answer {
    let utf8 = peer.enabled.utf8_names();
    if let ([only], false) = (list.patterns.as_slice(), list.extended)
        && only.raw.is_empty()
    {
        // RFC 9051 §6.3.9: an empty pattern asks for the separator.
        peer.out().extend_from_slice(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
        return Ok(Reply::ok("LIST completed"));
    }
    let Some(patterns) = Patterns::new(&list.reference, &list.patterns, utf8) else {
        // RFC 5530 §3.
        return Ok(Reply::no("There are too many patterns").with("LIMIT"));
    };
    let mut all = candidates(peer, account, list.selection.subscribed).await?;
    let mut names: BTreeSet<FolderName> = all.keys().cloned().collect();
    if list.selection.recursive_match {
        names.extend(all.keys().flat_map(above));
    }
    let matched = patterns.matching(names).await;
    let matches = |name: &FolderName| matched.contains(name);
    // RFC 5258 §3.5: names whose descendants are selected but not matched themselves.
    let mut with_child: BTreeSet<FolderName> = BTreeSet::new();
    if list.selection.recursive_match {
        let below = all.iter().filter(|(name, candidate)| candidate.selected(list) && !matches(name));
        with_child = below.flat_map(|(name, _)| above(name)).collect();
        for name in &with_child {
            all.entry(name.clone()).or_default();
        }
    }
    for (name, candidate) in all.iter().filter(|(name, _)| matches(name)) {
        let child = with_child.contains(name);
        if !candidate.selected(list) && !child {
            continue;
        }
        write(peer, name, candidate, list, child);
        if let (Some(items), Some(info)) = (&list.returning.status, &candidate.info)
            && info.selectable && !info.damaged
            // RFC 5819 §2: no answer for what STATUS would refuse.
            && account.rights(info).contains(Rights::READ)
        {
            status::write(peer, info, items, status::deleted_octets(peer, account, info, items).await?);
        }
        if let (true, Some(info)) = (list.returning.my_rights, candidate.info.as_ref().filter(|info| info.selectable)) {
            // RFC 8440 §4.
            acl::my_rights(peer, account, info);
        }
        if let (false, Some(info)) = (list.returning.metadata.is_empty(), &candidate.info) {
            // RFC 9590 §3.
            metadata::in_list(peer, account, info, &list.returning.metadata).await?;
        }
        peer.conn.flush_if_full().await?;
    }
    Ok(Reply::ok("LIST completed"))
}

fn write(peer: &mut Peer, folder: &FolderName, candidate: &Candidate, list: &List, child: bool) {
    let utf8 = peer.enabled.utf8_names();
    let mut attributes: Vec<&str> = Vec::new();
    match &candidate.info {
        // RFC 9051 §7.3.1: \NonExistent implies \Noselect.
        None => attributes.push("\\NonExistent"),
        Some(info) if !info.selectable => attributes.push("\\Noselect"),
        Some(_) => {}
    }
    if list.selection.subscribed || list.returning.subscribed {
        attributes.extend(candidate.subscribed.then_some("\\Subscribed"));
    }
    // RFC 9051 §7.3.1: children and uses may always be told, and clients are glad of them.
    attributes.push(if candidate.has_children || child { "\\HasChildren" } else { "\\HasNoChildren" });
    attributes.extend(candidate.info.as_ref().and_then(|info| info.special_use).map(|special| special.as_str()));
    let out = peer.out();
    out.extend_from_slice(b"* LIST (");
    out.extend_from_slice(attributes.join(" ").as_bytes());
    out.extend_from_slice(b") \"/\" ");
    name(out, folder.as_str(), utf8);
    if child {
        // RFC 5258 §4: the options by which what is below was selected.
        let options = [(list.selection.subscribed, "\"SUBSCRIBED\""), (list.selection.special_use, "\"SPECIAL-USE\"")];
        let options: Vec<&str> = options.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
        out.extend_from_slice(format!(" (\"CHILDINFO\" ({}))", options.join(" ")).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// LSUB (RFC 3501 §6.3.9).
pub(super) async fn lsub(peer: &mut Peer, account: &Account, reference: &MailboxName, pattern: &MailboxName) -> Answer {
    let utf8 = peer.enabled.utf8_names();
    let Some(pattern) = Pattern::new(reference, pattern, utf8) else { return Ok(Reply::ok("LSUB completed")) };
    let all = candidates(peer, account, true).await?;
    let mut told: BTreeMap<FolderName, &str> = BTreeMap::new();
    for (folder, candidate) in all.iter().filter(|(_, candidate)| candidate.subscribed) {
        if pattern.matches(folder.as_str()) {
            let selectable = candidate.info.as_ref().is_some_and(|info| info.selectable);
            told.insert(folder.clone(), if selectable { "" } else { "\\Noselect" });
            continue;
        }
        // RFC 3501 §6.3.9: `%` shows the level above a subscribed name, marked \Noselect.
        for parent in above(folder).filter(|parent| pattern.matches(parent.as_str())) {
            if !all.get(&parent).is_some_and(|candidate| candidate.subscribed) {
                told.insert(parent, "\\Noselect");
            }
        }
    }
    for (folder, attribute) in told {
        let out = peer.out();
        out.extend_from_slice(format!("* LSUB ({attribute}) \"/\" ").as_bytes());
        name(out, folder.as_str(), utf8);
        out.extend_from_slice(b"\r\n");
        peer.conn.flush_if_full().await?;
    }
    Ok(Reply::ok("LSUB completed"))
}
