//! What a stressed client does: one command by chance after another, and what must follow from each.

use super::client::{Client, Outcome};
use super::mirror::{Change, Mirror};
use super::untagged::{DELETED, FLAGS, SEEN, flag_list, numbers};
use crate::support::PATIENCE;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long IDLE listens for what others do.
const LISTEN: Duration = Duration::from_millis(15);
/// Messages above which a client rather removes than adds.
const PLENTY: usize = 120;

/// Messages of a command: as its text, and their places in the mirror.
struct Named {
    uid: bool,
    set: String,
    indices: Vec<usize>,
}

impl Named {
    fn command(&self, name: &str) -> String {
        format!("{}{name} {}", if self.uid { "UID " } else { "" }, self.set)
    }
}

impl Client<'_> {
    /// One thing by chance.
    pub fn act(&mut self) {
        let plenty = self.mirror.slots.len() > PLENTY;
        match self.random.below(100) {
            0..=13 if !plenty => self.append_some(),
            0..=37 => self.store(),
            38..=46 => self.expunge(),
            47..=54 => self.transfer("MOVE"),
            55..=59 if !plenty => self.transfer("COPY"),
            55..=65 => self.fetch(),
            66..=69 => self.fetch_changes(),
            70..=73 => self.read(),
            74..=78 => self.search(),
            79..=86 => {
                self.ok("NOOP");
            }
            87..=91 => self.idle(),
            92..=94 => self.pipeline(),
            95 => self.status(),
            _ => self.select_again(),
        }
    }

    fn other_folder(&mut self) -> usize {
        self.random.below(self.shared.folders.len())
    }

    /// A few messages by number or UID; `None` in an empty folder.
    fn name(&mut self, known_only: bool) -> Option<Named> {
        let count = self.mirror.slots.len();
        if count == 0 {
            return None;
        }
        let low = self.random.below(count);
        let span = if self.random.percent(4) { count } else { 1 + self.random.below(5) };
        let mut indices: Vec<usize> = (low..count.min(low + span)).collect();
        let uid = self.random.percent(50);
        if uid || known_only {
            indices.retain(|index| self.mirror.slots[*index].uid.is_some());
        }
        if indices.is_empty() {
            return None;
        }
        let named = |index: &usize| {
            let slot = &self.mirror.slots[*index];
            if uid { slot.uid.unwrap_or_default().to_string() } else { (index + 1).to_string() }
        };
        let set = indices.iter().map(named).collect::<Vec<_>>().join(",");
        Some(Named { uid, set, indices })
    }

    fn some_flags(&mut self) -> u16 {
        let mut bits = 1 << self.random.below(FLAGS.len());
        if self.random.percent(30) {
            bits |= 1 << self.random.below(FLAGS.len());
        }
        bits
    }

    fn append_some(&mut self) {
        let folder = self.other_folder();
        let flags = if self.random.percent(40) { self.some_flags() & !DELETED } else { 0 };
        self.append_one(folder, flags);
    }

    /// APPENDs a message that nobody else has.
    pub fn append_one(&mut self, folder: usize, flags: u16) {
        self.messages += 1;
        let subject = format!("s{}-{}", self.number, self.messages);
        let message = format!("Subject: {subject}\r\n\r\n{}\r\n", "x".repeat(self.random.below(60)));
        let outcome = self.append(self.shared.folders[folder], &flag_list(flags), &message);
        let mut words = outcome.code.split(' ').skip(2);
        let Some(uid) = words.next().and_then(|uid| uid.parse().ok()) else { self.complain("no APPENDUID") };
        self.shared.ledger().appended((folder, uid), subject);
        if outcome.ok && folder == self.folder && !self.mirror.may_hold(uid) && !self.mirror.gone.contains(&uid) {
            self.complain("RFC 9051 §6.3.12: an APPEND to the selected folder is not told");
        }
    }

    fn store(&mut self) {
        if self.read_only {
            return self.fetch();
        }
        let flags = self.some_flags();
        let Some(named) = self.name(flags & DELETED != 0) else { return };
        let silent = self.random.percent(50);
        let since = (self.kind.condstore && self.random.percent(25)).then(|| {
            let modseqs: Vec<u64> = named.indices.iter().map(|index| self.mirror.slots[*index].modseq).collect();
            *self.random.one_of(&modseqs)
        });
        let (sign, change) = match self.random.below(5) {
            0 | 1 => ("+", Change::Add(flags)),
            2 | 3 => ("-", Change::Remove(flags)),
            _ => ("", Change::Replace(flags)),
        };
        if flags & DELETED != 0 {
            self.announce_removal(&named.indices);
        }
        let since = since.map(|since| format!("(UNCHANGEDSINCE {since}) ")).unwrap_or_default();
        let silently = if silent { ".SILENT" } else { "" };
        let command = format!("{} {since}{sign}FLAGS{silently} {}", named.command("STORE"), flag_list(flags));
        if silent {
            self.expect_silently(&named.indices, change);
        }
        let outcome = self.run(&command);
        self.stored(&named, &outcome);
    }

    fn announce_removal(&self, indices: &[usize]) {
        let mut ledger = self.shared.ledger();
        for uid in indices.iter().filter_map(|index| self.mirror.slots[*index].uid) {
            ledger.removable(self.place(uid));
        }
    }

    /// What a STORE leaves behind.
    fn stored(&mut self, named: &Named, outcome: &Outcome) {
        if !outcome.ok {
            // RFC 2180 §4.2: some are gone; what became of the others was not said.
            self.mirror.forget_pending();
            return;
        }
        if let Some(modified) = outcome.code.strip_prefix("MODIFIED ") {
            let modified = numbers(modified).unwrap_or_else(|wrong| self.complain(&wrong));
            for number in modified {
                let slot = (1..).zip(&mut self.mirror.slots);
                let slot = slot.filter(|(n, slot)| if named.uid { slot.uid == Some(number) } else { *n == number });
                // RFC 7162 §3.1.3: these were left as they are.
                slot.for_each(|(_, slot)| slot.pending = None);
            }
        }
        self.mirror.settle(self.kind.condstore);
        self.check_beliefs();
    }

    /// After a silent STORE the client believes flags that nobody told it: they must be the right ones.
    fn check_beliefs(&self) {
        let mut ledger = self.shared.ledger();
        for slot in &self.mirror.slots {
            if let (Some(uid), Some(flags), true) = (slot.uid, slot.flags, slot.modseq > 0 && self.kind.condstore)
                && let Err(wrong) = ledger.flags(self.place(uid), slot.modseq, flags)
            {
                drop(ledger);
                self.complain(&wrong);
            }
        }
    }

    fn expunge(&mut self) {
        if self.read_only {
            return self.fetch();
        }
        if self.random.percent(60) {
            self.ok("EXPUNGE");
        } else if let Some(named) = self.name(true) {
            let uids: Vec<String> =
                named.indices.iter().filter_map(|at| self.mirror.slots[*at].uid).map(|uid| uid.to_string()).collect();
            self.ok(&format!("UID EXPUNGE {}", uids.join(",")));
        }
    }

    fn transfer(&mut self, name: &str) {
        let moving = name == "MOVE";
        if self.read_only && moving {
            return self.fetch();
        }
        let Some(named) = self.name(true) else { return };
        if moving {
            self.announce_removal(&named.indices);
        }
        let target = self.other_folder();
        let (folder, command) = (self.folder, format!("{} {}", named.command(name), self.shared.folders[target]));
        let meant: Vec<u32> = named.indices.iter().filter_map(|index| self.mirror.slots[*index].uid).collect();
        let outcome = self.run(&command);
        if let Some(set) = outcome.code.strip_prefix("COPYUID ") {
            let sets: Vec<&str> = set.split(' ').collect();
            let both = numbers(sets[1]).and_then(|from| Ok((from, numbers(sets[2])?)));
            let (from, to) = both.unwrap_or_else(|wrong| self.complain(&wrong));
            self.copied = from.into_iter().zip(to).collect();
        }
        let copied = std::mem::take(&mut self.copied);
        let mut ledger = self.shared.ledger();
        for (from, to) in &copied {
            ledger.copied((folder, *from), (target, *to), moving);
        }
        drop(ledger);
        if copied.iter().any(|(from, _)| !meant.contains(from)) {
            self.complain("COPYUID names messages that were not meant");
        }
        if moving && copied.iter().any(|(from, _)| self.mirror.slots.iter().any(|slot| slot.uid == Some(*from))) {
            self.complain("a moved message is still there");
        }
    }

    fn items(&self) -> &'static str {
        if self.kind.condstore { "(UID FLAGS MODSEQ RFC822.SIZE)" } else { "(UID FLAGS RFC822.SIZE)" }
    }

    fn fetch(&mut self) {
        let Some(named) = self.name(false) else { return };
        let command = format!("{} {}", named.command("FETCH"), self.items());
        self.run(&command);
    }

    /// Brings the client to know every message.
    pub fn fetch_all(&mut self) {
        if !self.mirror.slots.is_empty() {
            self.run(&format!("FETCH 1:* {}", self.items()));
        }
    }

    /// RFC 7162 §3.1.4, §3.2.6.
    fn fetch_changes(&mut self) {
        if !self.kind.condstore || self.mirror.slots.is_empty() {
            return self.fetch();
        }
        let since = self.heard_modseq.saturating_sub(self.random.below(6) as u64).max(1);
        let vanished = if self.kind.qresync && self.random.percent(60) { " VANISHED" } else { "" };
        let changed: Vec<u32> =
            self.mirror.slots.iter().filter(|slot| slot.modseq > since).filter_map(|slot| slot.uid).collect();
        self.run(&format!(
            "UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]) (CHANGEDSINCE {since}{vanished})"
        ));
        let missing = changed.iter().find(|uid| !self.bodies.contains_key(uid) && !self.mirror.gone.contains(uid));
        if let Some(uid) = missing {
            self.complain(&format!("CHANGEDSINCE {since} leaves out UID {uid}"));
        }
    }

    /// Reads bodies, which sets `\Seen`.
    fn read(&mut self) {
        let Some(named) = self.name(false) else { return };
        let mut unseen = Vec::new();
        for index in named.indices.iter().filter(|_| !self.read_only) {
            let slot = &mut self.mirror.slots[*index];
            if slot.flags.is_some_and(|flags| flags & SEEN == 0) {
                // It is going to change, so it is going to be told.
                slot.flags = None;
                unseen.extend(slot.uid);
            }
        }
        self.run(&format!("{} (UID BODY[])", named.command("FETCH")));
        let told = |uid: &u32| self.mirror.slots.iter().any(|slot| slot.uid == Some(*uid) && slot.flags.is_some());
        if unseen.iter().any(|uid| self.bodies.contains_key(uid) && !self.mirror.gone.contains(uid) && !told(uid)) {
            self.complain("RFC 9051 §6.4.5: reading sets \\Seen, and that is told");
        }
    }

    fn search(&mut self) {
        let bit = self.random.below(FLAGS.len());
        let name = FLAGS[bit];
        let key = name.strip_prefix('\\').map_or_else(|| format!("KEYWORD {name}"), str::to_ascii_uppercase);
        let uid = if self.random.percent(50) { "UID " } else { "" };
        // RFC 4731: by ESEARCH every client can ask for the same form.
        let returning = if self.random.percent(50) { "RETURN (ALL) " } else { "" };
        let before = flags_by_uid(&self.mirror, bit);
        self.ok(&format!("{uid}SEARCH {returning}{key}"));
        // A search by number leaves the numbers as they are.
        if !uid.is_empty() {
            return;
        }
        let after = flags_by_uid(&self.mirror, bit);
        let wrong = |(number, uid): &(u32, u32)| {
            let hit = self.hits.contains(number);
            [&before, &after].iter().all(|flags| flags.get(uid).is_some_and(|has| *has != hit))
        };
        let wrong: Vec<u32> = self.known().into_iter().filter(wrong).map(|(_, uid)| uid).collect();
        if !wrong.is_empty() {
            // What is gone is no hit, and could not be told yet.
            self.ok("NOOP");
        }
        if let Some(uid) = wrong.iter().find(|uid| !self.mirror.gone.contains(uid)) {
            self.complain(&format!("UID {uid} is wrongly a hit, or wrongly none"));
        }
    }

    fn idle(&mut self) {
        let sent = self.send("IDLE");
        self.begin(&sent);
        loop {
            let line = self.imap.response();
            self.overheard(&line);
            if line.starts_with('+') {
                break;
            }
            self.hear(&line);
        }
        self.imap.wire.set_patience(LISTEN);
        for _ in 0..20 {
            let Ok(Some(line)) = self.imap.wire.try_line() else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            self.overheard(&line);
            self.hear(&line);
        }
        self.imap.wire.set_patience(PATIENCE);
        self.imap.wire.send(b"DONE\r\n");
        self.finish(sent);
    }

    /// Several commands in one go; by UID, since numbers may move in between (RFC 9051 §5.5).
    fn pipeline(&mut self) {
        let Some((_, uid)) = self.known().last().copied() else { return };
        let mut sent = Vec::new();
        let store = (!self.read_only).then(|| format!("UID STORE {uid} +FLAGS (\\Flagged)"));
        let fetch = format!("UID FETCH {uid} {}", self.items());
        for command in store.iter().map(String::as_str).chain([&*fetch, "NOOP", "UID SEARCH ALL"]) {
            sent.push(self.send(command));
        }
        for sent in sent {
            self.finish(sent);
        }
    }

    fn status(&mut self) {
        let folder = self.other_folder();
        let known = self.shared.ledger().highest(folder);
        let modseq = if self.kind.condstore { " HIGHESTMODSEQ" } else { "" };
        self.ok(&format!("STATUS {} (UIDNEXT{modseq})", self.shared.folders[folder]));
        let (highest_modseq, uid_next) = self.at_status;
        if uid_next <= known.1.into() || (self.kind.condstore && highest_modseq < known.0) {
            self.complain(&format!("a STATUS that is older than {known:?}, which was told before"));
        }
    }

    /// SELECT or EXAMINE of some folder, in this connection or a new one; QRESYNC where it is agreed on.
    fn select_again(&mut self) {
        let cache = self.kind.qresync.then(|| Cache::of(self)).flatten();
        let folder = if self.random.percent(60) { self.folder } else { self.other_folder() };
        match self.random.below(6) {
            0 | 1 => self.reconnect(),
            2 => {
                // CLOSE expunges without telling.
                self.ok("CLOSE");
                self.unselected();
            }
            3 => {
                self.ok("UNSELECT");
                self.unselected();
            }
            _ => {}
        }
        let read_only = self.random.percent(15);
        self.select(folder, read_only, cache.filter(|cache| cache.folder == folder));
    }

    /// Opens a folder and, after a resynchronization, holds what was cached against what is there.
    pub fn select(&mut self, folder: usize, read_only: bool, cache: Option<Cache>) {
        let (highest_modseq, highest_uid) = self.shared.ledger().highest(folder);
        let command = if read_only { "EXAMINE" } else { "SELECT" };
        let parameter = match &cache {
            Some(cache) => cache.parameter(self.random.percent(50)),
            None if self.kind.condstore => " (CONDSTORE)".to_owned(),
            None => String::new(),
        };
        self.selecting = folder;
        if !self.selected {
            self.folder = folder;
        }
        self.ok(&format!("{command} {}{parameter}", self.shared.folders[folder]));
        if self.folder != folder {
            self.complain("RFC 9051 §6.3.2: another folder is selected without CLOSED");
        }
        self.selected = true;
        self.read_only = read_only;
        self.heard_modseq = self.at_select.0;
        if self.at_select.0 < highest_modseq || self.at_select.1 <= highest_uid.into() {
            let known = (highest_modseq, highest_uid);
            self.complain(&format!("HIGHESTMODSEQ, UIDNEXT {:?} after {known:?} was told", self.at_select));
        }
        let at_select = self.at_select.0;
        if let Some(mut cache) = cache {
            cache.resync(&self.mirror);
            self.fetch_all();
            if let Err(wrong) = cache.check(&self.mirror, at_select) {
                self.complain(&wrong);
            }
        } else if self.random.percent(70) {
            self.fetch_all();
        }
    }
}

/// Which known messages bear a flag.
fn flags_by_uid(mirror: &Mirror, bit: usize) -> BTreeMap<u32, bool> {
    let slots = mirror.slots.iter();
    slots.filter_map(|slot| Some((slot.uid?, slot.flags? & (1 << bit) != 0))).collect()
}

/// What a client keeps of a folder while it is away (RFC 7162 §3.2.5).
pub struct Cache {
    folder: usize,
    validity: String,
    modseq: u64,
    /// Flags and MODSEQ by UID.
    messages: BTreeMap<u32, (Option<u16>, u64)>,
}

impl Cache {
    fn of(client: &Client<'_>) -> Option<Self> {
        let slots = client.mirror.slots.iter();
        let messages = slots.filter_map(|slot| Some((slot.uid?, (slot.flags, slot.modseq)))).collect();
        let (folder, validity, modseq) = (client.folder, client.validity.clone(), client.heard_modseq);
        (modseq > 0).then_some(Self { folder, validity, modseq, messages })
    }

    fn parameter(&self, with_known: bool) -> String {
        let uids: Vec<String> = self.messages.keys().map(u32::to_string).collect();
        let known = if with_known && !uids.is_empty() { format!(" {}", uids.join(",")) } else { String::new() };
        format!(" (QRESYNC ({} {}{known}))", self.validity, self.modseq)
    }

    /// Takes in what SELECT told.
    fn resync(&mut self, told: &Mirror) {
        self.messages.retain(|uid, _| !told.gone.contains(uid));
        for slot in &told.slots {
            if let Some(uid) = slot.uid {
                self.messages.insert(uid, (slot.flags, slot.modseq));
            }
        }
    }

    /// A message with another state than the cached one must have changed after SELECT.
    fn check(&self, now: &Mirror, at_select: u64) -> Result<(), String> {
        for (uid, (flags, modseq)) in &self.messages {
            match now.slots.iter().find(|slot| slot.uid == Some(*uid)) {
                None if now.gone.contains(uid) => {}
                None => return Err(format!("resynchronized from {}: UID {uid} is gone and was not told", self.modseq)),
                Some(slot) if slot.modseq > at_select => {}
                Some(slot) if flags.is_none() || slot.flags == *flags => {}
                Some(slot) => {
                    return Err(format!(
                        "resynchronized from {}: UID {uid} has flags {:?} at {}, cached were {flags:?} at {modseq}",
                        self.modseq, slot.flags, slot.modseq
                    ));
                }
            }
        }
        Ok(())
    }
}
