//! Where the octets of bodies are: small ones in a row, large ones in files of frames.
//!
//! It knows no messages and no database. Each frame is at most 64 KiB of the message, compressed
//! on its own, with a checksum that is verified before one octet of it is given out. Invariant:
//! a file below `bodies/` was synced, and its folder too, before a row names it.

use super::{Result, StoreError};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Octets of a message in one frame: also the largest chunk that a reader gets.
pub(super) const FRAME_OCTETS: usize = 64 * 1024;
/// zstd's level: its default, where more costs time and saves little on mail.
const LEVEL: i32 = 3;
/// Stored length, octets when opened, checksum of what is stored; the top bit of the first says zstd.
const FRAME_HEADER: usize = 12;
const COMPRESSED: u32 = 1 << 31;

/// How a small body's octets stand in its row, or that they are a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are.
    Plain = 0,
    /// zstd.
    Zstd = 1,
    /// A file of frames.
    File = 2,
}

impl Encoding {
    /// The stored number back.
    pub fn from_number(number: i64) -> Result<Self> {
        match number {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Zstd),
            2 => Ok(Self::File),
            _ => Err(StoreError::Corrupt(format!("no encoding has the number {number}"))),
        }
    }
}

/// Compresses where it helps; answers the checksum of what is to be stored.
pub(super) fn pack(octets: &[u8]) -> (Encoding, Bytes, u32) {
    let (encoding, data) = match zstd::bulk::compress(octets, LEVEL) {
        Ok(small) if small.len() < octets.len() => (Encoding::Zstd, Bytes::from(small)),
        _ => (Encoding::Plain, Bytes::copy_from_slice(octets)),
    };
    let checksum = crc32fast::hash(&data);
    (encoding, data, checksum)
}

/// Verifies and opens what [`pack`] made.
pub(super) fn unpack(encoding: Encoding, data: Bytes, checksum: u32, size: usize) -> Result<Bytes> {
    if crc32fast::hash(&data) != checksum {
        return Err(StoreError::Corrupt("the checksum of a body is wrong".into()));
    }
    let open = match encoding {
        Encoding::Plain => data,
        Encoding::Zstd => Bytes::from(
            zstd::bulk::decompress(&data, size).map_err(|_| StoreError::Corrupt("a body does not open".into()))?,
        ),
        Encoding::File => return Err(StoreError::Corrupt("a body's row holds no octets".into())),
    };
    if open.len() != size {
        return Err(StoreError::Corrupt("a body has another size than its row says".into()));
    }
    Ok(open)
}

/// The folder of body files.
#[derive(Debug)]
pub(super) struct BodyFolder {
    root: PathBuf,
}

impl BodyFolder {
    /// Makes the folder, and throws away what was still being written when the process ended.
    pub fn open(data_dir: &Path) -> std::io::Result<Self> {
        let root = data_dir.join("bodies");
        fs::create_dir_all(root.join("incoming"))?;
        for shelf in 0..=255u8 {
            let path = root.join(format!("{shelf:02x}"));
            if !path.is_dir() {
                fs::create_dir(path)?;
            }
        }
        sync_folder(&root)?;
        // Its own name is on disk before anything below it is promised to be.
        sync_folder(data_dir)?;
        Ok(Self { root })
    }

    /// The folder as it is, for who only looks.
    pub fn at(data_dir: &Path) -> Self {
        Self { root: data_dir.join("bodies") }
    }

    /// Where a body's file stands.
    pub fn path(&self, name: &str) -> PathBuf {
        let shelf = name.get(..2).unwrap_or("00");
        self.root.join(shelf).join(name)
    }

    /// Begins a file under a name of its own.
    pub fn create(&self) -> std::io::Result<BodyWriter> {
        let name = format!("{:032x}", rand::random::<u128>());
        let path = self.root.join("incoming").join(&name);
        let file = File::options().write(true).create_new(true).open(&path)?;
        let staged = StagedFile { path, name, claimed: AtomicBool::new(false) };
        Ok(BodyWriter { out: BufWriter::with_capacity(2 * FRAME_OCTETS, file), staged })
    }

    /// A second name for a staged file: another tenant's body of the same octets.
    pub fn link(&self, file: &StagedFile) -> std::io::Result<StagedFile> {
        let name = format!("{:032x}", rand::random::<u128>());
        let path = self.path(&name);
        fs::hard_link(&file.path, &path)?;
        let staged = StagedFile { path, name, claimed: AtomicBool::new(false) };
        sync_parent(&staged.path)?;
        Ok(staged)
    }

    /// Removes the file of a body whose row is gone; who reads it right now keeps it.
    pub fn remove(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.path(name)) {
            tracing::warn!(%error, name, "a body's file could not be removed");
        }
    }

    /// Names of files that are older than `before`: those among them that no row names are orphans.
    pub fn names_before(&self, before: SystemTime) -> Vec<String> {
        let shelves = (0..=255u8).map(|shelf| self.root.join(format!("{shelf:02x}")));
        let entries = shelves.filter_map(|shelf| fs::read_dir(shelf).ok()).flatten().filter_map(|entry| entry.ok());
        let old = entries.filter(|entry| entry.metadata().and_then(|m| m.modified()).is_ok_and(|at| at < before));
        old.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Removes unfinished files that are older than `before`.
    pub fn clear_incoming(&self, before: SystemTime) -> std::io::Result<()> {
        for entry in fs::read_dir(self.root.join("incoming"))? {
            let entry = entry?;
            if entry.metadata().and_then(|m| m.modified()).is_ok_and(|at| at < before) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// A file that no row names yet; dropped unclaimed it is removed.
#[derive(Debug)]
pub(super) struct StagedFile {
    path: PathBuf,
    name: String,
    claimed: AtomicBool,
}

impl StagedFile {
    /// What its row calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on a committed row names it.
    pub fn claim(&self) {
        self.claimed.store(true, Ordering::Release);
    }

    /// True once a row names it.
    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !*self.claimed.get_mut()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "an unused body file could not be removed");
        }
    }
}

/// A body's file as it is written.
#[derive(Debug)]
pub(super) struct BodyWriter {
    out: BufWriter<File>,
    staged: StagedFile,
}

impl BodyWriter {
    /// Writes one frame of at most [`FRAME_OCTETS`].
    pub fn frame(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let (encoding, data, checksum) = pack(octets);
        let flag = if encoding == Encoding::Zstd { COMPRESSED } else { 0 };
        let stored = u32::try_from(data.len()).map_err(std::io::Error::other)?;
        let opened = u32::try_from(octets.len()).map_err(std::io::Error::other)?;
        self.out.write_all(&(stored | flag).to_le_bytes())?;
        self.out.write_all(&opened.to_le_bytes())?;
        self.out.write_all(&checksum.to_le_bytes())?;
        self.out.write_all(&data)
    }

    /// Syncs the file, puts it into its place and syncs the folder that names it.
    pub fn finish(self, folder: &BodyFolder) -> std::io::Result<StagedFile> {
        let Self { out, mut staged } = self;
        out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        let place = folder.path(&staged.name);
        fs::rename(&staged.path, &place)?;
        staged.path = place;
        sync_parent(&staged.path)?;
        Ok(staged)
    }
}

/// A body's file as it is read, frame by frame.
#[derive(Debug)]
pub(super) struct BodyReader {
    file: File,
}

impl BodyReader {
    /// Opens it; a missing file is damage.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| StoreError::Corrupt(format!("a body's file: {error}")))?;
        Ok(Self { file })
    }

    /// The next frame, verified; `None` at the end.
    pub fn frame(&mut self) -> Result<Option<Bytes>> {
        let mut header = [0; FRAME_HEADER];
        if !fill(&mut self.file, &mut header)? {
            return Ok(None);
        }
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (stored, opened, checksum) = (word(0), word(4) as usize, word(8));
        let length = (stored & !COMPRESSED) as usize;
        if length > FRAME_OCTETS || opened > FRAME_OCTETS {
            return Err(StoreError::Corrupt("a frame of a body is too long".into()));
        }
        let mut data = vec![0; length];
        if !fill(&mut self.file, &mut data)? && length > 0 {
            return Err(StoreError::Corrupt("a body's file is cut short".into()));
        }
        let encoding = if stored & COMPRESSED == 0 { Encoding::Plain } else { Encoding::Zstd };
        unpack(encoding, data.into(), checksum, opened).map(Some)
    }
}

/// Fills `buffer`; false at the very end of the file, an error in the midst of it.
fn fill(file: &mut File, buffer: &mut [u8]) -> Result<bool> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(StoreError::Corrupt("a body's file is cut short".into())),
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::Corrupt(format!("a body's file: {error}"))),
        }
    }
    Ok(true)
}
