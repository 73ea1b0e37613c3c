//! What a connection owes: a peer that does not take its answer, or asks for nothing, gives its place back.
//!
//! It knows no socket: an answer's body is handed out in small pieces, and who does not come for the next one in
//! time is not reading (TCP and the windows of HTTP/2 alike). Invariant: a peer that reads, however slowly each piece,
//! is never cut off, and neither is one that waits for us.

use crate::model::bounds;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Octets of a piece.
const PIECE: usize = 16 * 1024;

/// How long a connection may do nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// With an answer that its peer does not take.
    pub untaken: Duration,
    /// With nothing asked.
    pub idle: Duration,
}

impl Patience {
    /// What every connection has.
    pub const USUAL: Self = Self { untaken: bounds::WRITE_TIME, idle: bounds::HTTP_IDLE_TIME };
}

/// What one connection is doing.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<State>>);

struct State {
    /// Requests whose answers are not out yet.
    running: usize,
    /// When the last of them was.
    idle_since: Instant,
    /// Answers whose next piece the peer has not come for, and since when.
    untaken: BTreeMap<u64, Instant>,
    next: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { running: 0, idle_since: Instant::now(), untaken: BTreeMap::new(), next: 0 }
    }
}

/// Why a connection has had its time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The peer does not take its answer.
    Untaken,
    /// Nothing is asked.
    Idle,
}

impl Watch {
    /// A request begins.
    pub fn begin(&self) -> Turn {
        let mut state = self.0.lock();
        state.running += 1;
        state.next += 1;
        Turn { watch: self.clone(), id: state.next }
    }

    /// Waits until an answer was not taken, or nothing asked from now on, for longer than there is patience.
    pub async fn overdue(&self, patience: Patience) -> Overdue {
        let began = Instant::now();
        loop {
            let (untaken, quiet) = {
                let state = self.0.lock();
                let untaken = state.untaken.values().min().map(|since| *since + patience.untaken);
                (untaken, (state.running == 0).then(|| state.idle_since.max(began) + patience.idle))
            };
            let now = Instant::now();
            if untaken.is_some_and(|end| end <= now) {
                return Overdue::Untaken;
            }
            if quiet.is_some_and(|end| end <= now) {
                return Overdue::Idle;
            }
            // What begins meanwhile cannot be due before that either.
            let soonest = now + patience.untaken.min(patience.idle);
            sleep_until(untaken.into_iter().chain(quiet).fold(soonest, Instant::min)).await;
        }
    }
}

/// A request and its answer.
pub(super) struct Turn {
    watch: Watch,
    id: u64,
}

impl Turn {
    /// The answer's body, watched from now on.
    pub fn hand_out(self, body: Body) -> Body {
        self.offered();
        Body::new(Watched { body, rest: Bytes::new(), turn: self })
    }

    fn offered(&self) {
        self.watch.0.lock().untaken.insert(self.id, Instant::now());
    }

    fn taken(&self) {
        self.watch.0.lock().untaken.remove(&self.id);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.watch.0.lock();
        state.untaken.remove(&self.id);
        state.running = state.running.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

struct Watched {
    body: Body,
    rest: Bytes,
    turn: Turn,
}

impl Watched {
    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        self.turn.offered();
        Frame::data(self.rest.split_to(length))
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.turn.taken();
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()? else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(octets) => {
                self.rest = octets;
                self.piece()
            }
            Err(other) => {
                self.turn.offered();
                Frame::trailers(other.into_trailers().unwrap_or_else(|_| HeaderMap::new()))
            }
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
