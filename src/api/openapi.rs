//! The OpenAPI document: what is common to all operations.

use super::dry_run::Preview;
use super::operations::operations;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
};
use utoipa::{Modify, OpenApi};

/// The document without its operations, which the routes add.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Facteur",
        description = "Tenants, domains, mailboxes, quotas and protocols of a mail service that obeys at once.\n\n\
            Every write answers with the revision it made and the live sessions it ended. Errors are problems (RFC 9457) with a stable `code`, \
            and name every wrong field. Writes take `Idempotency-Key`, and `If-Match` with the `ETag` of a read.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    security(("bearer" = [])),
    components(schemas(Preview)),
    modifiers(&Bearer),
)]
pub(super) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token from /v1/sign-in, or an API key."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Adds to the writes what all of them take, and what a dry run answers.
pub(super) fn describe_writes(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in writes_of(item) {
            // Who is nobody yet has no keys of their own.
            if operation.security.is_some() {
                continue;
            }
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(RefOr::T(idempotency_key()));
            if operations().makes_revision(method, path) {
                parameters.push(RefOr::T(dry_run_parameter()));
                parameters.push(RefOr::T(prefer()));
                add_preview(operation);
            }
        }
    }
}

fn writes_of(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { post, put, patch, delete, .. } = item;
    let all = [("POST", post), ("PUT", put), ("PATCH", patch), ("DELETE", delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn dry_run_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("dry_run")
        .parameter_in(ParameterIn::Query)
        .description(Some("`true` answers what the write would do, and does nothing."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::Boolean)))
        .build()
}

fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("The same key and request is done once and answered alike for 24 hours."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255))))
        .build()
}

fn prefer() -> Parameter {
    ParameterBuilder::new()
        .name("Prefer")
        .parameter_in(ParameterIn::Header)
        .description(Some("`wait=N`: wait at most N seconds (30) until all nodes obey the write (RFC 7240)."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).examples([serde_json::json!("wait=5")])))
        .build()
}

/// A dry run answers 200, which for a change is also the status of the write itself.
fn add_preview(operation: &mut Operation) {
    let preview = Ref::from_schema_name("Preview");
    let json = "application/json";
    match operation.responses.responses.get_mut("200") {
        Some(RefOr::T(Response { content, .. })) => {
            if let Some(RefOr::T(content)) = content.get_mut(json)
                && let Some(own) = content.schema.take()
            {
                let either = OneOfBuilder::new().item(own).item(preview).build();
                content.schema = Some(RefOr::T(Schema::OneOf(either)));
            }
        }
        _ => {
            let content = ContentBuilder::new().schema(Some(preview)).build();
            let answer = ResponseBuilder::new().description("What a dry run answers").content(json, content).build();
            operation.responses.responses.insert("200".to_owned(), RefOr::T(answer));
        }
    }
}
