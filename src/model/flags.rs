//! Message flags as one bit set: five system flags and up to 56 keywords of a folder.
//!
//! Which keyword a bit means is the folder's own table (`store`). Invariant: `\Recent`
//! is never stored (RFC 9051 deprecates it; RFC 3501 clients get it computed).

/// A set of flags. Bits 0–4 are system flags, bits 8–63 the folder's keywords 0–55.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(pub u64);

impl Flags {
    /// No flag.
    pub const EMPTY: Flags = Flags(0);
    /// `\Seen`
    pub const SEEN: Flags = Flags(1);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(1 << 2);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(1 << 3);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(1 << 4);
    /// Those that are in `mask`, too.
    #[must_use]
    pub const fn within(self, mask: Flags) -> Flags {
        Flags(self.0 & mask.0)
    }

    /// The system flags with their names (RFC 9051 §2.3.2).
    pub const SYSTEM: [(Flags, &'static str); 5] = [
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];
    /// How many keywords a folder can have.
    pub const MAX_KEYWORDS: usize = 56;
    const FIRST_KEYWORD: usize = 8;

    /// The flag of the folder's keyword number `index`, if there can be one.
    pub fn keyword(index: usize) -> Option<Flags> {
        (index < Self::MAX_KEYWORDS).then(|| Flags(1 << (Self::FIRST_KEYWORD + index)))
    }

    /// The numbers of the keywords in this set, rising.
    pub fn keywords(self) -> impl Iterator<Item = usize> {
        (0..Self::MAX_KEYWORDS).filter(move |i| self.0 >> (Self::FIRST_KEYWORD + i) & 1 == 1)
    }

    /// True when every flag of `other` is set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// This set without the flags of `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// True when no flag is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
