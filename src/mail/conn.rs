//! The one driver of all mail conversations: socket, TLS, deadlines, back-pressure, the end.
//!
//! It knows no protocol. A session takes octets from [`Conn::input`], queues octets in
//! [`Conn::out`] and awaits [`Conn::read_more`]. Invariant: a session waits nowhere else,
//! so nothing can keep it past its deadline or past the moment that configuration ends it.

use super::pace::Pace;
use crate::directory::{EndReason, SessionGuard};
use crate::model::bounds;
use crate::net::{DeflatePlace, Deflated, Stream, Ticket};
use bytes::BytesMut;
use rustls::ServerConfig;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Octets asked from the socket at once.
const READ_OCTETS: usize = 16 * 1024;
/// How long the last words may take to be sent.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Why a conversation stops being read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// The peer is gone (end of file, reset, TLS error).
    Closed,
    /// The deadline passed: for a read the peer said nothing, for a write it took nothing.
    TimedOut,
    /// Configuration, an administrator or the shutdown ends this session: say so in the protocol's words.
    Ended(EndReason),
}

/// What went over a connection, in octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the peer.
    pub received: u64,
    /// To the peer.
    pub sent: u64,
}

/// What holds for every connection of a listener.
#[derive(Clone)]
pub struct ConnSettings {
    /// The certificate for STARTTLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// The hash of that certificate that a login can be bound to (RFC 5929 §4).
    pub end_point: Option<Arc<[u8]>>,
    /// Whether a login may come without TLS from loopback.
    pub loopback_login: bool,
    /// Cancelled when the server drains.
    pub shutdown: CancellationToken,
}

/// A connection, before or after STARTTLS and login.
pub struct Conn {
    /// `None` only while TLS takes the stream over.
    stream: Option<Stream>,
    peer: SocketAddr,
    settings: ConnSettings,
    input: BytesMut,
    out: Vec<u8>,
    octets: Traffic,
    opened: Instant,
    /// The peer's pace inside of a command or a message.
    pace: Pace,
    guard: Option<Arc<SessionGuard>>,
    _ticket: Option<Ticket>,
}

impl Conn {
    /// A new connection; `ticket` is its place among all that are open.
    pub fn new(stream: Stream, peer: SocketAddr, settings: ConnSettings, ticket: Option<Ticket>) -> Self {
        Self {
            stream: Some(stream),
            peer,
            settings,
            input: BytesMut::new(),
            out: Vec::new(),
            octets: Traffic::default(),
            opened: Instant::now(),
            pace: Pace::new(),
            guard: None,
            _ticket: ticket,
        }
    }

    /// A connection in memory, from loopback, login allowed; for tests of sessions.
    pub fn in_memory(stream: tokio::io::DuplexStream) -> Self {
        let settings =
            ConnSettings { tls: None, end_point: None, loopback_login: true, shutdown: CancellationToken::new() };
        Self::new(Stream::Memory(stream), SocketAddr::from(([127, 0, 0, 1], 1)), settings, None)
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether TLS protects the conversation.
    pub fn is_tls(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_tls)
    }

    /// TLS version and cipher for `Received` and logs, such as `TLSv1_3 TLS13_AES_256_GCM_SHA384`.
    pub fn tls_cipher(&self) -> Option<String> {
        self.stream.as_ref().and_then(Stream::tls_cipher)
    }

    /// What binds a login to this connection, by the name of the binding; none where it cannot be had.
    pub fn channel_binding(&self, name: &str) -> Option<Vec<u8>> {
        let stream = self.stream.as_ref().filter(|stream| stream.is_tls())?;
        match name {
            "tls-exporter" => stream.tls_exporter(),
            "tls-server-end-point" => self.settings.end_point.as_ref().map(|hash| hash.to_vec()),
            _ => None,
        }
    }

    /// Whether a login can be bound to this connection.
    pub fn can_bind(&self) -> bool {
        self.is_tls() && (self.settings.end_point.is_some() || self.channel_binding("tls-exporter").is_some())
    }

    /// Whether STARTTLS may be offered now: not yet TLS, and a certificate is there.
    pub fn may_start_tls(&self) -> bool {
        !self.is_tls() && self.settings.tls.is_some()
    }

    /// Whether a login may be offered now: TLS, or loopback where the settings allow it.
    pub fn may_login(&self) -> bool {
        self.is_tls() || (self.settings.loopback_login && self.peer.ip().to_canonical().is_loopback())
    }

    /// How long the connection has been open, or nobody signed in again.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Octets received and sent so far, TLS not counted.
    pub fn octets(&self) -> Traffic {
        self.octets
    }

    /// Octets received and not yet taken; the wire takes from the front (`split_to`, `advance`).
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Octets to send; sent by `flush`, and by `read_more` before it waits.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Input and output at once, for wires that answer while they take.
    pub fn buffers(&mut self) -> (&mut BytesMut, &mut Vec<u8>) {
        (&mut self.input, &mut self.out)
    }

    /// Flushes, then waits for a command until there is more in [`Conn::input`]. Cancel-safe.
    ///
    /// # Errors
    /// [`Interrupt`]: the session has to end.
    pub async fn read_more(&mut self, within: Duration) -> Result<(), Interrupt> {
        self.pace = Pace::new();
        self.wait(within).await
    }

    /// Like [`Conn::read_more`] for the rest of a command, of which some has come: at a minimum rate.
    ///
    /// # Errors
    /// [`Interrupt`]: the session has to end.
    pub async fn read_rest(&mut self, within: Duration) -> Result<(), Interrupt> {
        let (began, before) = (Instant::now(), self.octets.received);
        let waited = self.wait(within.min(self.pace.left())).await;
        self.keep_pace(began, before);
        waited
    }

    async fn wait(&mut self, within: Duration) -> Result<(), Interrupt> {
        self.flush().await?;
        let guard = self.guard.clone();
        let shutdown = self.settings.shutdown.clone();
        tokio::select! {
            biased;
            reason = ending(guard.as_deref(), &shutdown) => Err(Interrupt::Ended(reason)),
            read = self.read_within(within) => read,
        }
    }

    /// Like [`Conn::read_more`] for the inside of a message (DATA, BDAT, a literal of APPEND): it is
    /// not ended by configuration or shutdown, since what has started is finished. The peer must keep
    /// [`bounds::SENDER_RATE`].
    ///
    /// # Errors
    /// [`Interrupt::Closed`] or [`Interrupt::TimedOut`].
    pub async fn read_on(&mut self, within: Duration) -> Result<(), Interrupt> {
        self.write_out().await?;
        let (began, before) = (Instant::now(), self.octets.received);
        let read = self.read_within(within.min(self.pace.left())).await;
        self.keep_pace(began, before);
        read
    }

    /// Whether the session may begin with something more, where it neither waits nor sends.
    ///
    /// # Errors
    /// [`Interrupt::Ended`].
    pub fn go_on(&self) -> Result<(), Interrupt> {
        match self.guard.as_ref().and_then(|guard| guard.ending()) {
            Some(reason) => Err(Interrupt::Ended(reason)),
            None if self.settings.shutdown.is_cancelled() => Err(Interrupt::Ended(EndReason::Shutdown)),
            None => Ok(()),
        }
    }

    fn keep_pace(&mut self, began: Instant, before: u64) {
        let octets = usize::try_from(self.octets.received - before).unwrap_or(usize::MAX);
        self.pace.received(octets, began.elapsed());
    }

    /// Sends what is queued. `Ended` when the session must end (check at response boundaries).
    ///
    /// # Errors
    /// [`Interrupt`]: the session has to end.
    pub async fn flush(&mut self) -> Result<(), Interrupt> {
        if let Some(reason) = self.guard.as_ref().and_then(|guard| guard.ending()) {
            return Err(Interrupt::Ended(reason));
        }
        if self.out.is_empty() {
            return Ok(());
        }
        let Some(guard) = self.guard.clone() else { return self.write_out().await };
        // A peer that reads slowly must not outlive the switch that ends it.
        tokio::select! {
            biased;
            written = self.write_out() => written,
            reason = guard.ended() => Err(Interrupt::Ended(reason)),
        }
    }

    /// Sends what is queued once it passes [`bounds::OUTPUT_OCTETS`]: the back-pressure of long answers.
    ///
    /// # Errors
    /// [`Interrupt`]: the session has to end.
    pub async fn flush_if_full(&mut self) -> Result<(), Interrupt> {
        if self.out.len() >= bounds::OUTPUT_OCTETS { self.flush().await } else { Ok(()) }
    }

    /// Sends what is queued, drops all unread input (RFC 3207 §4.2, RFC 9051 §11.1) and does the TLS handshake.
    ///
    /// # Errors
    /// [`Interrupt::Closed`] when the handshake fails, [`Interrupt::TimedOut`] when it takes too long.
    pub async fn start_tls(&mut self) -> Result<(), Interrupt> {
        self.write_out().await?;
        let (Some(config), Some(stream)) = (self.settings.tls.clone(), self.stream.take()) else {
            return Err(Interrupt::Closed);
        };
        // What came in the same segment as STARTTLS was not protected: it must never be answered inside TLS.
        self.input.clear();
        match timeout(bounds::TLS_HANDSHAKE_TIME, stream.into_tls(config)).await {
            Ok(Ok(stream)) => {
                self.stream = Some(stream);
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::debug!(peer = %self.peer, %error, "TLS handshake failed");
                Err(Interrupt::Closed)
            }
            Err(_) => Err(Interrupt::TimedOut),
        }
    }

    /// Whether the conversation is compressed.
    pub fn is_deflated(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_deflated)
    }

    /// Sends what is queued; from then on both directions are compressed (RFC 4978 §3).
    ///
    /// # Errors
    /// [`Interrupt`]: the session has to end.
    pub async fn deflate(&mut self, place: DeflatePlace) -> Result<(), Interrupt> {
        self.write_out().await?;
        let stream = self.stream.take().ok_or(Interrupt::Closed)?;
        // What came behind the command was sent compressed.
        let input = std::mem::take(&mut self.input);
        self.stream = Some(Stream::Deflated(Box::new(Deflated::new(stream, input, place))));
        Ok(())
    }

    /// Ends the signed-in session; the conversation goes on without one (RFC 8437).
    pub fn sign_out(&mut self) {
        // The time for a login begins anew.
        self.opened = Instant::now();
        self.guard = None;
    }

    /// Ties the conversation to a signed-in session: from now on its end ends the reads and flushes here.
    pub fn sign_in(&mut self, guard: Arc<SessionGuard>) {
        self.guard = Some(guard);
    }

    /// The signed-in session, once there is one.
    pub fn guard(&self) -> Option<&Arc<SessionGuard>> {
        self.guard.as_ref()
    }

    /// Sends what is queued within a short time, whatever ended the session, and closes; what went over
    /// the connection in all.
    pub async fn close(mut self) -> Traffic {
        let _ = timeout(CLOSE_TIME, async {
            self.write_out().await?;
            let stream = self.stream.as_mut().ok_or(Interrupt::Closed)?;
            stream.shutdown().await.map_err(|_| Interrupt::Closed)
        })
        .await;
        self.octets
    }

    /// True when octets stand in the socket unread: for SMTP's early talkers (RFC 5321 §4.3.1).
    pub async fn has_spoken(&mut self, within: Duration) -> bool {
        !self.input.is_empty() || matches!(self.read_within(within).await, Ok(()) | Err(Interrupt::Closed))
    }

    async fn read_within(&mut self, within: Duration) -> Result<(), Interrupt> {
        let stream = self.stream.as_mut().ok_or(Interrupt::Closed)?;
        match timeout(within, read_some(stream, &mut self.input)).await {
            Ok(Ok(0)) | Ok(Err(_)) => Err(Interrupt::Closed),
            Ok(Ok(octets)) => {
                self.octets.received += octets as u64;
                Ok(())
            }
            Err(_) => Err(Interrupt::TimedOut),
        }
    }

    async fn write_out(&mut self) -> Result<(), Interrupt> {
        if self.out.is_empty() {
            return Ok(());
        }
        let stream = self.stream.as_mut().ok_or(Interrupt::Closed)?;
        let sent = timeout(bounds::WRITE_TIME, send_all(stream, &mut self.out, &mut self.octets.sent)).await;
        if self.out.capacity() > 2 * bounds::OUTPUT_OCTETS {
            self.out.shrink_to(bounds::OUTPUT_OCTETS);
        }
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Interrupt::Closed),
            Err(_) => Err(Interrupt::TimedOut),
        }
    }
}

/// Reads once. An idle connection must hold no buffer, so memory is taken only when
/// there is something to read: the first read goes to the stack.
async fn read_some(stream: &mut Stream, input: &mut BytesMut) -> std::io::Result<usize> {
    if input.is_empty() {
        // Gives back what a large command left behind.
        *input = BytesMut::new();
        let read = first_octets(stream, input).await?;
        return Ok(read);
    }
    input.reserve(READ_OCTETS);
    stream.read_buf(input).await
}

/// Waits for octets without holding a buffer across the wait.
fn first_octets<'a>(
    stream: &'a mut Stream,
    input: &'a mut BytesMut,
) -> impl Future<Output = std::io::Result<usize>> + 'a {
    use std::pin::Pin;
    use tokio::io::{AsyncRead, ReadBuf};
    std::future::poll_fn(move |cx| {
        let mut octets = [0u8; READ_OCTETS];
        let mut buf = ReadBuf::new(&mut octets);
        match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
            std::task::Poll::Ready(Ok(())) => {
                input.extend_from_slice(buf.filled());
                std::task::Poll::Ready(Ok(buf.filled().len()))
            }
            std::task::Poll::Ready(Err(error)) => std::task::Poll::Ready(Err(error)),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    })
}

/// Sends and forgets what was sent as it goes, so that a cancelled call repeats nothing.
async fn send_all(stream: &mut Stream, out: &mut Vec<u8>, total: &mut u64) -> std::io::Result<()> {
    let mut sent = Sent { out, octets: 0, total };
    while sent.octets < sent.out.len() {
        let rest = sent.out.get(sent.octets..).unwrap_or_default();
        match stream.write(rest).await? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            written => sent.octets += written,
        }
    }
    stream.flush().await
}

/// Takes what was sent off the queue when dropped, also when the sending was cancelled.
struct Sent<'a> {
    out: &'a mut Vec<u8>,
    octets: usize,
    total: &'a mut u64,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.out.drain(..self.octets.min(self.out.len()));
        *self.total += self.octets as u64;
    }
}

/// Waits until the session has to end.
async fn ending(guard: Option<&SessionGuard>, shutdown: &CancellationToken) -> EndReason {
    let ended = async {
        match guard {
            Some(guard) => guard.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        reason = ended => reason,
        () = shutdown.cancelled() => EndReason::Shutdown,
    }
}
