//! From the Authorization header to the caller, once a request.
//!
//! Invariant: a handler that takes a [`Permit`] runs for a known caller alone.

use super::ApiState;
use super::problem::Problem;
use super::server::Peer;
use crate::control::Caller;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// A known caller.
pub struct Permit(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Permit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(Problem::unauthenticated)
    }
}

/// The bearer token of a request (RFC 6750 §2.1).
pub struct Bearer(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = value.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        Ok(Self(token.map(|(_, token)| token.trim().to_owned())))
    }
}

/// Recognises the caller and hands it on with the request.
pub(super) async fn recognise(
    State(state): State<ApiState>,
    Bearer(token): Bearer,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(token) = token {
        let from = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
        match state.sign_in.recognise_at(&token, from).await {
            Ok(Some(caller)) => {
                request.extensions_mut().insert(caller);
            }
            Ok(None) => {}
            // Who cannot be recognised now is not thereby unknown.
            Err(error) => return Problem::from(error).into_response(),
        }
    }
    next.run(request).await
}
