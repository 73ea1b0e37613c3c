//! A stream that is compressed in both directions (RFC 4978, raw DEFLATE of RFC 1951).
//!
//! Only as much is decompressed as the reader has room for, so a bomb costs its sender more than
//! us; what bounds lines and literals bounds what comes out. Invariant: a flush leaves nothing behind.

use super::Stream;
use crate::model::bounds;
use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of compressed input read at once.
const READ_OCTETS: usize = 4 * 1024;
/// Octets of compressed output that wait for the stream before more is taken.
const OUTPUT_OCTETS: usize = 16 * 1024;
/// A window of 4 KiB for what we send, 144 KiB of memory in all: mail data gains little from more.
const WINDOW_BITS: u8 = 12;

/// Compressed streams that are open.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// A place among the compressed streams.
pub struct DeflatePlace(());

impl DeflatePlace {
    /// A place; `None` when `bounds::COMPRESSED_SESSIONS` are taken.
    pub fn take() -> Option<Self> {
        let free = |open: usize| (open < bounds::COMPRESSED_SESSIONS).then_some(open + 1);
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Self(()))
    }
}

impl Drop for DeflatePlace {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A compressed stream; both states and buffers together take less than 256 KiB.
pub struct Deflated {
    inner: Stream,
    inflate: Decompress,
    deflate: Compress,
    /// Compressed octets that have come.
    input: BytesMut,
    /// Compressed octets to send.
    output: BytesMut,
    /// Whether something was taken that a flush has yet to bring out.
    unflushed: bool,
    /// Whether the decompressor may hold more than the last reader had room for.
    more_inside: bool,
    _place: DeflatePlace,
}

impl Deflated {
    /// From now on `inner` carries compressed octets; `input` came behind the agreement to it.
    pub fn new(inner: Stream, input: BytesMut, place: DeflatePlace) -> Self {
        Self {
            inner,
            inflate: Decompress::new(false),
            deflate: Compress::new_with_window_bits(Compression::fast(), false, WINDOW_BITS),
            input,
            output: BytesMut::new(),
            unflushed: false,
            more_inside: false,
            _place: place,
        }
    }

    /// What carries the compressed octets.
    pub fn inner(&self) -> &Stream {
        &self.inner
    }

    /// Decompresses into the reader's room; how many octets came out, or that the peer ended the data.
    fn inflate(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<Option<usize>> {
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        let room = buf.initialize_unfilled();
        let status = self.inflate.decompress(&self.input, room, FlushDecompress::None);
        let status = status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let (taken, made) = (self.inflate.total_in() - taken, self.inflate.total_out() - made);
        self.input.advance(count(taken).min(self.input.len()));
        let made = count(made);
        self.more_inside = made == room.len();
        buf.advance(made);
        Ok((made > 0 || status != Status::StreamEnd).then_some(made))
    }

    /// Compresses; octets taken from `octets`.
    fn deflate(&mut self, octets: &[u8], flush: FlushCompress) -> io::Result<usize> {
        let start = self.deflate.total_in();
        let mut rest = octets;
        loop {
            let (taken, made) = (self.deflate.total_in(), self.deflate.total_out());
            let mut piece = [0u8; READ_OCTETS];
            self.deflate.compress(rest, &mut piece, flush).map_err(io::Error::other)?;
            let (taken, made) = (self.deflate.total_in() - taken, self.deflate.total_out() - made);
            rest = rest.get(count(taken)..).unwrap_or_default();
            self.output.extend_from_slice(piece.get(..count(made)).unwrap_or_default());
            // Room was left: nothing waits inside.
            if count(made) < piece.len() && rest.is_empty() {
                return Ok(count(self.deflate.total_in() - start));
            }
        }
    }

    /// Hands compressed octets on until at most `left` wait.
    fn send(&mut self, cx: &mut Context<'_>, left: usize) -> Poll<io::Result<()>> {
        while self.output.len() > left {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.output))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(sent);
        }
        if self.output.is_empty() {
            // An idle session holds no buffers but the compressor's own.
            self.output = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

fn count(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

impl AsyncRead for Deflated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.input.is_empty() || this.more_inside {
                match this.inflate(buf)? {
                    Some(0) => {}
                    _ => return Poll::Ready(Ok(())),
                }
            }
            let mut octets = [0u8; READ_OCTETS];
            let mut read = ReadBuf::new(&mut octets);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            // Bounded: what is there was not enough to make one octet, and a code has few.
            if this.input.len() > bounds::OUTPUT_OCTETS {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            this.input.extend_from_slice(read.filled());
        }
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.send(cx, OUTPUT_OCTETS))?;
        let piece = octets.get(..octets.len().min(OUTPUT_OCTETS)).unwrap_or_default();
        this.unflushed = true;
        Poll::Ready(this.deflate(piece, FlushCompress::None))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if std::mem::take(&mut this.unflushed) {
            this.deflate(&[], FlushCompress::Sync)?;
        }
        ready!(this.send(cx, 0))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (Stream, Stream) {
        let (a, b) = tokio::io::duplex(1000);
        let compressed = |end| {
            Stream::Deflated(Box::new(Deflated::new(
                Stream::Memory(end),
                BytesMut::new(),
                DeflatePlace::take().unwrap(),
            )))
        };
        (compressed(a), compressed(b))
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_at_each_flush() {
        let (mut a, mut b) = pair();
        for size in [1usize, 10, 100_000, 1] {
            let sent: Vec<u8> = (0..size).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
            let (writer, mut reader) = (
                async {
                    a.write_all(&sent).await.unwrap();
                    a.flush().await.unwrap()
                },
                vec![0; size],
            );
            let ((), read) = tokio::join!(writer, b.read_exact(&mut reader));
            assert_eq!((read.unwrap(), &reader), (size, &sent));
        }
        a.shutdown().await.unwrap();
        assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_bomb_comes_out_no_faster_than_it_is_read() {
        let (mut a, b) = tokio::io::duplex(64 * 1024);
        let mut bomb = Vec::with_capacity(64 * 1024);
        Compress::new(Compression::best(), false)
            .compress_vec(&vec![0; 10_000_000], &mut bomb, FlushCompress::Sync)
            .unwrap();
        a.write_all(&bomb).await.unwrap();
        let mut stream = Deflated::new(Stream::Memory(b), BytesMut::new(), DeflatePlace::take().unwrap());
        let mut piece = [1; 1000];
        stream.read_exact(&mut piece).await.unwrap();
        assert!(piece.iter().all(|octet| *octet == 0));
        assert!(stream.inflate.total_out() <= 1000 && stream.input.capacity() <= 4 * READ_OCTETS);
    }

    #[tokio::test]
    async fn what_is_not_deflate_is_an_error() {
        let (mut a, b) = tokio::io::duplex(1000);
        a.write_all(b"a1 NOOP in plain text, which is no DEFLATE block\r\n\xff\xff").await.unwrap();
        drop(a);
        let mut stream = Deflated::new(Stream::Memory(b), BytesMut::new(), DeflatePlace::take().unwrap());
        let mut all = Vec::new();
        assert!(stream.read_to_end(&mut all).await.is_err());
    }
}
