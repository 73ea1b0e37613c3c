//! A whole folder state in few octets: what a folder's log shrinks to.
//!
//! It knows no database. A snapshot is: version, a zstd frame, CRC32 of both. In the frame each field
//! of the rows is a column of differences, so that what is alike stands together. Invariant: what
//! does not decode to the last octet is `Corrupt`; nothing is allocated before the CRC is verified.

use super::folder_log::{Decoder, Encoder};
use super::folder_state::Tombstone;
use super::{FolderState, Result, Row, StoreError};
use crate::model::Flags;
use crate::model::ids::MessageId;

/// The layout below; a snapshot of another one is refused.
const VERSION: u64 = 1;
/// zstd's level: snapshots are written while others wait for the commit.
const LEVEL: i32 = 1;
/// Octets that a snapshot may open to: more than any folder needs.
const OCTETS: usize = 1 << 30;
/// A row before its columns are read.
const BLANK: Row =
    Row { uid: 0, message: MessageId(0), flags: Flags::EMPTY, modseq: 0, size: 0, internal_date: 0, save_date: 0 };

/// One field of all rows: how it becomes a number, and back (false: not with this number).
type Column = (fn(&Row) -> i64, fn(&mut Row, i64) -> bool);

/// The columns in their order.
const COLUMNS: [Column; 7] = [
    (|row| i64::from(row.uid), |row, n| u32::try_from(n).map(|n| row.uid = n).is_ok()),
    (|row| row.message.0, |row, n| set(&mut row.message, MessageId(n))),
    (|row| row.flags.0 as i64, |row, n| set(&mut row.flags, Flags(n as u64))),
    (|row| row.modseq as i64, |row, n| set(&mut row.modseq, n as u64)),
    (|row| i64::from(row.size), |row, n| u32::try_from(n).map(|n| row.size = n).is_ok()),
    (|row| row.internal_date, |row, n| set(&mut row.internal_date, n)),
    (|row| row.save_date, |row, n| set(&mut row.save_date, n)),
];

fn set<T>(field: &mut T, value: T) -> bool {
    *field = value;
    true
}

fn damaged() -> StoreError {
    StoreError::Corrupt("a folder's snapshot".into())
}

impl FolderState {
    /// The whole state, with a checksum.
    pub(super) fn encode_snapshot(&self) -> Result<Vec<u8>> {
        let mut content = Encoder::default();
        for number in [u64::from(self.uid_validity), u64::from(self.uid_next), self.highest_modseq, self.forgotten] {
            content.number(number);
        }
        content.number(self.keywords.len() as u64);
        self.keywords.iter().for_each(|name| content.text(name));
        content.number(self.tombstones.len() as u64);
        for tombstone in self.tombstones.iter() {
            content.number(tombstone.modseq);
            content.number(u64::from(tombstone.first));
            content.number(u64::from(tombstone.last));
        }
        self.encode_columns(&mut content);
        let frame = zstd::bulk::compress(&content.0, LEVEL).map_err(|error| StoreError::Failed(error.to_string()))?;
        let mut out = Encoder::default();
        out.number(VERSION);
        out.octets(&frame);
        Ok(out.seal())
    }

    fn encode_columns(&self, out: &mut Encoder) {
        out.number(u64::from(self.len()));
        for (get, _) in COLUMNS {
            let mut last = 0_i64;
            for row in self.rows_from(0) {
                let number = get(&row);
                out.signed(number.wrapping_sub(last));
                last = number;
            }
        }
    }

    /// A snapshot back.
    pub(super) fn decode_snapshot(data: &[u8]) -> Result<Self> {
        let mut sealed = Decoder::open(data).map_err(|_| damaged())?;
        if sealed.number()? != VERSION {
            return Err(damaged());
        }
        let frame = sealed.rest();
        let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().unwrap_or(0);
        let size = usize::try_from(size).ok().filter(|size| *size <= OCTETS).ok_or_else(damaged)?;
        let content = zstd::bulk::decompress(frame, size).map_err(|_| damaged())?;
        Self::decode_content(Decoder::verified(&content))
    }

    fn decode_content(mut from: Decoder<'_>) -> Result<Self> {
        let uid_validity = from.small()?;
        let uid_next = from.small()?;
        let mut state = Self::empty(uid_validity, from.number()?);
        state.forgotten = from.number()?;
        let mut keywords = Vec::new();
        for _ in 0..from.count()? {
            keywords.push(from.text()?.into());
        }
        let mut tombstones = Vec::new();
        for _ in 0..from.count()? {
            tombstones.push(Tombstone { modseq: from.number()?, first: from.small()?, last: from.small()? });
        }
        let rows = decode_columns(&mut from)?;
        from.end()?;
        rows.iter().for_each(|row| state.push(*row));
        // A row that was left out had a UID out of order.
        if state.len() as usize != rows.len() || state.uid_next > uid_next {
            return Err(damaged());
        }
        state.uid_next = uid_next;
        state.keywords = keywords.into();
        state.tombstones = tombstones.into();
        Ok(state)
    }
}

fn decode_columns(from: &mut Decoder<'_>) -> Result<Vec<Row>> {
    let mut rows = vec![BLANK; from.count()?];
    for (_, put) in COLUMNS {
        let mut last = 0_i64;
        for row in &mut rows {
            last = last.wrapping_add(from.signed()?);
            if !put(row, last) {
                return Err(damaged());
            }
        }
    }
    Ok(rows)
}
