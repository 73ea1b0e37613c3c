//! Access control lists of folders: who may do what (RFC 4314 §2).
//!
//! It knows no commands. Invariants: the owner of a folder always has `l` and `a`, so that no list locks
//! everybody out; an entry for somebody else is never empty.

use super::bounds;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A set of rights (RFC 4314 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u16);

/// Each right with its letter, in the order in which they are written.
const LETTERS: [(char, Rights); 11] = [
    ('l', Rights::LOOKUP),
    ('r', Rights::READ),
    ('s', Rights::SEEN),
    ('w', Rights::WRITE),
    ('i', Rights::INSERT),
    ('p', Rights::POST),
    ('k', Rights::CREATE),
    ('x', Rights::DELETE),
    ('t', Rights::DELETE_MESSAGES),
    ('e', Rights::EXPUNGE),
    ('a', Rights::ADMINISTER),
];

/// The older rights that stand for several (RFC 4314 §2.1.1, the first way).
const VIRTUAL: [(char, Rights); 2] =
    [('c', Rights::CREATE.and(Rights::DELETE)), ('d', Rights::DELETE_MESSAGES.and(Rights::EXPUNGE))];

impl Rights {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// `l`: the name is listed.
    pub const LOOKUP: Self = Self(1);
    /// `r`: SELECT, STATUS.
    pub const READ: Self = Self(1 << 1);
    /// `s`: `\Seen` may be changed.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags other than `\Seen` and `\Deleted` may be changed.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: messages may be put in.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: mail may be sent to the folder's address; nothing here looks at it.
    pub const POST: Self = Self(1 << 5);
    /// `k`: folders may be made below.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: the folder may be deleted or renamed.
    pub const DELETE: Self = Self(1 << 7);
    /// `t`: `\Deleted` may be changed.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: EXPUNGE.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: the list itself may be read and changed.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// All of them.
    pub const ALL: Self = Self((1 << 11) - 1);
    /// What the owner never loses.
    pub const OF_OWNER: Self = Self::LOOKUP.and(Self::ADMINISTER);

    /// Both sets as one.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is left without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are there.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is there.
    pub const fn any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True without any right.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Rights as a client writes them; `None` for a letter that is no right (RFC 4314 §3.1).
    pub fn parse(text: &str) -> Option<Self> {
        text.chars().try_fold(Self::EMPTY, |rights, letter| {
            let mut known = LETTERS.iter().chain(&VIRTUAL);
            known.find(|(known, _)| *known == letter).map(|(_, right)| rights.and(*right))
        })
    }

    /// As the client is told: the virtual rights are there once any of their members is (RFC 4314 §2.1.1).
    pub fn with_virtual(self) -> String {
        let mut text = self.to_string();
        text.extend(VIRTUAL.iter().filter(|(_, members)| self.any_of(*members)).map(|(letter, _)| letter));
        text
    }

    /// The rights that changing these flags takes (RFC 4314 §4).
    pub fn needed_for(system: super::Flags, no_keywords: bool) -> Self {
        use super::Flags;
        let needed = |flags: Flags, right| if system.within(flags) == Flags::EMPTY { Self::EMPTY } else { right };
        let others = Flags(!Flags::SEEN.union(Flags::DELETED).0);
        let write = if no_keywords { needed(others, Self::WRITE) } else { Self::WRITE };
        needed(Flags::SEEN, Self::SEEN).and(needed(Flags::DELETED, Self::DELETE_MESSAGES)).and(write)
    }

    /// The flags that who has these rights may change (RFC 4314 §4).
    pub fn flags(self) -> super::Flags {
        use super::Flags;
        let own = Flags::SEEN.union(Flags::DELETED);
        let mut flags = if self.contains(Self::WRITE) { Flags(!own.0) } else { Flags::EMPTY };
        for (right, flag) in [(Self::SEEN, Flags::SEEN), (Self::DELETE_MESSAGES, Flags::DELETED)] {
            if self.contains(right) {
                flags = flags.union(flag);
            }
        }
        flags
    }
}

impl std::fmt::Display for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        LETTERS.iter().filter(|(_, right)| self.contains(*right)).try_for_each(|(letter, _)| write!(f, "{letter}"))
    }
}

/// Whose rights are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The mailbox that the folder belongs to, whatever its address is now.
    Owner,
    /// Somebody else: the canonical key of an address, or [`ANYONE`].
    Other(Box<str>),
}

/// The identifier that means everybody (RFC 4314 §2).
pub const ANYONE: &str = "anyone";

/// How rights are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RightsChange {
    /// These are added.
    Add(Rights),
    /// These are removed.
    Remove(Rights),
    /// These stand, and no others.
    Replace(Rights),
}

impl RightsChange {
    fn apply(self, old: Rights) -> Rights {
        match self {
            Self::Add(rights) => old.and(rights),
            Self::Remove(rights) => old.without(rights),
            Self::Replace(rights) => rights,
        }
    }
}

/// A list has [`bounds::ACL_ENTRIES`] entries already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyEntries;

/// The access control list of one folder; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    owner: Rights,
    others: Arc<BTreeMap<Box<str>, Rights>>,
}

impl Default for Acl {
    /// What a folder begins with: its owner may do anything, nobody else may.
    fn default() -> Self {
        Self { owner: Rights::ALL, others: Arc::default() }
    }
}

impl Acl {
    /// What somebody may do; an own entry counts together with that of everybody.
    pub fn rights_of(&self, who: &Who) -> Rights {
        let entry = |name: &str| self.others.get(name).copied().unwrap_or_default();
        match who {
            Who::Owner => self.owner,
            Who::Other(name) => entry(name).and(entry(ANYONE)),
        }
    }

    /// The entries for others.
    pub fn others(&self) -> impl Iterator<Item = (&str, Rights)> {
        self.others.iter().map(|(name, rights)| (&**name, *rights))
    }

    /// Changes an entry; one that has become empty goes.
    ///
    /// # Errors
    /// The list is full.
    pub fn change(&mut self, who: &Who, change: RightsChange) -> Result<(), TooManyEntries> {
        let Who::Other(name) = who else {
            self.owner = change.apply(self.owner).and(Rights::OF_OWNER);
            return Ok(());
        };
        let rights = change.apply(self.others.get(name).copied().unwrap_or_default());
        let others = Arc::make_mut(&mut self.others);
        if rights.is_empty() {
            others.remove(name);
        } else if others.len() < bounds::ACL_ENTRIES || others.contains_key(name) {
            others.insert(name.clone(), rights);
        } else {
            return Err(TooManyEntries);
        }
        Ok(())
    }

    /// As it is stored: nothing for what a folder begins with; else the owner's rights, and a line for each other.
    pub fn encode(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let mut text = format!("{}\n", self.owner);
        self.others.iter().for_each(|(name, rights)| text.push_str(&format!("{rights} {name}\n")));
        text
    }

    /// Reads what [`Acl::encode`] wrote; `None` when it is damaged.
    pub fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let Some(owner) = lines.next() else { return Some(Self::default()) };
        let owner = Rights::parse(owner)?.and(Rights::OF_OWNER);
        let entry =
            |line: &str| line.split_once(' ').and_then(|(rights, name)| Some((name.into(), Rights::parse(rights)?)));
        let others = lines.map(entry).collect::<Option<BTreeMap<Box<str>, Rights>>>()?;
        Some(Self { owner, others: Arc::new(others) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flags;

    fn other(name: &str) -> Who {
        Who::Other(name.into())
    }

    #[test]
    fn letters_and_virtual_rights() {
        assert_eq!(Rights::parse("lrswipkxtea"), Some(Rights::ALL));
        assert_eq!(Rights::parse("cd").map(|rights| rights.to_string()), Some("kxte".into()));
        assert_eq!(Rights::parse("lrkt").map(Rights::with_virtual), Some("lrktcd".into()));
        assert_eq!(Rights::parse("lQ"), None);
        assert_eq!(Rights::parse("l0"), None);
    }

    #[test]
    fn flags_follow_rights() {
        assert_eq!(Rights::SEEN.flags(), Flags::SEEN);
        assert!(Rights::ALL.flags().contains(Flags(u64::MAX)));
        assert!(!Rights::WRITE.flags().contains(Flags::DELETED) && Rights::WRITE.flags().contains(Flags::DRAFT));
    }

    #[test]
    fn the_owner_keeps_what_an_owner_needs() {
        let mut acl = Acl::default();
        acl.change(&Who::Owner, RightsChange::Replace(Rights::EMPTY)).unwrap();
        assert_eq!(acl.rights_of(&Who::Owner).to_string(), "la");
        acl.change(&Who::Owner, RightsChange::Add(Rights::READ)).unwrap();
        assert_eq!(Acl::decode(&acl.encode()), Some(acl));
    }

    #[test]
    fn others_have_what_they_and_anyone_were_given() {
        let mut acl = Acl::default();
        acl.change(&other("bob@example.org"), RightsChange::Add(Rights::READ)).unwrap();
        acl.change(&other(ANYONE), RightsChange::Add(Rights::LOOKUP)).unwrap();
        assert_eq!(acl.rights_of(&other("bob@example.org")).to_string(), "lr");
        assert_eq!(acl.rights_of(&other("eve@example.org")).to_string(), "l");
        assert_eq!(Acl::decode(&acl.encode()), Some(acl.clone()));
        acl.change(&other(ANYONE), RightsChange::Remove(Rights::ALL)).unwrap();
        assert_eq!(acl.others().count(), 1);
        for n in 1..bounds::ACL_ENTRIES {
            acl.change(&other(&format!("u{n}@example.org")), RightsChange::Add(Rights::READ)).unwrap();
        }
        assert_eq!(acl.change(&other("one@more.example"), RightsChange::Add(Rights::READ)), Err(TooManyEntries));
        assert_eq!(Acl::decode("l\nr\n"), None);
    }
}
