//! A client that believes only what it is told, and complains of whatever does not fit.
//!
//! Invariant: every line from the server goes through [`Client::hear`].

use super::ledger::{Ledger, Place};
use super::mirror::{Change, Mirror};
use super::untagged::{self, Untagged};
use crate::support::imap::Imap;
use crate::support::random::Random;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

/// Lines that a complaint shows.
const HISTORY: usize = 120;

/// What all clients of a run share.
pub struct Shared {
    pub imap: SocketAddr,
    pub address: String,
    pub folders: Vec<&'static str>,
    pub seed: u64,
    pub ledger: Mutex<Ledger>,
}

impl Shared {
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Another client's complaint must not hide behind a poisoned lock.
        self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a client has enabled.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub condstore: bool,
    pub qresync: bool,
    pub rev2: bool,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub ok: bool,
    /// The response code of the tagged line, without brackets.
    pub code: String,
}

/// A client with one connection and one selected folder.
pub struct Client<'a> {
    pub shared: &'a Shared,
    pub kind: Kind,
    pub number: u16,
    pub random: Random,
    pub imap: Imap,
    pub mirror: Mirror,
    /// The number of the folder that is selected, or was last.
    pub folder: usize,
    /// The number of the folder that SELECT is about to open.
    pub selecting: usize,
    pub selected: bool,
    pub read_only: bool,
    /// UIDVALIDITY of the selected folder.
    pub validity: String,
    /// The MODSEQ up to which the client has heard everything (RFC 7162 §3.2.5).
    pub heard_modseq: u64,
    /// HIGHESTMODSEQ and UIDNEXT as the last SELECT told them.
    pub at_select: (u64, u64),
    /// The same of the last STATUS.
    pub at_status: (u64, u64),
    /// The messages of the last search.
    pub hits: Vec<u32>,
    /// What the last COPYUID said.
    pub copied: Vec<(u32, u32)>,
    /// Bodies of the last FETCH by UID.
    pub bodies: BTreeMap<u32, String>,
    pub messages: usize,
    history: VecDeque<String>,
    /// The tag and the text of the command that is being answered.
    command: (String, String),
    /// A HIGHESTMODSEQ of the command that is being answered.
    told_highest: Option<u64>,
}

impl<'a> Client<'a> {
    pub fn new(shared: &'a Shared, number: u16, kind: Kind) -> Self {
        let mut client = Self {
            shared,
            kind,
            number,
            random: Random::new(shared.seed.wrapping_mul(1000).wrapping_add(number.into())),
            imap: connect(shared, number),
            mirror: Mirror::default(),
            folder: 0,
            selecting: 0,
            selected: false,
            read_only: false,
            validity: String::new(),
            heard_modseq: 0,
            at_select: (0, 0),
            at_status: (0, 0),
            hits: Vec::new(),
            copied: Vec::new(),
            bodies: BTreeMap::new(),
            messages: 0,
            history: VecDeque::new(),
            command: Default::default(),
            told_highest: None,
        };
        client.enable();
        client
    }

    /// A new connection in place of the old one, which is dropped where it stands.
    pub fn reconnect(&mut self) {
        self.note("-- a new connection".to_owned());
        self.imap = connect(self.shared, self.number);
        self.unselected();
        self.enable();
    }

    /// No folder is selected any more.
    pub fn unselected(&mut self) {
        self.mirror = Mirror::default();
        self.selected = false;
    }

    fn enable(&mut self) {
        let Kind { condstore, qresync, rev2 } = self.kind;
        for (wanted, name) in [(rev2, "IMAP4rev2"), (condstore, "CONDSTORE"), (qresync, "QRESYNC")] {
            if wanted {
                self.ok(&format!("ENABLE {name}"));
            }
        }
    }

    /// The run fails, with what led here.
    pub fn complain(&self, what: &str) -> ! {
        let history: Vec<&str> = self.history.iter().map(String::as_str).collect();
        panic!(
            "client {} ({:?}, folder {}), FACTEUR_STRESS_SEED={}: {what}\nduring: {}\n{}",
            self.number,
            self.kind,
            self.shared.folders[self.folder],
            self.shared.seed,
            self.command.1,
            history.join("\n")
        );
    }

    fn note(&mut self, line: String) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(line);
    }

    /// The place of a UID in the selected folder.
    pub fn place(&self, uid: u32) -> Place {
        (self.folder, uid)
    }

    /// Sends a command; its answer is read by [`Client::finish`].
    pub fn send(&mut self, command: &str) -> (String, String) {
        let tag = self.imap.send(command);
        self.note(format!("C: {tag} {command}"));
        (tag, command.to_owned())
    }

    /// Sends a command and hears its answer.
    pub fn run(&mut self, command: &str) -> Outcome {
        let sent = self.send(command);
        self.finish(sent)
    }

    /// A command that has no reason to be refused.
    pub fn ok(&mut self, command: &str) -> Outcome {
        let outcome = self.run(command);
        if !outcome.ok {
            self.complain("a refusal without a reason");
        }
        outcome
    }

    /// APPEND with a literal; the tagged line is heard.
    pub fn append(&mut self, folder: &str, flags: &str, message: &str) -> Outcome {
        let sent = self.send(&format!("APPEND {folder} {flags} {{{}+}}\r\n{message}", message.len()));
        self.finish(sent)
    }

    /// From now on, what comes in belongs to this command.
    pub fn begin(&mut self, sent: &(String, String)) {
        if self.command != *sent {
            self.mirror.begin();
            self.command.clone_from(sent);
            (self.hits, self.copied, self.bodies, self.told_highest) = Default::default();
        }
    }

    /// Hears everything up to the tagged line of a command.
    pub fn finish(&mut self, sent: (String, String)) -> Outcome {
        self.begin(&sent);
        loop {
            let line = self.imap.response();
            self.note(format!("S: {line}"));
            let tagged = line.strip_prefix(&self.command.0).and_then(|rest| rest.strip_prefix(' '));
            let Some(status) = tagged.map(str::to_owned) else {
                self.hear(&line);
                continue;
            };
            let (word, text) = status.split_once(' ').unwrap_or((&status, ""));
            if word == "BAD" || (word == "NO" && !text.starts_with("[EXPUNGEISSUED]")) {
                self.complain("a refusal that no interleaving explains");
            }
            let code = untagged::code(text).to_owned();
            self.heard_code(&code);
            self.heard_up_to();
            return Outcome { ok: word == "OK", code };
        }
    }

    /// RFC 7162 §3.2.7 and erratum 1809 to RFC 5162: a HIGHESTMODSEQ overrules what FETCH told.
    fn heard_up_to(&mut self) {
        let told = std::mem::take(&mut self.mirror.told_modseq);
        self.heard_modseq = self.told_highest.unwrap_or_else(|| self.heard_modseq.max(told));
    }

    /// Takes in one untagged response.
    pub fn hear(&mut self, line: &str) {
        if let Err(wrong) = untagged::parse(line).and_then(|response| self.take(response)) {
            self.complain(&format!("{wrong}\n   in: {line}"));
        }
    }

    /// Notes a line that was read past [`Client::finish`].
    pub fn overheard(&mut self, line: &str) {
        self.note(format!("S: {line}"));
    }

    fn take(&mut self, response: Untagged) -> Result<(), String> {
        match response {
            Untagged::Exists(count) => self.mirror.exists(count),
            Untagged::Expunge(number) => {
                self.may_expunge()?;
                if self.kind.qresync {
                    return Err("EXPUNGE in a QRESYNC session (RFC 7162 §3.2.10)".to_owned());
                }
                self.mirror.expunge(number)?;
                self.share_gone();
                Ok(())
            }
            Untagged::Vanished { earlier: true, uids } => self.vanished_earlier(&uids),
            Untagged::Vanished { earlier: false, uids } => {
                self.may_expunge()?;
                if !self.kind.qresync {
                    return Err("VANISHED without QRESYNC".to_owned());
                }
                self.mirror.vanished(&uids)?;
                self.share_gone();
                Ok(())
            }
            Untagged::Fetch(told) => self.fetched(&told),
            Untagged::Search { hits, by_uid, tag } => self.found(hits, by_uid, tag),
            Untagged::Ok(code) => {
                self.heard_code(&code);
                Ok(())
            }
            Untagged::Status { highest_modseq, uid_next } => {
                self.at_status = (highest_modseq.unwrap_or(0), uid_next.unwrap_or(0));
                Ok(())
            }
            Untagged::Other => Ok(()),
        }
    }

    /// RFC 9051 §7.5.1: not while FETCH, STORE or SEARCH is answered.
    fn may_expunge(&self) -> Result<(), String> {
        let held = ["FETCH ", "STORE ", "SEARCH "].iter().any(|name| self.command.1.starts_with(name));
        if held { Err("a message is taken away while its number may be in use".to_owned()) } else { Ok(()) }
    }

    fn share_gone(&self) {
        if let Some(uid) = self.mirror.gone.last() {
            self.shared.ledger().gone(self.place(*uid));
        }
    }

    fn vanished_earlier(&mut self, uids: &[u32]) -> Result<(), String> {
        if !self.command.1.contains("VANISHED") && !self.command.1.contains("QRESYNC (") {
            return Err("VANISHED (EARLIER) that nobody asked for".to_owned());
        }
        // RFC 7162 §3.2.10.1: it says nothing of sequence numbers.
        self.mirror.gone.extend(uids);
        Ok(())
    }

    fn fetched(&mut self, told: &untagged::Fetched) -> Result<(), String> {
        if self.kind.condstore && told.flags.is_some() && told.modseq.is_none() {
            return Err("flags without MODSEQ (RFC 7162 §3.2)".to_owned());
        }
        self.mirror.fetched(told)?;
        let slot = &self.mirror.slots[self.mirror.index(told.number)?];
        let Some(uid) = slot.uid else { return Ok(()) };
        let place = (self.folder, uid);
        if let (Some(flags), Some(modseq)) = (told.flags, told.modseq) {
            self.shared.ledger().flags(place, modseq, flags)?;
        }
        if let Some(size) = told.size {
            self.shared.ledger().size(place, size)?;
        }
        if let Some(body) = &told.body {
            self.bodies.insert(uid, body.clone());
        }
        Ok(())
    }

    fn found(&mut self, hits: Vec<u32>, by_uid: bool, tag: Option<String>) -> Result<(), String> {
        if by_uid != (tag.is_some() && self.command.1.starts_with("UID ")) {
            return Err("ESEARCH answers with UIDs where UIDs are asked for, and only there".to_owned());
        }
        if tag.is_some_and(|tag| tag != self.command.0) {
            return Err("ESEARCH for another command".to_owned());
        }
        for hit in &hits {
            if self.command.1.starts_with("UID ") {
                if !self.mirror.may_hold(*hit) {
                    return Err(format!("a hit of UID {hit}, which the client does not have"));
                }
            } else {
                self.mirror.index(*hit)?;
            }
        }
        self.hits = hits;
        Ok(())
    }

    fn heard_code(&mut self, code: &str) {
        let (name, value) = code.split_once(' ').unwrap_or((code, ""));
        match name {
            // RFC 9051 §7.1: from here on it is about the new folder.
            "CLOSED" => {
                self.mirror = Mirror::default();
                self.folder = self.selecting;
            }
            "UIDVALIDITY" => value.clone_into(&mut self.validity),
            "UIDNEXT" => self.at_select.1 = value.parse().unwrap_or_default(),
            "HIGHESTMODSEQ" => {
                let highest = value.parse().unwrap_or_default();
                self.told_highest = Some(highest);
                if self.command.1.starts_with("SELECT") || self.command.1.starts_with("EXAMINE") {
                    self.at_select.0 = highest;
                }
            }
            "COPYUID" => self.copied = pairs(value),
            _ => {}
        }
    }

    /// The UIDs that are known, each with its number.
    pub fn known(&self) -> Vec<(u32, u32)> {
        let slots = (1..).zip(&self.mirror.slots);
        slots.filter_map(|(number, slot)| slot.uid.map(|uid| (number, uid))).collect()
    }

    /// A silent STORE is on its way to these messages.
    pub fn expect_silently(&mut self, indices: &[usize], change: Change) {
        for index in indices {
            self.mirror.slots[*index].pending = Some(change);
        }
    }
}

/// Source and target of each copied message (RFC 4315 §3).
fn pairs(value: &str) -> Vec<(u32, u32)> {
    let mut sets = value.split(' ').skip(1).map(|set| untagged::numbers(set).unwrap_or_default());
    let (from, to) = (sets.next().unwrap_or_default(), sets.next().unwrap_or_default());
    assert_eq!(from.len(), to.len(), "COPYUID {value}");
    from.into_iter().zip(to).collect()
}

fn connect(shared: &Shared, number: u16) -> Imap {
    // A network of its own for every few clients: their number is bounded a network.
    let mut imap = Imap::connect_from(shared.imap, 1 + number / 10);
    imap.ok(&format!("LOGIN {} {}", shared.address, crate::support::PASSWORD));
    imap
}
