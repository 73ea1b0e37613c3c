//! Whether the server is up, and whether it may serve.

use super::ApiState;
use super::problem::Problem;
use axum::Json;
use axum::extract::State;

/// A state in one word.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct Health {
    /// `up` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The newest revision that this node obeys.
    #[schema(example = 42)]
    revision: i64,
}

/// Is the process up?
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "Health", security(()), responses((status = 200, body = Health)))]
pub(super) async fn healthz(State(state): State<ApiState>) -> Json<Health> {
    Json(Health { status: "up", revision: state.directory.applied().0 })
}

/// May it serve?
///
/// No while it drains, while the database does not answer, and while the store takes no mail.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "Health", security(()), responses((status = 200, body = Health), (status = 503, body = Problem)))]
pub(super) async fn readyz(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    let draining = state.draining.is_cancelled();
    if draining || !state.store.accepts_mail() || !state.control.db().answers().await {
        return Err(Problem::unavailable());
    }
    Ok(Json(Health { status: "ready", revision: state.directory.applied().0 }))
}
