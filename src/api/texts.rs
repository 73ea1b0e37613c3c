//! What the document says of texts that stand in lists: their form and how long they may be.
//!
//! Documentation only: what is accepted is decided where each text is parsed. Invariant: the bounds named here are the
//! ones that the parsers hold, so that a client can check before it asks.

use crate::model::Resource;
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

fn text(description: &str, longest: usize) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    text.min_length(Some(1)).max_length(Some(longest))
}

/// An email address in a list.
pub(super) struct Address;

impl PartialSchema for Address {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::Custom("idn-email".to_owned());
        text("An email address (RFC 5321 §4.1.2, RFC 6531).", 320).format(Some(format)).into()
    }
}

impl ToSchema for Address {
    fn name() -> Cow<'static, str> {
        "Address".into()
    }
}

/// A network in a list.
pub(super) struct NetworkText;

impl PartialSchema for NetworkText {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::Custom("network".to_owned());
        text("A network as 203.0.113.0/24 or 2001:db8::/32, or one address (RFC 4632 §3.1).", 49)
            .format(Some(format))
            .into()
    }
}

impl ToSchema for NetworkText {
    fn name() -> Cow<'static, str> {
        "Network".into()
    }
}

/// A scope of a key.
pub(super) struct ScopeText;

impl PartialSchema for ScopeText {
    fn schema() -> RefOr<Schema> {
        let resources: Vec<&str> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
        let pattern = format!("^({}|\\*):(read|write)$", resources.join("|"));
        text("A resource or `*`, and `read` or `write`.", 64).pattern(Some(pattern)).into()
    }
}

impl ToSchema for ScopeText {
    fn name() -> Cow<'static, str> {
        "Scope".into()
    }
}

/// Which actions a webhook gets.
pub(super) struct EventPattern;

impl PartialSchema for EventPattern {
    fn schema() -> RefOr<Schema> {
        text("An action, or a pattern in which `*` stands for any letters.", 64).pattern(Some("^[a-z0-9_*]+$")).into()
    }
}

impl ToSchema for EventPattern {
    fn name() -> Cow<'static, str> {
        "EventPattern".into()
    }
}
