//! The one gate before every operation: each route is registered with what it is about, or not at all.
//!
//! It decides by the declared resource and the method; how far a caller reaches is control's. Invariant: there is
//! no way to add a route that says neither its resource nor why it needs none.

use super::ApiState;
use super::dry_run::writes;
use super::problem::Problem;
use crate::control::Caller;
use crate::model::{Resource, Scope};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// Routes that have all said what they are about.
pub(super) struct Gated(OpenApiRouter<ApiState>);

impl Gated {
    /// None yet.
    pub fn new(router: OpenApiRouter<ApiState>) -> Self {
        Self(router)
    }

    /// Open to everybody: nobody has signed in yet, or nobody need to.
    pub fn open(self, routes: UtoipaMethodRouter<ApiState>) -> Self {
        Self(self.0.routes(routes))
    }

    /// What every known caller may ask of itself.
    pub fn own(self, (schemas, paths, methods): UtoipaMethodRouter<ApiState>) -> Self {
        let gate = async |request: Request, next: Next| match caller(&request) {
            Ok(_) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        Self(self.0.routes((schemas, paths, methods.route_layer(from_fn(gate)))))
    }

    /// About a resource: who may read it or write it passes.
    pub fn of(self, resource: Resource, (schemas, mut paths, methods): UtoipaMethodRouter<ApiState>) -> Self {
        for item in paths.paths.values_mut() {
            for (write, operation) in operations_of(item) {
                let scope = Scope::of(resource, write).to_string();
                operation.extensions.get_or_insert_default().insert("x-scope".to_owned(), scope.into());
            }
        }
        let gate = move |request: Request, next: Next| pass(resource, request, next);
        Self(self.0.routes((schemas, paths, methods.route_layer(from_fn(gate)))))
    }

    /// All of them.
    pub fn finish(self) -> OpenApiRouter<ApiState> {
        self.0
    }
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [(false, get), (true, post), (true, put), (true, patch), (true, delete)];
    all.into_iter().filter_map(|(write, operation)| Some((write, operation.as_mut()?)))
}

fn caller(request: &Request) -> Result<&Caller, Problem> {
    request.extensions().get::<Caller>().ok_or_else(Problem::unauthenticated)
}

async fn pass(resource: Resource, request: Request, next: Next) -> Response {
    let may = |caller: &Caller| caller.may_use(resource, writes(request.method())).map_err(Problem::from);
    match caller(&request).and_then(may) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
