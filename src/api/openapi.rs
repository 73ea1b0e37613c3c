//! The OpenAPI document: what is common to all operations.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
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
