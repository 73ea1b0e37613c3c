//! What a client may believe of its selected folder, from untagged responses alone.
//!
//! Each method applies one response and says what is wrong with it. Invariant: UIDs that
//! are known rise with the sequence numbers.

use super::untagged::Fetched;

/// What STORE does to flags.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Add(u16),
    Remove(u16),
    Replace(u16),
}

impl Change {
    pub fn apply(self, flags: Option<u16>) -> Option<u16> {
        match self {
            Self::Add(bits) => flags.map(|flags| flags | bits),
            Self::Remove(bits) => flags.map(|flags| flags & !bits),
            Self::Replace(bits) => Some(bits),
        }
    }
}

/// A message as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    pub uid: Option<u32>,
    pub flags: Option<u16>,
    /// 0 while unknown.
    pub modseq: u64,
    /// True when the command that is being answered told the MODSEQ.
    pub modseq_told: bool,
    /// A silent change on its way: what it comes to unless the server tells the flags meanwhile.
    pub pending: Option<Change>,
}

/// The selected folder.
#[derive(Debug, Default)]
pub struct Mirror {
    pub slots: Vec<Slot>,
    /// UIDs that VANISHED or EXPUNGE took away since SELECT.
    pub gone: Vec<u32>,
    /// The highest MODSEQ told since the last tagged response.
    pub told_modseq: u64,
}

type Heard = Result<(), String>;

impl Mirror {
    /// RFC 9051 §7.4.1: EXISTS never takes messages away.
    pub fn exists(&mut self, count: u32) -> Heard {
        let count = count as usize;
        if count < self.slots.len() {
            return Err(format!("EXISTS {count} below the {} messages known", self.slots.len()));
        }
        self.slots.resize(count, Slot::default());
        Ok(())
    }

    /// RFC 9051 §7.5.1.
    pub fn expunge(&mut self, number: u32) -> Heard {
        let index = self.index(number)?;
        let slot = self.slots.remove(index);
        self.gone.extend(slot.uid);
        Ok(())
    }

    /// RFC 7162 §3.2.10.2: each UID takes one message away.
    pub fn vanished(&mut self, uids: &[u32]) -> Heard {
        for uid in uids {
            let index = self.slots.iter().position(|slot| slot.uid == Some(*uid));
            let index = index.or_else(|| self.unknown_at(*uid));
            self.slots.remove(index.ok_or_else(|| format!("VANISHED {uid}, which was not there"))?);
            self.gone.push(*uid);
        }
        Ok(())
    }

    /// A message of unknown UID that may have this one.
    fn unknown_at(&self, uid: u32) -> Option<usize> {
        let below = self.slots.iter().rposition(|slot| slot.uid.is_some_and(|known| known < uid));
        let index = below.map_or(0, |below| below + 1);
        self.slots.get(index).is_some_and(|slot| slot.uid.is_none()).then_some(index)
    }

    /// A FETCH response; what it says must not contradict what is known.
    pub fn fetched(&mut self, told: &Fetched) -> Heard {
        let index = self.index(told.number)?;
        if let Some(uid) = told.uid {
            self.name(index, uid)?;
        }
        let slot = &mut self.slots[index];
        if let Some(modseq) = told.modseq {
            self.told_modseq = self.told_modseq.max(modseq);
            if modseq < slot.modseq {
                return Err(format!("MODSEQ {modseq} of message {} after {}", told.number, slot.modseq));
            }
            if let (Some(flags), Some(known)) = (told.flags, slot.flags)
                && modseq == slot.modseq
                && flags != known
                && slot.pending.is_none()
            {
                return Err(format!("other flags of message {} at the same MODSEQ {modseq}", told.number));
            }
            slot.modseq = modseq;
            slot.modseq_told = true;
        }
        if told.flags.is_some() {
            // RFC 9051 §6.4.6: what is told during a STORE is the outcome, also after .SILENT.
            slot.flags = told.flags;
            slot.pending = None;
        }
        Ok(())
    }

    /// The UID of a message, which must stand between its neighbours'.
    fn name(&mut self, index: usize, uid: u32) -> Heard {
        let known = self.slots[index].uid;
        if known.is_some_and(|known| known != uid) {
            return Err(format!("message {} has UID {uid} after {known:?}", index + 1));
        }
        if known.is_none() {
            let below = self.slots[..index].iter().rev().find_map(|slot| slot.uid);
            let above = self.slots[index + 1..].iter().find_map(|slot| slot.uid);
            if below.is_some_and(|below| below >= uid) || above.is_some_and(|above| above <= uid) {
                return Err(format!("UID {uid} of message {} does not stand between its neighbours'", index + 1));
            }
            self.slots[index].uid = Some(uid);
        }
        Ok(())
    }

    /// The place of a sequence number.
    pub fn index(&self, number: u32) -> Result<usize, String> {
        let index = (number as usize).checked_sub(1).filter(|index| *index < self.slots.len());
        index.ok_or_else(|| format!("message number {number} of {}", self.slots.len()))
    }

    /// Whether the folder may hold this UID, as far as the client knows.
    pub fn may_hold(&self, uid: u32) -> bool {
        self.slots.iter().any(|slot| slot.uid == Some(uid)) || self.unknown_at(uid).is_some()
    }

    /// The silent changes that were not told have come to pass.
    ///
    /// With CONDSTORE their MODSEQ was told (RFC 7162 §3.1.3); of a message without one that was
    /// to change, all that can be said is that it is gone or will be told of.
    pub fn settle(&mut self, condstore: bool) {
        for slot in &mut self.slots {
            if let Some(change) = slot.pending.take() {
                let outcome = change.apply(slot.flags);
                let untold = condstore && !slot.modseq_told && outcome != slot.flags;
                slot.flags = outcome.filter(|_| !untold);
            }
        }
    }

    /// A command begins.
    pub fn begin(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.modseq_told = false);
    }

    /// The silent changes may have happened or not.
    pub fn forget_pending(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.pending.is_some()) {
            slot.pending = None;
            slot.flags = None;
        }
    }
}
