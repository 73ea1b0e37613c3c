//! `Prefer: wait=N` (RFC 7240 §4.3): how long a write waits for all nodes before it answers.
//!
//! Invariant: a preference that is not understood is ignored, never refused (RFC 7240 §2).

use super::dry_run;
use super::operations::operations;
use crate::model::bounds;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Duration;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

tokio::task_local! {
    static PATIENCE: Duration;
}

/// How long the request that is answered in this task waits for all nodes.
pub(super) fn patience() -> Duration {
    PATIENCE.try_with(|patience| *patience).unwrap_or_default()
}

/// Seconds of the first `wait` that is given (RFC 7240 §2: further ones are ignored), bounded.
pub(super) fn wait(headers: &HeaderMap) -> Option<u64> {
    let lists = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    // RFC 7240 §2: each preference may have parameters behind a semicolon.
    let preferences = lists.flat_map(|list| list.split(',')).map(|one| one.split(';').next().unwrap_or_default());
    let waits = preferences.filter_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    });
    let seconds: u64 = waits.map(|value| value.parse().ok()).next()??;
    Some(seconds.min(bounds::PREFER_WAIT_TIME.as_secs()))
}

/// Hands the preference to the write, and says that it was kept.
pub(super) async fn keep(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let applies = operations().makes_revision(request.method().as_str(), path) && !dry_run::wanted(&request);
    let Some(seconds) = wait(request.headers()).filter(|_| applies) else { return next.run(request).await };
    let mut response = PATIENCE.scope(Duration::from_secs(seconds), next.run(request)).await;
    if response.status().is_success()
        && let Ok(value) = HeaderValue::from_str(&format!("wait={seconds}"))
    {
        // RFC 7240 §3.
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wait_counts_and_the_rest_is_ignored() {
        let of = |values: &[&'static str]| {
            let pairs = values.iter().map(|value| (PREFER, HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            pairs.for_each(|(name, value)| {
                headers.append(name, value);
            });
            wait(&headers)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["wait=5"]), Some(5));
        assert_eq!(of(&["respond-async, Wait = \"7\"; x=1, wait=9"]), Some(7));
        assert_eq!(of(&["return=minimal", "wait=3"]), Some(3));
        assert_eq!(of(&["wait=100000"]), Some(30));
        assert_eq!(of(&["wait=soon"]), None);
        assert_eq!(of(&["wait"]), None);
    }
}
