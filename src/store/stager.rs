//! A message as it comes in: hashed, summarized and compressed on the way, large ones on disk.
//!
//! Nothing here is stored yet; a commit claims it. Invariant: never more of a message in memory
//! than `MESSAGE_IN_MEMORY_OCTETS`, and a body dropped unclaimed leaves no file.

use super::bodies::{BodyFolder, BodyWriter, Encoding, FRAME_OCTETS, StagedFile, pack};
use super::{Result, StoreError};
use crate::mime::Summarizer;
use crate::model::bounds;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// A message's octets as they come in; becomes a [`StagedBody`].
pub struct Stager {
    folder: Arc<BodyFolder>,
    hasher: blake3::Hasher,
    summarizer: Summarizer,
    size: u64,
    buffer: BytesMut,
    file: Option<BodyWriter>,
}

/// A body that is ready to be stored; dropped unstored it leaves nothing behind.
#[derive(Debug)]
pub struct StagedBody {
    /// Octets before compression.
    pub size: u64,
    /// What `mime` prepared, in its stored form.
    pub summary: Bytes,
    pub(super) hash: [u8; 32],
    pub(super) octets: StagedOctets,
}

/// Where a staged body's octets wait.
#[derive(Debug)]
pub(super) enum StagedOctets {
    /// In memory, for the row.
    Row { encoding: Encoding, data: Bytes, checksum: u32 },
    /// On disk, synced.
    File(StagedFile),
}

impl StagedBody {
    /// The hash's first 8 octets, as the index keeps it.
    pub(super) fn hash_key(&self) -> i64 {
        let mut key = [0; 8];
        key.copy_from_slice(&self.hash[..8]);
        i64::from_le_bytes(key)
    }

    /// Octets that a commit has to write for it.
    pub(super) fn row_octets(&self) -> usize {
        match &self.octets {
            StagedOctets::Row { data, .. } => data.len() + self.summary.len(),
            StagedOctets::File(_) => self.summary.len(),
        }
    }
}

impl Stager {
    pub(super) fn new(folder: Arc<BodyFolder>) -> Self {
        Self {
            folder,
            hasher: blake3::Hasher::new(),
            summarizer: Summarizer::default(),
            size: 0,
            buffer: BytesMut::new(),
            file: None,
        }
    }

    /// Takes the next octets. Errors: the disk failed.
    pub async fn write(&mut self, octets: &[u8]) -> Result<()> {
        self.hasher.update(octets);
        self.summarizer.push(octets);
        self.size += octets.len() as u64;
        // A caller may hand over a whole message at once; no more than a few frames of it wait here.
        for part in octets.chunks(bounds::MESSAGE_IN_MEMORY_OCTETS) {
            self.buffer.extend_from_slice(part);
            if self.file.is_some() && self.buffer.len() >= FRAME_OCTETS
                || self.buffer.len() > bounds::MESSAGE_IN_MEMORY_OCTETS
            {
                self.spill(false).await?;
            }
        }
        Ok(())
    }

    /// Octets taken so far.
    pub fn len(&self) -> u64 {
        self.size
    }

    /// True before the first octet.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Writes whole frames of the buffer to the file, and the last one, too, at the end.
    async fn spill(&mut self, to_the_end: bool) -> Result<()> {
        let keep = if to_the_end { 0 } else { self.buffer.len() % FRAME_OCTETS };
        let frames = self.buffer.split_to(self.buffer.len() - keep).freeze();
        let folder = self.folder.clone();
        let file = self.file.take();
        self.file = Some(
            blocking(move || {
                let mut file = file.map_or_else(|| folder.create(), Ok)?;
                for frame in frames.chunks(FRAME_OCTETS) {
                    file.frame(frame)?;
                }
                Ok(file)
            })
            .await?,
        );
        Ok(())
    }

    /// Ends it: hash, compression and summary are ready; large bodies are files that wait to be claimed.
    pub async fn finish(mut self) -> Result<StagedBody> {
        let hash = *self.hasher.finalize().as_bytes();
        let summary = std::mem::take(&mut self.summarizer).finish();
        let octets = self.settle().await?;
        Ok(StagedBody { size: self.size, summary, hash, octets })
    }

    async fn settle(&mut self) -> Result<StagedOctets> {
        if self.file.is_none() {
            let (encoding, data, checksum) = pack(&self.buffer);
            if data.len() <= bounds::BODY_INLINE_OCTETS {
                return Ok(StagedOctets::Row { encoding, data, checksum });
            }
        }
        self.spill(true).await?;
        let Some(file) = self.file.take() else { return Err(StoreError::Failed("the body's file is gone".into())) };
        let folder = self.folder.clone();
        blocking(move || file.finish(&folder)).await.map(StagedOctets::File)
    }
}

/// Runs what waits for the disk where it stops nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Failed(error.to_string()))?.map_err(|error| StoreError::Failed(error.to_string()))
}
