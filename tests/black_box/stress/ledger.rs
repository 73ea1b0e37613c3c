//! What all clients together have learnt: a MODSEQ stands for one set of flags, a UID for one
//! message, and a message that nobody removed is still there.

use std::collections::{HashMap, HashSet};

/// A folder's number and a UID in it.
pub type Place = (usize, u32);

/// What the clients share.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Flags by place and MODSEQ.
    flags: HashMap<(Place, u64), u16>,
    /// Subjects of what was appended.
    subjects: HashMap<Place, String>,
    /// Sizes as told.
    sizes: HashMap<Place, u64>,
    /// Where copies came from.
    copies: HashMap<Place, Place>,
    /// Messages that somebody may have removed.
    removable: HashSet<Place>,
    /// Messages that somebody was told to be gone.
    gone: HashSet<Place>,
    /// The highest MODSEQ and UID by folder that anybody was told.
    highest: HashMap<usize, (u64, u32)>,
}

impl Ledger {
    /// Flags at a MODSEQ are the same for everybody.
    pub fn flags(&mut self, place: Place, modseq: u64, flags: u16) -> Result<(), String> {
        let known = *self.flags.entry((place, modseq)).or_insert(flags);
        let highest = self.highest.entry(place.0).or_default();
        *highest = (highest.0.max(modseq), highest.1.max(place.1));
        if known == flags {
            return Ok(());
        }
        Err(format!(
            "folder {} UID {} at MODSEQ {modseq}: flags {flags:b}, another was told {known:b}",
            place.0, place.1
        ))
    }

    /// A size never changes.
    pub fn size(&mut self, place: Place, size: u64) -> Result<(), String> {
        let known = *self.sizes.entry(place).or_insert(size);
        if known == size { Ok(()) } else { Err(format!("{place:?}: size {size} after {known}")) }
    }

    pub fn appended(&mut self, place: Place, subject: String) {
        self.subjects.insert(place, subject);
    }

    pub fn copied(&mut self, from: Place, to: Place, moved: bool) {
        self.copies.insert(to, from);
        if moved {
            self.removable.insert(from);
        }
    }

    pub fn removable(&mut self, place: Place) {
        self.removable.insert(place);
    }

    pub fn gone(&mut self, place: Place) {
        self.gone.insert(place);
    }

    /// The highest MODSEQ and UID of a folder that anybody was told.
    pub fn highest(&self, folder: usize) -> (u64, u32) {
        self.highest.get(&folder).copied().unwrap_or_default()
    }

    /// The subject that a message must have: that of the first of its line.
    fn subject(&self, mut place: Place) -> Option<&String> {
        while let Some(from) = self.copies.get(&place) {
            place = *from;
        }
        self.subjects.get(&place)
    }

    /// A copy bears the flags of its source, `\Deleted` too.
    fn may_be_gone(&self, mut place: Place) -> bool {
        loop {
            if self.removable.contains(&place) {
                return true;
            }
            match self.copies.get(&place) {
                Some(from) => place = *from,
                None => return false,
            }
        }
    }

    /// Holds a folder's final content, UID and subject, against everything that was done.
    pub fn check(&self, folder: usize, content: &HashMap<u32, String>) -> Result<(), String> {
        for (uid, subject) in content {
            let place = (folder, *uid);
            if self.gone.contains(&place) {
                return Err(format!("{place:?} was told to be gone and is there"));
            }
            if self.subject(place) != Some(subject) {
                return Err(format!("{place:?} is {subject:?}, it was {:?}", self.subject(place)));
            }
        }
        let made = self.subjects.keys().chain(self.copies.keys()).filter(|place| place.0 == folder);
        for place in made {
            if !content.contains_key(&place.1) && !self.may_be_gone(*place) {
                return Err(format!("{place:?} is lost: nobody removed it"));
            }
        }
        Ok(())
    }
}
