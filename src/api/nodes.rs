//! Nodes over HTTP: which serve this configuration, and how far each has come.

use super::ApiState;
use super::caller::Permit;
use super::problem::Problem;
use crate::control::{nodes, revisions};
use crate::directory::NodeInfo;
use crate::model::Timestamp;
use crate::model::ids::NodeId;
use axum::Json;
use axum::extract::State;

/// A node.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct NodeView {
    /// Its id, another after each start.
    id: NodeId,
    /// The host name that it was given.
    #[schema(example = "mail1.example.org")]
    name: String,
    /// `live`, or `gone` when it has not been seen for 15 seconds: then no write waits for it.
    #[schema(example = "live")]
    state: &'static str,
    /// The newest revision that it obeys.
    #[schema(example = 42)]
    applied: i64,
    /// Revisions that it does not obey yet.
    #[schema(example = 0)]
    behind: i64,
    /// True for the node that answers.
    answering: bool,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it last reported.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
}

/// All nodes, the one that answers first.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct NodeList {
    /// The newest revision.
    #[schema(example = 42)]
    revision: i64,
    /// The nodes.
    items: Vec<NodeView>,
}

/// List nodes
///
/// Each with the newest revision that it obeys. For the operator.
#[utoipa::path(get, path = "/v1/nodes", operation_id = "list_nodes", tag = "Revisions",
    responses((status = 200, body = NodeList), (status = 403, body = Problem)))]
pub(super) async fn list(State(state): State<ApiState>, Permit(caller): Permit) -> Result<Json<NodeList>, Problem> {
    nodes::may_see(&caller)?;
    let revision = revisions::newest(&state.control).await?.0;
    let view = |node: NodeInfo| NodeView {
        id: node.id,
        name: node.name,
        state: if node.live { "live" } else { "gone" },
        applied: node.applied.0,
        behind: (revision - node.applied.0).max(0),
        answering: node.own,
        started_at: Timestamp(node.started_at),
        seen_at: Timestamp(node.seen_at),
    };
    Ok(Json(NodeList { revision, items: state.directory.nodes().into_iter().map(view).collect() }))
}
