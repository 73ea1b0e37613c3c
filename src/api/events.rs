//! The revision log as a stream of server-sent events: what happens, as it happens, to whoever may see it.
//!
//! A stream holds no queue: it reads the log from where it stands, so a slow reader costs nothing. Invariant: it ends
//! when its caller is no longer known, when the server drains, and after an hour; `Last-Event-ID` goes on without a gap.

use super::ApiState;
use super::caller::{Bearer, Permit};
use super::extract::Params;
use super::kinds;
use super::problem::Problem;
use crate::control::Caller;
use crate::control::revisions::{self, RevisionView};
use crate::model::{Revision, bounds};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Revisions read at once.
const BATCH: usize = 100;
/// What comes in so short a time is read together.
const COALESCE: Duration = Duration::from_millis(20);
/// How long a client waits before it connects again, as it is told.
const RETRY: Duration = Duration::from_secs(2);

/// The streams that are open, by caller.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<String, usize>>>);

impl Streams {
    /// A place for one more, if there is one.
    pub(super) fn open(&self, caller: &Caller) -> Result<Place, Problem> {
        let name = caller.id.to_string();
        let mut open = self.0.lock();
        let full = open.values().sum::<usize>() >= bounds::EVENT_STREAMS;
        if full || open.get(&name).is_some_and(|own| *own >= bounds::EVENT_STREAMS_PER_CALLER) {
            let detail = "too many streams are open: close one, or ask /v1/revisions?after=";
            return Err(Problem::new(&kinds::TOO_MANY_STREAMS, detail));
        }
        *open.entry(name.clone()).or_default() += 1;
        drop(open);
        Ok(Place { streams: self.clone(), name })
    }
}

/// A place of one stream; given back when dropped.
pub(super) struct Place {
    streams: Streams,
    name: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock();
        if let Some(own) = open.get_mut(&self.name) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.name);
            }
        }
    }
}

/// Where to begin.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Begin after this revision; `Last-Event-ID` goes before it. Without either, what comes from now on.
    #[param(minimum = 0)]
    #[serde(default, deserialize_with = "super::page::number")]
    after: Option<i64>,
}

/// Follow what happens
///
/// Server-sent events: `id` is the revision's number, `event` its action, `data` the revision. A comment comes at least every 15
/// seconds. Send `Last-Event-ID` to go on where you were.
#[utoipa::path(get, path = "/v1/events", operation_id = "follow_events", tag = "Revisions",
    params(EventQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The last event that was seen.")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 410, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn follow(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Bearer(token): Bearer,
    headers: HeaderMap,
    Params(query): Params<EventQuery>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").map(|value| value.to_str().ok().and_then(|text| text.trim().parse().ok()));
    let after: i64 = match (last, query.after) {
        (Some(Some(last)), _) if last >= 0 => last,
        (Some(_), _) => return Err(Problem::field("Last-Event-ID", "invalid", "must be the id of an event")),
        (None, Some(after)) => after,
        (None, None) => revisions::newest(&state.control).await?.0,
    };
    let place = state.streams.open(&caller)?;
    // Whether it may, and whether the log still reaches back so far, is answered before the stream begins.
    // What is applied from here on wakes it, also what comes while the first batch is read.
    let mut applied = state.directory.applied_changes();
    let first = revisions::after(&state.control, &caller, after, BATCH).await?;
    if first.more {
        applied.mark_changed();
    }
    let following = Following {
        applied,
        state,
        caller,
        token: token.unwrap_or_default(),
        after: first.next_after,
        waiting: first.items.into(),
        greeted: false,
        began: Instant::now(),
        _place: place,
    };
    Ok(Sse::new(events(following)).into_response())
}

struct Following {
    state: ApiState,
    caller: Caller,
    token: String,
    after: i64,
    waiting: VecDeque<RevisionView>,
    greeted: bool,
    began: Instant,
    applied: watch::Receiver<Revision>,
    _place: Place,
}

fn events(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(following, |mut following| async move { Some((Ok(following.next().await?), following)) })
}

impl Following {
    /// The next event or a sign of life; none at the end.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Event::default().retry(RETRY).comment("the log of revisions"));
        }
        if let Some(revision) = self.waiting.pop_front() {
            return event(&revision);
        }
        let draining = self.state.draining.clone();
        tokio::select! {
            () = draining.cancelled() => return None,
            changed = self.applied.changed() => changed.ok()?,
            () = tokio::time::sleep(bounds::EVENT_HEARTBEAT_TIME) => {}
        }
        // Before anything more is shown: a key may have been deleted, a password changed.
        self.caller = self.state.sign_in.recognise(&self.token).await.ok()??;
        if self.began.elapsed() > bounds::EVENT_STREAM_TIME {
            return None;
        }
        tokio::time::sleep(COALESCE).await;
        let more = revisions::after(&self.state.control, &self.caller, self.after, BATCH).await.ok()?;
        self.after = more.next_after;
        // A full batch is followed by the next at once.
        if more.more {
            self.applied.mark_changed();
        }
        self.waiting = more.items.into();
        match self.waiting.pop_front() {
            Some(revision) => event(&revision),
            None => Some(Event::default().comment("")),
        }
    }
}

fn event(revision: &RevisionView) -> Option<Event> {
    // One whose action cannot be read is an event, too: without it a follower would believe that nothing is missing.
    let action = if revision.action.is_empty() { "damaged" } else { &revision.action };
    Event::default().id(revision.number.to_string()).event(action).json_data(revision).ok()
}
