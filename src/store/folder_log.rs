//! The records of a folder's log, and how they stand in the database.
//!
//! A record is: kind, fields as variable-length numbers, CRC32. A kind never changes its fields: other
//! fields are another kind. Invariant: what does not decode to
//! the last octet is `Corrupt`, never a guess.

use super::{FlagMode, Result, Row, StoreError};
use crate::model::ids::MessageId;
use crate::model::{Flags, UidSet};

/// One change of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderOp {
    /// Messages came in.
    Append(Vec<Row>),
    /// Flags of messages changed.
    Flags {
        /// Whose.
        uids: UidSet,
        /// Which way.
        mode: FlagMode,
        /// Which.
        flags: Flags,
    },
    /// Messages went.
    Expunge(UidSet),
    /// A keyword got its number.
    Keyword {
        /// The number.
        index: u8,
        /// The name.
        name: Box<str>,
    },
}

/// What the first row of a list is the difference from.
const FIRST: Row =
    Row { uid: 0, message: MessageId(0), flags: Flags::EMPTY, modseq: 0, size: 0, internal_date: 0, save_date: 0 };

fn damaged() -> StoreError {
    StoreError::Corrupt("a record of a folder's log".into())
}

/// Writes numbers and sets; also used by the snapshot.
#[derive(Default)]
pub(super) struct Encoder(pub Vec<u8>);

impl Encoder {
    /// A number of variable length, low bits first.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A signed number; small ones of either sign are short.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    /// A set, as gaps and lengths.
    pub fn uids(&mut self, uids: &UidSet) {
        self.number(uids.ranges().count() as u64);
        let mut last = 0;
        for range in uids.ranges() {
            self.number(u64::from(range.start() - last));
            self.number(u64::from(range.end() - range.start()));
            last = *range.end();
        }
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Rows, each as its difference from the one before.
    pub fn rows<'a>(&mut self, rows: impl ExactSizeIterator<Item = &'a Row>) {
        self.number(rows.len() as u64);
        let mut last = FIRST;
        for row in rows {
            self.number(u64::from(row.uid.wrapping_sub(last.uid)));
            self.signed(row.message.0.wrapping_sub(last.message.0));
            self.number(row.flags.0);
            self.signed(row.modseq.wrapping_sub(last.modseq) as i64);
            self.number(u64::from(row.size));
            self.signed(row.internal_date.wrapping_sub(last.internal_date));
            self.signed(row.save_date.wrapping_sub(last.save_date));
            last = *row;
        }
    }

    /// Octets as they are.
    pub fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// The octets with their checksum.
    pub fn seal(mut self) -> Vec<u8> {
        let checksum = crc32fast::hash(&self.0);
        self.0.extend_from_slice(&checksum.to_le_bytes());
        self.0
    }
}

/// Reads what [`Encoder`] wrote.
pub(super) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// Reads octets that were verified already.
    pub fn verified(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Verifies the checksum.
    pub fn open(sealed: &'a [u8]) -> Result<Self> {
        let (octets, checksum) = sealed.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32fast::hash(octets).to_le_bytes() != *checksum {
            return Err(damaged());
        }
        Ok(Self(octets))
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or_else(damaged)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    /// A number of 32 bits.
    pub fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| damaged())
    }

    /// A signed number.
    pub fn signed(&mut self) -> Result<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A count of things that each take at least one octet.
    pub fn count(&mut self) -> Result<usize> {
        let count = usize::try_from(self.number()?).map_err(|_| damaged())?;
        if count <= self.0.len() { Ok(count) } else { Err(damaged()) }
    }

    /// A set.
    pub fn uids(&mut self) -> Result<UidSet> {
        let count = self.count()?;
        let mut ranges = Vec::with_capacity(count);
        let mut last: u32 = 0;
        for _ in 0..count {
            let start = last.checked_add(self.small()?).ok_or_else(damaged)?;
            last = start.checked_add(self.small()?).ok_or_else(damaged)?;
            ranges.push((start, last));
        }
        Ok(UidSet::from_ranges(ranges))
    }

    /// Text.
    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.count()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| damaged())
    }

    /// Rows.
    pub fn rows(&mut self) -> Result<Vec<Row>> {
        let count = self.count()?;
        let mut rows = Vec::with_capacity(count);
        let mut last = FIRST;
        for _ in 0..count {
            last = Row {
                uid: last.uid.checked_add(self.small()?).ok_or_else(damaged)?,
                message: MessageId(last.message.0.wrapping_add(self.signed()?)),
                flags: Flags(self.number()?),
                modseq: last.modseq.wrapping_add(self.signed()? as u64),
                size: self.small()?,
                internal_date: last.internal_date.wrapping_add(self.signed()?),
                save_date: last.save_date.wrapping_add(self.signed()?),
            };
            rows.push(last);
        }
        Ok(rows)
    }

    /// All that is left, as it stands.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged()) }
    }
}

impl FolderOp {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        match self {
            Self::Append(rows) => {
                out.number(1);
                out.rows(rows.iter());
            }
            Self::Flags { uids, mode, flags } => {
                out.number(match mode {
                    FlagMode::Add => 2,
                    FlagMode::Remove => 3,
                    FlagMode::Replace => 4,
                });
                out.number(flags.0);
                out.uids(uids);
            }
            Self::Expunge(uids) => {
                out.number(5);
                out.uids(uids);
            }
            Self::Keyword { index, name } => {
                out.number(6);
                out.number(u64::from(*index));
                out.text(name);
            }
        }
        out.seal()
    }

    /// The record back.
    pub fn decode(record: &[u8]) -> Result<FolderOp> {
        let mut from = Decoder::open(record)?;
        let kind = from.number()?;
        let op = match kind {
            1 => Self::Append(from.rows()?),
            2..=4 => {
                let mode = match kind {
                    2 => FlagMode::Add,
                    3 => FlagMode::Remove,
                    _ => FlagMode::Replace,
                };
                let flags = Flags(from.number()?);
                Self::Flags { uids: from.uids()?, mode, flags }
            }
            5 => Self::Expunge(from.uids()?),
            6 => {
                let index = u8::try_from(from.number()?).map_err(|_| damaged())?;
                Self::Keyword { index, name: from.text()?.into() }
            }
            _ => return Err(damaged()),
        };
        from.end()?;
        Ok(op)
    }
}
