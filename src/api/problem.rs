//! Problems (RFC 9457): the only place that knows which status an error has.
//!
//! Internal text never leaves: it is logged here, once. Invariant: what a caller may not
//! see has the very octets of what is not there.

use super::kinds::{self, Kind};
use crate::control::limits::Reached;
use crate::control::{Error, FieldError};
use crate::model::{LimitName, TenantKind};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A field that is wrong.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ProblemField {
    /// JSON pointer (RFC 6901) into the request's body, or the name of a query parameter.
    #[schema(example = "/address")]
    pub pointer: String,
    /// A stable word for programs.
    #[schema(example = "unknown_domain")]
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// A limit that was reached.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ProblemLimit {
    /// What is limited.
    pub name: LimitName,
    /// How much there is; `null` where that is not yours to know.
    #[schema(example = 50)]
    pub used: Option<u64>,
    /// How much there may be; `null` where that is not yours to know.
    #[schema(example = 50)]
    pub max: Option<u64>,
    /// The kind of tenant whose plan decided.
    pub layer: TenantKind,
}

/// Why a request was not done (RFC 9457).
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/docs/problems#not_found")]
    pub kind: String,
    /// The kind in words.
    #[schema(example = "Not found")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// A stable word for programs.
    #[schema(example = "not_found")]
    pub code: &'static str,
    /// The fields that are wrong, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
    /// The limit that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Box<ProblemLimit>>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: &Kind, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/problems#{}", kind.code),
            title: kind.title,
            status: kind.status,
            detail: detail.into(),
            code: kind.code,
            errors: Vec::new(),
            limit: None,
        }
    }

    /// Nobody, or nobody that we know, calls.
    pub fn unauthenticated() -> Self {
        let detail = "sign in at /v1/sign-in, or send an API key: Authorization: Bearer …";
        Self::new(&kinds::UNAUTHENTICATED, detail)
    }

    /// It is not there, or not for this caller.
    pub fn not_found() -> Self {
        Self::new(&kinds::NOT_FOUND, "there is no such object")
    }

    /// Fields are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self::with_errors(&kinds::INVALID, "some fields are wrong: see errors; nothing was done", errors)
    }

    /// A problem that names fields.
    pub fn with_errors(kind: &Kind, detail: &str, errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(kind, detail);
        problem.errors = errors
            .into_iter()
            .map(|e| ProblemField { pointer: e.pointer, code: e.code.to_owned(), detail: e.detail })
            .collect();
        problem
    }

    /// One field is wrong.
    pub fn field(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(pointer, code, detail)])
    }

    /// For the moment it cannot be done.
    pub fn unavailable() -> Self {
        let detail = "the server cannot do this now, try again";
        Self::new(&kinds::UNAVAILABLE, detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::invalid(errors),
            Error::NotFound => Self::not_found(),
            Error::AlreadyExists(_) => Self::new(&kinds::ALREADY_EXISTS, error.to_string()),
            Error::LimitReached(reached) => {
                let detail = format!("the plan has no room for more {}", reached.name);
                let mut problem = Self::new(&kinds::LIMIT_REACHED, detail);
                let Reached { name, used, max, layer } = reached;
                problem.limit = Some(Box::new(ProblemLimit { name, used, max, layer }));
                problem
            }
            Error::InUse(_) => Self::new(&kinds::IN_USE, error.to_string()),
            Error::NotAllowed(_) => Self::new(&kinds::NOT_ALLOWED, error.to_string()),
            Error::Stale => Self::new(&kinds::STALE, error.to_string()),
            Error::SignInRefused => Self::new(&kinds::SIGN_IN_REFUSED, error.to_string()),
            Error::Throttled => Self::new(&kinds::THROTTLED, error.to_string()),
            Error::Unavailable(text) => {
                tracing::warn!(error = text, "a request could not be done");
                Self::unavailable()
            }
            Error::HistoryDropped(_) => Self::new(&kinds::HISTORY_DROPPED, error.to_string()),
            // Replaced by the preview on its way out.
            Error::DryRun => Self::new(&kinds::INTERNAL, error.to_string()),
            Error::Internal(text) => {
                tracing::error!(error = text, "a request failed");
                let detail = "the server failed; the log has the reason under this request's id";
                Self::new(&kinds::INTERNAL, detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names how to authenticate.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"facteur\""));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            // RFC 9110 §10.2.3, in seconds.
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
