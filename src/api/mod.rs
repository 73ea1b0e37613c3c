//! The HTTP edge: requests in, JSON or a problem out.
//!
//! Handlers parse, call control and wrap; there is no rule and no SQL here. Invariant:
//! every operation takes a [`caller::Permit`], except the few that say why they need none.

use crate::auth::seal::Seal;
use crate::control::{Control, sign_in::SignIn};
use crate::directory::Directory;
use crate::store::Store;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What handlers may use; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The rules.
    pub control: Control,
    /// Who calls.
    pub sign_in: SignIn,
    /// What is applied, and live sessions.
    pub directory: Directory,
    /// Usage.
    pub store: Store,
    /// Seals stored answers.
    pub seal: Seal,
    /// Whether other machines may speak HTTP without TLS.
    pub plain_http: bool,
    /// Cancelled once the server drains: no longer ready.
    pub draining: CancellationToken,
}

/// Serves until the shutdown.
pub async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, state: ApiState, shutdown: CancellationToken) {
    let _ = (listener, tls, state);
    shutdown.cancelled().await;
}

/// The OpenAPI document.
pub fn openapi_json() -> String {
    String::new()
}
