//! Requests that are made from within: an operation made of others goes through their own routes, with all their rules.
//!
//! It knows no operation. Invariant: the caller comes with the request, never from a header.

use super::problem::Problem;
use crate::control::Caller;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tower::ServiceExt;

/// Octets of an answer of ours.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;

/// The routes, for requests that are made from within.
#[derive(Clone)]
pub(super) struct Routes(pub Router);

/// Makes requests to our own routes for a caller.
pub(super) struct FromWithin {
    /// The routes.
    pub routes: Router,
    /// Who calls.
    pub caller: Caller,
}

impl FromWithin {
    /// Sends a request and waits for its answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        etag: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> Result<Response, Problem> {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(etag) = etag {
            request = request.header(header::IF_MATCH, etag);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.extension(self.caller.clone()).body(body).map_err(|_| Problem::not_found())?;
        self.routes.clone().oneshot(request).await.map_err(|never| match never {})
    }

    /// The object as it is now, with its ETag; none when it is gone.
    pub async fn look(&self, path: &str) -> Result<Option<(Value, Option<HeaderValue>)>, Problem> {
        let response = self.send("GET", path, None, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let etag = response.headers().get(header::ETAG).cloned();
        Ok(Some((json(response).await?, etag)))
    }
}

/// The problem of an answer that is one, with its status: what could not be done now may be tried again.
pub(super) async fn refused(response: Response) -> Problem {
    let status = response.status();
    if status.is_server_error() {
        return Problem::unavailable();
    }
    let answer = json(response).await.unwrap_or_default();
    let detail = answer.pointer("/errors/0/detail").or(answer.get("detail")).and_then(Value::as_str);
    let mut problem = Problem::field("", "refused", detail.unwrap_or("was refused"));
    problem.status = status.as_u16();
    problem
}

/// The body of an answer.
pub(super) async fn json(response: Response) -> Result<Value, Problem> {
    let octets = to_bytes(response.into_body(), ANSWER_OCTETS).await.map_err(|_| Problem::unavailable())?;
    serde_json::from_slice(&octets).map_err(|_| Problem::unavailable())
}
