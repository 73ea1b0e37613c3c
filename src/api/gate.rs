//! The one gate before every operation: each route is registered with what it is about, or not at all.
//!
//! It decides by the declared resource and the method; how far a caller reaches is control's. Invariant: there is
//! no way to add a route that says neither its resource nor why it needs none, and none takes a query parameter that
//! its document does not name.

use super::ApiState;
use super::contract::operations_of;
use super::dry_run::writes;
use super::kinds;
use super::problem::Problem;
use crate::control::Caller;
use crate::model::{Resource, Scope};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use url::form_urlencoded;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};
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
        Self(self.0.routes(knowing(routes)))
    }

    /// What every known caller may ask of itself, also before it has changed a password that must be changed.
    pub fn first(self, routes: UtoipaMethodRouter<ApiState>) -> Self {
        let (schemas, paths, methods) = knowing(routes);
        let gate = async |request: Request, next: Next| match known(&request) {
            Ok(_) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        Self(self.0.routes((schemas, paths, methods.route_layer(from_fn(gate)))))
    }

    /// What every known caller may ask of itself.
    pub fn own(self, routes: UtoipaMethodRouter<ApiState>) -> Self {
        let (schemas, paths, methods) = knowing(routes);
        let gate = async |request: Request, next: Next| match caller(&request) {
            Ok(_) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        Self(self.0.routes((schemas, paths, methods.route_layer(from_fn(gate)))))
    }

    /// About a resource: who may read it or write it passes.
    pub fn of(self, resource: Resource, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.gated(resource, false, routes)
    }

    /// About a resource, or about who calls: whoever the path names passes as well, however narrow its rights.
    pub fn of_or_own(self, resource: Resource, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.gated(resource, true, routes)
    }

    fn gated(self, resource: Resource, own: bool, routes: UtoipaMethodRouter<ApiState>) -> Self {
        let (schemas, mut paths, methods) = knowing(routes);
        for item in paths.paths.values_mut() {
            for (method, operation) in operations_of(item) {
                let scope = Scope::of(resource, writes(&method)).to_string();
                operation.extensions.get_or_insert_default().insert("x-scope".to_owned(), scope.into());
            }
        }
        let gate = move |request: Request, next: Next| pass(resource, own, request, next);
        Self(self.0.routes((schemas, paths, methods.route_layer(from_fn(gate)))))
    }

    /// All of them.
    pub fn finish(self) -> OpenApiRouter<ApiState> {
        self.0
    }
}

/// Routes that refuse query parameters which their document does not name: a mistyped filter must not come to no filter.
/// Whoever may not ask at all is refused for that first.
fn knowing((schemas, mut paths, methods): UtoipaMethodRouter<ApiState>) -> UtoipaMethodRouter<ApiState> {
    let named = |(method, operation): (Method, &mut Operation)| {
        let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        });
        let of_query = parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
        (method, of_query.map(|parameter| parameter.name.clone()).collect())
    };
    let known: HashMap<Method, HashSet<String>> =
        paths.paths.values_mut().flat_map(|item| operations_of(item).map(named).collect::<Vec<_>>()).collect();
    let known = Arc::new(known);
    let check = move |request: Request, next: Next| {
        let unknown = unknown_parameter(&known, &request);
        async move {
            match unknown {
                Some(problem) => problem.into_response(),
                None => next.run(request).await,
            }
        }
    };
    (schemas, paths, methods.route_layer(from_fn(check)))
}

fn unknown_parameter(known: &HashMap<Method, HashSet<String>>, request: &Request) -> Option<Problem> {
    // HEAD is answered by what answers GET (RFC 9110 §9.3.2).
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let query = request.uri().query()?;
    let known = known.get(method);
    let unknown = form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| name.into_owned())
        .find(|name| !known.is_some_and(|known| known.contains(name)))?;
    Some(Problem::field(&unknown, "unknown_parameter", "there is no such query parameter here"))
}

fn known(request: &Request) -> Result<&Caller, Problem> {
    request.extensions().get::<Caller>().ok_or_else(Problem::unauthenticated)
}

/// A known caller that may go on.
fn caller(request: &Request) -> Result<&Caller, Problem> {
    let caller = known(request)?;
    if caller.must_change_password {
        let detail = "change the password first: POST /v1/me/password with current_password and password";
        return Err(Problem::new(&kinds::PASSWORD_CHANGE_REQUIRED, detail));
    }
    Ok(caller)
}

/// Whether a path is about who calls: `/v1/users/{id}/…`.
fn names(path: &str, caller: &Caller) -> bool {
    path.split('/').nth(3) == Some(caller.id.to_string().as_str())
}

async fn pass(resource: Resource, own: bool, request: Request, next: Next) -> Response {
    let may = |caller: &Caller| match own && names(request.uri().path(), caller) {
        true => Ok(()),
        false => caller.may_use(resource, writes(request.method())).map_err(Problem::from),
    };
    match caller(&request).and_then(may) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
