//! A message being read in chunks: what stands before the body, then the body.
//!
//! Invariant: a chunk that is given out was verified against its checksum.

use super::bodies::{BodyReader, FRAME_OCTETS};
use super::{Result, StoreError};
use bytes::Bytes;

/// A message being read in chunks.
pub struct MessageReader {
    size: u64,
    given: u64,
    waiting: Bytes,
    rest: Rest,
}

enum Rest {
    Octets(Bytes),
    File(BodyReader),
    End,
}

impl MessageReader {
    pub(super) fn of_octets(prefix: Bytes, body: Bytes, size: u64) -> Self {
        Self { size, given: 0, waiting: prefix, rest: Rest::Octets(body) }
    }

    pub(super) fn of_file(prefix: Bytes, file: BodyReader, size: u64) -> Self {
        Self { size, given: 0, waiting: prefix, rest: Rest::File(file) }
    }

    /// Octets in all, prefix included.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next chunk of at most 64 KiB; `None` at the end. `Corrupt` when the checksum is wrong.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.waiting.is_empty() {
            match std::mem::replace(&mut self.rest, Rest::End) {
                Rest::Octets(body) => self.waiting = body,
                Rest::File(file) => self.next_frame(file).await?,
                Rest::End if self.given == self.size => return Ok(None),
                Rest::End => return Err(StoreError::Corrupt("a message has another size than its row says".into())),
            }
        }
        let chunk = self.waiting.split_to(self.waiting.len().min(FRAME_OCTETS));
        self.given += chunk.len() as u64;
        Ok(Some(chunk))
    }

    async fn next_frame(&mut self, mut file: BodyReader) -> Result<()> {
        let read = tokio::task::spawn_blocking(move || (file.frame(), file)).await;
        let (frame, file) = read.map_err(|error| StoreError::Failed(error.to_string()))?;
        if let Some(frame) = frame? {
            self.waiting = frame;
            self.rest = Rest::File(file);
        }
        Ok(())
    }
}
