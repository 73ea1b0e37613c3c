//! Domains over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::csv::{CsvPage, wants_csv};
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::page::{PageOf, list_page, page_of};
use super::problem::Problem;
use super::protocols::PatchProtocols;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::domains::{self, Domain, DomainFilter, DomainPatch};
use crate::control::lists::{self, DomainState, ListPage, Place, Switch, Switches};
use crate::model::ids::{DomainId, TenantId};
use crate::model::{DomainName, EmailAddress, bounds};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

/// A domain to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDomain {
    /// Its name; letters of any language.
    #[schema(value_type = String, format = "idn-hostname", min_length = 1, max_length = 255, example = "example.org")]
    name: DomainName,
    /// Whose it is; your own tenant's when none is named.
    #[serde(default)]
    tenant: Option<TenantId>,
    /// What it says about protocols; `inherit` where nothing is said.
    #[serde(default)]
    #[schema(example = json!({"pop3": {"state": "inherit"}}))]
    protocols: PatchProtocols,
    /// A domain of the same tenant that this one only spells differently: every address here is the same one there.
    #[serde(default)]
    alias_of: Option<DomainId>,
    /// Where mail for unknown addresses goes.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "idn-email", min_length = 3, max_length = 320, example = json!(null))]
    catch_all: Option<EmailAddress>,
    /// Where postmaster and abuse go when they are no addresses of their own.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "idn-email", min_length = 3, max_length = 320, example = "postmaster@example.com")]
    reserved_to: Option<EmailAddress>,
    /// Between user and detail in `user+detail` (RFC 5233): one of `+ - = _`; `+` where nothing is said, `null` for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1, pattern = "^[-+=_]$", example = "+")]
    subaddress_separator: Option<Option<String>>,
}

/// A change of a domain: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateDomain {
    /// What it says about protocols.
    #[serde(default)]
    protocols: PatchProtocols,
    /// Where mail for unknown addresses goes; `null` nowhere.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = "idn-email", min_length = 3, max_length = 320, example = json!(null))]
    catch_all: Option<Option<EmailAddress>>,
    /// Where postmaster and abuse go when they are no addresses of their own; `null` to `catch_all`, else the oldest mailbox.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = "idn-email", min_length = 3, max_length = 320, example = "postmaster@example.com")]
    reserved_to: Option<Option<EmailAddress>>,
    /// Between user and detail in `user+detail` (RFC 5233): one of `+ - = _`; `null` takes addresses as they are.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1, pattern = "^[-+=_]$", example = "+")]
    subaddress_separator: Option<Option<String>>,
}

/// Which domains, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DomainQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only domains of this tenant and below.
    tenant: Option<TenantId>,
    /// Only those whose name, in A-labels, begins so.
    prefix: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<DomainState>,
    /// Only those where IMAP may be used now with mailboxes that say nothing, or may not.
    #[param(inline)]
    imap: Option<Switch>,
    /// Only those where POP3 may be used now with mailboxes that say nothing, or may not.
    #[param(inline)]
    pop3: Option<Switch>,
    /// Only those where mail may be submitted now with mailboxes that say nothing, or may not.
    #[param(inline)]
    submission: Option<Switch>,
    /// In which order: `id` (as they were made), `name` or `created_at`; `-` before it from the end.
    sort: Option<String>,
}

/// Create a domain
#[utoipa::path(post, path = "/v1/domains", operation_id = "create_domain", tag = "Domains", request_body = CreateDomain,
    responses((status = 201, body = Written<Domain>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateDomain>,
) -> Result<Response, Problem> {
    let new = DomainPatch {
        protocols: body.protocols.into(),
        alias_of: body.alias_of,
        catch_all: Some(body.catch_all),
        reserved_to: Some(body.reserved_to),
        separator: body.subaddress_separator,
    };
    let (domain, revision) = domains::create(&state.control, &caller, body.tenant, body.name, new).await?;
    Ok(created(&state, format!("/v1/domains/{}", domain.id), domain, revision).await)
}

/// List domains
///
/// With `Accept: text/csv` all pages as one document.
#[utoipa::path(get, path = "/v1/domains", operation_id = "list_domains", tag = "Domains", params(DomainQuery),
    responses((status = 200, content((PageOf<Domain> = "application/json"), (String = "text/csv")))))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<DomainQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = list_page(query.cursor.as_deref(), query.limit, query.sort.as_deref(), &lists::parts::DOMAINS)?;
    let protocols = Switches { imap: query.imap, pop3: query.pop3, submission: query.submission };
    let filter = DomainFilter { tenant: query.tenant, prefix: query.prefix, state: query.state, protocols };
    if !wants_csv(&headers) {
        let paged = domains::list(&state.control, &caller, &filter, page.clone()).await?;
        return Ok(Json(page_of(paged, &page)).into_response());
    }
    let first = page.after.clone();
    let pages = move |after: Option<Place>| {
        let (control, caller, filter) = (state.control.clone(), caller.clone(), filter.clone());
        let page = ListPage { after, limit: bounds::PAGE_ITEMS, ..page.clone() };
        async move { CsvPage::of(&domains::list(&control, &caller, &filter, page).await?, row_of) }
    };
    super::csv::answer(COLUMNS, first, pages).await
}

/// The columns of the CSV document.
const COLUMNS: &[&str] = &[
    "id",
    "name",
    "tenant",
    "imap",
    "pop3",
    "submission",
    "alias_of",
    "catch_all",
    "reserved_to",
    "subaddress_separator",
    "created_at",
];

fn row_of(domain: &Domain) -> Vec<String> {
    fn text<T: ToString>(value: &Option<T>) -> String {
        value.as_ref().map(T::to_string).unwrap_or_default()
    }
    vec![
        domain.id.to_string(),
        domain.name.to_string(),
        domain.tenant.to_string(),
        domain.protocols.imap.state.to_string(),
        domain.protocols.pop3.protocol.state.to_string(),
        domain.protocols.submission.state.to_string(),
        text(&domain.alias_of),
        text(&domain.catch_all),
        text(&domain.reserved_to),
        text(&domain.subaddress_separator),
        domain.created_at.to_string(),
    ]
}

/// Read a domain
#[utoipa::path(get, path = "/v1/domains/{id}", operation_id = "get_domain", tag = "Domains", params(("id" = DomainId, Path)),
    responses((status = 200, body = Domain), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
) -> Result<Response, Problem> {
    let domain = domains::get(&state.control, &caller, id).await?;
    let etag = domain.etag;
    Ok(found(domain, etag))
}

/// Read a domain by its name
#[utoipa::path(get, path = "/v1/domains/by-name/{name}", operation_id = "get_domain_by_name", tag = "Domains", params(("name" = String, Path, example = "example.org")),
    responses((status = 200, body = Domain), (status = 404, body = Problem)))]
pub(super) async fn get_by_name(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(name): Of<DomainName>,
) -> Result<Response, Problem> {
    let domain = domains::get_by_name(&state.control, &caller, &name).await?;
    let etag = domain.etag;
    Ok(found(domain, etag))
}

/// Change a domain
#[utoipa::path(patch, path = "/v1/domains/{id}", operation_id = "update_domain", tag = "Domains", params(("id" = DomainId, Path)), request_body = UpdateDomain,
    responses((status = 200, body = Written<Domain>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateDomain>,
) -> Result<Response, Problem> {
    let patch = DomainPatch {
        protocols: body.protocols.into(),
        alias_of: None,
        catch_all: body.catch_all,
        reserved_to: body.reserved_to,
        separator: body.subaddress_separator,
    };
    let (domain, revision) = domains::update(&state.control, &caller, id, patch, expected.as_deref()).await?;
    Ok(changed(&state, domain, revision).await)
}

/// Delete a domain
///
/// Only one that has no mailboxes, aliases and domains that stand for it left.
#[utoipa::path(delete, path = "/v1/domains/{id}", operation_id = "delete_domain", tag = "Domains", params(("id" = DomainId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = domains::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}
