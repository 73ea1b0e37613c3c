//! The HTTP edge: requests in, JSON or a problem out.
//!
//! Handlers parse, call control and wrap; there is no rule and no SQL here. Invariant:
//! every operation is declared to the [`gate`] with its resource, except the few that say why they need none.

mod advice;
mod aliases;
mod app_passwords;
mod batch;
mod bulk_jobs;
mod caller;
mod containment;
mod contract;
mod csv;
mod deadlines;
mod domains;
mod dry_run;
mod events;
mod examples;
mod extract;
mod from_within;
mod gate;
mod health;
mod imports;
mod invitations;
mod json;
mod keys;
mod kinds;
mod layers;
mod login_as;
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
mod rates;
mod revert;
mod revisions;
mod scheduled_changes;
mod second_factor;
mod server;
mod sessions;
mod shaped;
mod sign_in;
mod sign_ins;
mod suspensions;
mod tenants;
mod texts;
mod turns;
mod usage;
mod users;
mod webhooks;
mod written;

use crate::auth::seal::Seal;
use crate::control::Control;
use crate::control::sign_in::SignIn;
use crate::directory::Directory;
use crate::net::{Outbound, Rates};
use crate::store::Store;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
pub use events::Streams;
use gate::Gated;
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
    /// Our host name: where a second factor is for.
    pub host: Arc<str>,
    /// Whether other machines may speak HTTP without TLS.
    pub plain_http: bool,
    /// How often who may ask.
    pub rates: Rates,
    /// Woken when a job was given.
    pub job_given: Arc<Notify>,
    /// Streams of events that are open.
    pub streams: Streams,
    /// Cancelled once the server drains: no longer ready.
    pub draining: CancellationToken,
}

/// Every route, with what it is about.
fn routes() -> OpenApiRouter<ApiState> {
    use crate::model::Resource as R;
    Gated::new(OpenApiRouter::with_openapi(openapi::Document::openapi()))
        .open(routes!(health::healthz))
        .open(routes!(health::readyz))
        .open(routes!(sign_in::sign_in))
        .open(routes!(second_factor::second_step))
        .open(routes!(invitations::request_reset))
        .open(routes!(invitations::confirm_reset))
        .open(routes!(sign_in::refresh))
        .first(routes!(sign_in::sign_out))
        .first(routes!(sign_in::change_own_password))
        .own(routes!(sign_in::me))
        .own(routes!(second_factor::get, second_factor::enrol))
        .own(routes!(second_factor::confirm))
        .own(routes!(second_factor::renew))
        .own(routes!(second_factor::disable))
        .of(R::Tenants, routes!(tenants::create, tenants::list))
        .of(R::Tenants, routes!(tenants::get, tenants::update, tenants::delete))
        .of(R::Tenants, routes!(tenants::limits))
        .of(R::Protocols, routes!(protocols::of_tenant, protocols::patch_tenant))
        .of(R::Plans, routes!(plans::create, plans::list))
        .of(R::Plans, routes!(plans::get, plans::update, plans::delete))
        .of(R::Protocols, routes!(protocols::of_plan, protocols::patch_plan))
        .of(R::Users, routes!(users::create, users::list))
        .of(R::Users, routes!(users::get, users::update, users::delete))
        .of(R::Users, routes!(login_as::user))
        .of(R::Users, routes!(second_factor::reset_of_user))
        .of_or_own(R::Users, routes!(sign_ins::of_user))
        .of_or_own(R::Users, routes!(sign_ins::revoke_of_user))
        .of_or_own(R::Users, routes!(invitations::of_user, invitations::patch_user))
        .of(R::Invitations, routes!(invitations::create, invitations::list))
        .of(R::Invitations, routes!(invitations::get, invitations::revoke))
        .of(R::Invitations, routes!(invitations::resend))
        .of(R::Keys, routes!(keys::create, keys::list))
        .of(R::Keys, routes!(keys::get, keys::update, keys::delete))
        .of(R::Domains, routes!(domains::create, domains::list))
        .of(R::Domains, routes!(domains::get, domains::update, domains::delete))
        .of(R::Domains, routes!(domains::get_by_name))
        .of(R::Protocols, routes!(protocols::of_domain, protocols::patch_domain))
        .of(R::Suspensions, routes!(suspensions::suspend_domain, suspensions::of_domain))
        .of(R::Suspensions, routes!(suspensions::lift_domain))
        .of(R::Mailboxes, routes!(mailboxes::create, mailboxes::list))
        .of(R::Mailboxes, routes!(mailboxes::get, mailboxes::update, mailboxes::delete))
        .of(R::Mailboxes, routes!(mailboxes::get_by_address))
        .of(R::Mailboxes, routes!(mailboxes::restore))
        .of(R::Mailboxes, routes!(usage::of_mailbox))
        .of(R::Domains, routes!(usage::of_domain))
        .of(R::Tenants, routes!(usage::of_tenant))
        .of(R::Sessions, routes!(mailboxes::logins))
        .of(R::Protocols, routes!(advice::unused))
        .of(R::Protocols, routes!(advice::switch_off))
        .of(R::Protocols, routes!(protocols::of_mailbox, protocols::patch_mailbox))
        .of(R::Suspensions, routes!(suspensions::suspend_mailbox, suspensions::of_mailbox))
        .of(R::Suspensions, routes!(suspensions::lift_mailbox))
        .of(R::Suspensions, routes!(containment::contain, containment::release))
        .of(R::Mailboxes, routes!(app_passwords::create, app_passwords::list))
        .of(R::Mailboxes, routes!(app_passwords::delete))
        .of(R::Mailboxes, routes!(login_as::mailbox))
        .of_or_own(R::Mailboxes, routes!(invitations::of_mailbox, invitations::patch_mailbox))
        .of(R::Mailboxes, routes!(second_factor::reset_of_mailbox))
        .of_or_own(R::Mailboxes, routes!(sign_ins::of_mailbox))
        .of_or_own(R::Mailboxes, routes!(sign_ins::revoke_of_mailbox))
        .of(R::Mailboxes, routes!(batch::mailboxes))
        .of(R::Aliases, routes!(batch::aliases))
        .of(R::Domains, routes!(batch::domains))
        .of(R::Mailboxes, routes!(imports::mailboxes))
        .of(R::Aliases, routes!(imports::aliases))
        .of(R::Jobs, routes!(bulk_jobs::list))
        .of(R::Jobs, routes!(bulk_jobs::get))
        .of(R::Jobs, routes!(bulk_jobs::cancel))
        .of(R::Jobs, routes!(bulk_jobs::results))
        .of(R::ScheduledChanges, routes!(scheduled_changes::of_mailbox, scheduled_changes::list_of_mailbox))
        .of(R::ScheduledChanges, routes!(scheduled_changes::cancel_of_mailbox))
        .of(R::ScheduledChanges, routes!(scheduled_changes::of_domain, scheduled_changes::list_of_domain))
        .of(R::ScheduledChanges, routes!(scheduled_changes::cancel_of_domain))
        .of(R::Sessions, routes!(sessions::list))
        .of(R::Sessions, routes!(sessions::end))
        .of(R::Aliases, routes!(aliases::create, aliases::list))
        .of(R::Aliases, routes!(aliases::get, aliases::update, aliases::delete))
        .of(R::Revisions, routes!(revisions::list))
        .of(R::Revisions, routes!(revisions::get))
        .of(R::Revisions, routes!(revert::revert))
        .of(R::Revisions, routes!(events::follow))
        .of(R::Webhooks, routes!(webhooks::create, webhooks::list))
        .of(R::Webhooks, routes!(webhooks::get, webhooks::update, webhooks::delete))
        .of(R::Webhooks, routes!(webhooks::rotate))
        .of(R::Webhooks, routes!(webhooks::deliveries))
        .of(R::Webhooks, routes!(webhooks::replay))
        .of(R::Nodes, routes!(nodes::list))
        .of(R::Nodes, routes!(metrics::metrics))
        .finish()
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
        .layer(from_fn_with_state(state.clone(), rates::limit))
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
