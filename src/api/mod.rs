//! The HTTP edge: requests in, JSON or a problem out.
//!
//! Handlers parse, call control and wrap; there is no rule and no SQL here. Invariant:
//! every operation takes a [`caller::Permit`], except the few that say why they need none.

mod aliases;
mod batch;
mod bulk_jobs;
mod caller;
mod contract;
mod csv;
mod domains;
mod dry_run;
mod events;
mod examples;
mod extract;
mod from_within;
mod health;
mod imports;
mod json;
mod keys;
mod kinds;
mod layers;
mod mailboxes;
mod metrics;
mod nodes;
mod openapi;
mod operations;
mod page;
mod plans;
mod prefer;
mod problem;
mod protocols;
mod revert;
mod revisions;
mod scheduled_changes;
mod server;
mod sessions;
mod sign_in;
mod suspensions;
mod tenants;
mod turns;
mod users;
mod webhooks;
mod written;

use crate::auth::seal::Seal;
use crate::control::Control;
use crate::control::sign_in::SignIn;
use crate::directory::Directory;
use crate::net::Outbound;
use crate::store::Store;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
pub use events::Streams;
use problem::Problem;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
    /// Seals stored answers and secrets.
    pub seal: Seal,
    /// What checks the addresses of webhooks.
    pub outbound: Outbound,
    /// Whether other machines may speak HTTP without TLS.
    pub plain_http: bool,
    /// Woken when a job was given.
    pub job_given: Arc<Notify>,
    /// Streams of events that are open.
    pub streams: Streams,
    /// Cancelled once the server drains: no longer ready.
    pub draining: CancellationToken,
}

/// Every route.
fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(sign_in::refresh))
        .routes(routes!(sign_in::sign_out))
        .routes(routes!(sign_in::me))
        .routes(routes!(tenants::create, tenants::list))
        .routes(routes!(tenants::get, tenants::update, tenants::delete))
        .routes(routes!(tenants::limits))
        .routes(routes!(protocols::of_tenant, protocols::patch_tenant))
        .routes(routes!(plans::create, plans::list))
        .routes(routes!(plans::get, plans::update, plans::delete))
        .routes(routes!(protocols::of_plan, protocols::patch_plan))
        .routes(routes!(users::create, users::list))
        .routes(routes!(users::get, users::update, users::delete))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::get, keys::update, keys::delete))
        .routes(routes!(domains::create, domains::list))
        .routes(routes!(domains::get, domains::update, domains::delete))
        .routes(routes!(domains::get_by_name))
        .routes(routes!(protocols::of_domain, protocols::patch_domain))
        .routes(routes!(suspensions::suspend_domain, suspensions::of_domain))
        .routes(routes!(suspensions::lift_domain))
        .routes(routes!(mailboxes::create, mailboxes::list))
        .routes(routes!(mailboxes::get, mailboxes::update, mailboxes::delete))
        .routes(routes!(mailboxes::get_by_address))
        .routes(routes!(mailboxes::restore))
        .routes(routes!(mailboxes::usage))
        .routes(routes!(mailboxes::logins))
        .routes(routes!(protocols::of_mailbox, protocols::patch_mailbox))
        .routes(routes!(suspensions::suspend_mailbox, suspensions::of_mailbox))
        .routes(routes!(suspensions::lift_mailbox))
        .routes(routes!(batch::mailboxes))
        .routes(routes!(batch::aliases))
        .routes(routes!(batch::domains))
        .routes(routes!(imports::mailboxes))
        .routes(routes!(imports::aliases))
        .routes(routes!(bulk_jobs::list))
        .routes(routes!(bulk_jobs::get))
        .routes(routes!(bulk_jobs::cancel))
        .routes(routes!(bulk_jobs::results))
        .routes(routes!(scheduled_changes::of_mailbox, scheduled_changes::list_of_mailbox))
        .routes(routes!(scheduled_changes::cancel_of_mailbox))
        .routes(routes!(scheduled_changes::of_domain, scheduled_changes::list_of_domain))
        .routes(routes!(scheduled_changes::cancel_of_domain))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(aliases::create, aliases::list))
        .routes(routes!(aliases::get, aliases::update, aliases::delete))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::get))
        .routes(routes!(revert::revert))
        .routes(routes!(events::follow))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::get, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::replay))
        .routes(routes!(nodes::list))
}

/// The routes with what every request to them passes through, also one from within.
fn inner(state: &ApiState) -> Router<ApiState> {
    let (router, _) = routes().split_for_parts();
    router
        .route_layer(from_fn_with_state(state.clone(), dry_run::try_out))
        .route_layer(from_fn(prefer::keep))
        .route_layer(from_fn(layers::note_route))
}

/// The whole application: routes, documentation, and what every request passes through.
fn app(state: ApiState) -> Router {
    let router = inner(&state);
    let routes = from_within::Routes(router.clone().with_state(state.clone()));
    router
        .layer(axum::Extension(routes))
        .merge(utoipa_swagger_ui::SwaggerUi::new("/docs").url("/openapi.json", document()))
        .route("/docs/problems", axum::routing::get(kinds::page))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(state.clone(), layers::once))
        .layer(from_fn_with_state(state.clone(), caller::recognise))
        .layer(from_fn_with_state(state.clone(), layers::require_tls))
        .layer(from_fn_with_state(state.clone(), layers::refuse_draining))
        .layer(from_fn(layers::observe))
        .with_state(state)
}

async fn not_found() -> Problem {
    Problem::not_found()
}

async fn method_not_allowed() -> Problem {
    let detail = "this method is none of this resource's";
    Problem::new(&kinds::METHOD_NOT_ALLOWED, detail)
}

/// Serves until the shutdown, then lets what has started finish.
pub async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, state: ApiState, shutdown: CancellationToken) {
    server::serve(listener, tls, app(state), shutdown).await;
}

/// Gives jobs their turns until it is told to stop.
pub async fn run_jobs(state: ApiState, stop: CancellationToken) {
    let routes = from_within::Routes(inner(&state).with_state(state.clone()));
    tokio::join!(turns::run(state.clone(), stop.clone()), run_schedule(state, routes, stop));
}

/// Does what was scheduled, when it is due.
async fn run_schedule(state: ApiState, routes: from_within::Routes, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = scheduled_changes::due(&state, &routes).await {
            tracing::warn!(%error, "what was scheduled waits");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(turns::TURN) => {}
        }
    }
}

/// The OpenAPI document: the routes' own, and what every write takes.
fn document() -> utoipa::openapi::OpenApi {
    let mut document = routes().into_openapi();
    openapi::describe_writes(&mut document);
    contract::complete(&mut document);
    document
}

/// The OpenAPI document, as JSON.
pub fn openapi_json() -> String {
    document().to_pretty_json().unwrap_or_default()
}
