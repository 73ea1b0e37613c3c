//! What every request passes through: log line, time limit, plain-HTTP rule, idempotency.

use super::extract::too_large;
use super::problem::Problem;
use super::server::Peer;
use super::written::{self, Written};
use super::{ApiState, dry_run, kinds};
use crate::control::idempotency::{self, Begun};
use crate::control::{Caller, Error, revisions};
use crate::model::{Revision, bounds};
use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;
use tracing::Instrument;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Octets of an answer that is kept for its Idempotency-Key.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;

/// One log line a request, an id for it, and an end to its time.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = format!("{:016x}", rand::random::<u64>());
    let method = request.method().clone();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.address.ip().to_string());
    // What is logged on the way says which request it was.
    let span = tracing::info_span!("http", request = id);
    let running = next.run(request).instrument(span);
    let mut response = match tokio::time::timeout(bounds::HTTP_REQUEST_TIME, running).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable().into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let route = response.extensions().get::<Route>().map_or("-", |route| &route.path).to_owned();
    let caller = response.extensions().get::<Route>().and_then(|route| route.caller.clone()).unwrap_or_default();
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis() as u64);
    crate::meters::meters().request(method.as_str(), status);
    tracing::info!(request = id, %method, route, status, ms, caller, peer, "http");
    response
}

/// The pattern of the route, never the path itself (it may hold an address), and who called.
#[derive(Clone)]
struct Route {
    path: String,
    caller: Option<String>,
}

/// Notes which route answered.
pub(super) async fn note_route(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let caller = request.extensions().get::<Caller>().map(|caller| caller.id.to_string());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route { path, caller });
    response
}

/// Passwords and tokens come over TLS or from this machine, unless the settings say that a proxy does TLS.
pub(super) async fn require_tls(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    let safe = peer.is_none_or(|peer| peer.tls || peer.address.ip().to_canonical().is_loopback());
    if is_health(&request) || safe || state.plain_http {
        return next.run(request).await;
    }
    let detail = "use https:// on this same port; a proxy that does TLS needs plain_http = \"always\" in the settings";
    Problem::new(&kinds::TLS_REQUIRED, detail).into_response()
}

/// While the server drains it answers what it is asked about its health, and nothing else that is new.
pub(super) async fn refuse_draining(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if state.draining.is_cancelled() && !is_health(&request) {
        return Problem::unavailable().into_response();
    }
    next.run(request).await
}

fn is_health(request: &Request) -> bool {
    matches!(request.uri().path(), "/healthz" | "/readyz")
}

/// The same key and request gets the same answer, done once.
pub(super) async fn once(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    // A dry run does nothing that must not be done twice.
    let writes = dry_run::writes(request.method()) && !dry_run::wanted(&request);
    let key = request.headers().get(IDEMPOTENCY_KEY).map(|value| value.to_str().unwrap_or_default().to_owned());
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 255) {
        let detail = "must have 1 to 255 visible characters";
        return Problem::field("Idempotency-Key", "invalid", detail).into_response();
    }
    let caller = request.extensions().get::<Caller>().cloned();
    match (key, caller) {
        (Some(key), Some(caller)) if writes => match run_once(&state, &caller, &key, request, next).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        },
        _ => next.run(request).await,
    }
}

async fn run_once(
    state: &ApiState,
    caller: &Caller,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, bounds::HTTP_BODY_OCTETS).await.map_err(|_| too_large())?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    // RFC 9110 §13.1.1: another If-Match asks for something else.
    let matches =
        parts.headers.get_all(header::IF_MATCH).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b","[..]);
    let hash = state.seal.fingerprint(&[parts.method.as_str().as_bytes(), target.as_bytes(), &matches, &body]);
    match idempotency::begin(&state.control, &state.seal, caller, key, &hash).await? {
        Begun::Fresh => {}
        Begun::Answered(status, kept) => return restore(status, &kept),
        Begun::Done(revision) => return done(state, caller, revision).await,
        Begun::Running => {
            let detail = "a request with this Idempotency-Key is still running, or its server died in it: \
                read the object to see whether it was done; a new key does it anew";
            return Err(Problem::new(&kinds::RUNNING, detail));
        }
        Begun::Mismatch => {
            let detail = "was used for another request";
            return Err(Problem::field("Idempotency-Key", "reused", detail));
        }
    }
    let (mut parts, mut caller) = (parts, caller.clone());
    caller.intent.once = Some(key.into());
    parts.extensions.insert(caller.clone());
    // In a task of its own: a caller who goes away, or whose time is up, must not part the write from its answer.
    let (state, key) = (state.clone(), key.to_owned());
    let run = async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        keep(&state, &caller, &key, response).await
    };
    let running = tokio::spawn(run.in_current_span());
    running.await.map_err(|_| Problem::unavailable())?
}

/// The answer of a request that was done and whose own answer got lost: what its revision says of the object. What was to
/// be shown once, such as a key's text, went with the answer.
async fn done(state: &ApiState, caller: &Caller, revision: i64) -> Result<Response, Problem> {
    let made = revisions::get(&state.control, caller, revision).await?;
    let creates = made.before.is_none() && made.after.is_some();
    let object = made.after.unwrap_or_else(|| serde_json::Value::Object(Default::default()));
    let effect = written::effect(state, Revision(revision)).await;
    let mut response = Json(Written { object, effect }).into_response();
    if creates {
        *response.status_mut() = StatusCode::CREATED;
    }
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Keeps an answer under its key; failures of ours are not kept, so that the request can be tried again.
async fn keep(state: &ApiState, caller: &Caller, key: &str, response: Response) -> Result<Response, Problem> {
    if response.status().is_server_error() {
        idempotency::release(&state.control, caller, key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_OCTETS).await.map_err(|_| Problem::unavailable())?;
    let header = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut kept = Vec::new();
    for name in KEPT_HEADERS {
        kept.extend_from_slice(header(name).as_bytes());
        kept.push(b'\n');
    }
    kept.extend_from_slice(&body);
    idempotency::finish(&state.control, &state.seal, caller, key, parts.status.as_u16(), &kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// A kept answer: a line a header, then the body.
fn restore(status: u16, kept: &[u8]) -> Result<Response, Problem> {
    let broken = || Problem::from(Error::Internal("a kept answer is broken".into()));
    let mut rest = kept;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| broken())?;
    for name in KEPT_HEADERS {
        let end = rest.iter().position(|o| *o == b'\n').ok_or_else(broken)?;
        let (value, after) = rest.split_at(end);
        if !value.is_empty() {
            response.headers_mut().insert(name, HeaderValue::from_bytes(value).map_err(|_| broken())?);
        }
        rest = after.get(1..).unwrap_or_default();
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    *response.body_mut() = Body::from(Bytes::copy_from_slice(rest));
    Ok(response)
}
