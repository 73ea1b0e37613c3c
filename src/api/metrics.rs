//! `GET /metrics`: what the process counts, for Prometheus, to whoever has an operator's key.
//!
//! Counting is `meters`; here gauges are set and the text is answered.

use super::ApiState;
use super::caller::Permit;
use super::problem::Problem;
use crate::control::Error;
use crate::db::revisions;
use crate::meters::meters;
use crate::model::{Protocol, Role};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Read the metrics
///
/// In the OpenMetrics text format, for Prometheus: sessions, logins, deliveries, commits, revisions, requests, panics of this node. Only for
/// operators; a read-only API key is enough.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "Health",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"), (status = 403, body = Problem)))]
pub(super) async fn metrics(State(state): State<ApiState>, Permit(caller): Permit) -> Result<Response, Problem> {
    if caller.role != Role::Operator {
        return Err(Error::NotAllowed("metrics are the operator's").into());
    }
    let mut tx = state.control.db().read().await.map_err(Error::from)?;
    let newest = revisions::newest(&mut tx).await.map_err(Error::from)?;
    drop(tx);
    for protocol in Protocol::ALL {
        meters().set_sessions(protocol.as_str(), state.directory.sessions().count_of(*protocol));
    }
    meters().set_revisions(state.directory.applied().0, newest.0);
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media)], meters().text()).into_response())
}
