//! How often a caller may ask, told in every answer (draft-ietf-httpapi-ratelimit-headers).
//!
//! A known caller is counted by its id, everybody else by the network; counting itself is `net::Rates`. Invariant:
//! what a monitor or a reader of the documentation asks is free, and nothing else is.

use super::problem::Problem;
use super::server::Peer;
use super::{ApiState, kinds};
use crate::control::Caller;
use crate::net::rates::{Rate, WINDOW_SECONDS};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Whether requests to this path are not counted.
pub(super) fn is_free(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/openapi.json" | "/docs") || path.starts_with("/docs/")
}

/// Counts a request, and refuses what is too much.
pub(super) async fn limit(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let rate = match request.extensions().get::<Caller>() {
        _ if is_free(request.uri().path()) => None,
        Some(caller) => state.rates.of_caller(caller.id.to_string()),
        None => request.extensions().get::<Peer>().and_then(|peer| state.rates.of_network(peer.address.ip())),
    };
    let Some(rate) = rate else { return next.run(request).await };
    let mut response = if rate.admitted {
        next.run(request).await
    } else {
        let detail = format!("at most {} requests a minute are answered; see Retry-After", rate.quota);
        Problem::new(&kinds::RATE_LIMITED, detail).into_response()
    };
    tell(&rate, response.headers_mut());
    response
}

/// Both fields are lists of structured strings with parameters (RFC 9651 §3.1).
fn tell(rate: &Rate, headers: &mut HeaderMap) {
    let Rate { policy, quota, remaining, reset, admitted } = rate;
    let fields = [
        (POLICY, format!("\"{policy}\";q={quota};w={WINDOW_SECONDS}")),
        (LIMIT, format!("\"{policy}\";r={remaining};t={reset}")),
    ];
    let retry = (!admitted).then(|| (header::RETRY_AFTER, reset.to_string()));
    for (name, value) in fields.into_iter().chain(retry) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}
