//! Mailboxes over HTTP, with their usage and last logins.

use super::ApiState;
use super::caller::Permit;
use super::csv::{CsvPage, wants_csv};
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::page::{PageOf, list_page, page_of};
use super::problem::Problem;
use super::protocols::PatchProtocols;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::limits;
use crate::control::lists::{self, ListPage, MailboxState, Place, Switch, Switches};
use crate::control::login_history::{self, LoginEntry};
use crate::control::mailboxes::{self, LastLogin, Mailbox, MailboxFilter, MailboxPatch, NewMailbox};
use crate::control::passwords::NewPassword;
use crate::control::{Caller, Paged, usage_copy};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{EmailAddress, MailboxMode, Quota, Timestamp, Usage, bounds};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

/// Limits to set; `null` leaves them to the plan, or is no limit where there is none.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaBody {
    /// Octets.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 1073741824)]
    pub(super) bytes: Option<Option<u64>>,
    /// Messages.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 100000)]
    pub(super) messages: Option<Option<u64>>,
}

/// A mailbox to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMailbox {
    /// Its address, in a domain of yours.
    #[schema(value_type = String, format = "idn-email", min_length = 3, max_length = 320, example = "alice@example.org")]
    address: EmailAddress,
    /// The person's or purpose's name.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "Alice")]
    name: String,
    /// The password; without one nobody can sign in yet.
    #[schema(
        format = "password",
        min_length = 8,
        max_length = 256,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "correct horse battery staple"
    )]
    password: Option<String>,
    /// Instead of a password: another system's hash, with its scheme ({ARGON2ID}, {BLF-CRYPT}, {SHA512-CRYPT}, {SHA256-CRYPT}).
    #[schema(pattern = r"^\{[A-Za-z0-9-]+\}", example = json!(null))]
    password_hash: Option<String>,
    /// Its limits.
    #[serde(default)]
    quota: QuotaBody,
    /// What it says about protocols; `inherit` where nothing is said.
    #[serde(default)]
    protocols: PatchProtocols,
    /// What it is for.
    #[serde(default = "both")]
    #[schema(example = "both")]
    mode: MailboxMode,
    /// True when mail protocols take app passwords alone, and the mailbox's own password opens the API.
    #[serde(default)]
    app_passwords_only: bool,
    /// True when the owner must change the password here before anything else.
    #[serde(default)]
    must_change_password: bool,
    /// When it ends: from then on nobody signs in and no mail is taken.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<CreateMailbox> for NewMailbox {
    fn from(body: CreateMailbox) -> Self {
        Self {
            address: body.address,
            name: body.name,
            password: NewPassword {
                password: body.password,
                password_hash: body.password_hash,
                must_change: Some(body.must_change_password),
            },
            quota: Quota { bytes: body.quota.bytes.flatten(), messages: body.quota.messages.flatten() },
            protocols: body.protocols.into(),
            mode: body.mode,
            app_passwords_only: body.app_passwords_only,
            expires_at: body.expires_at,
        }
    }
}

fn both() -> MailboxMode {
    MailboxMode::Both
}

/// A change of a mailbox: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMailbox {
    /// Another address, in a domain of the same tenant: the mail stays, sessions end.
    #[schema(value_type = Option<String>, format = "idn-email", min_length = 3, max_length = 320, example = json!(null))]
    address: Option<EmailAddress>,
    /// The person's or purpose's name.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "Alice B.")]
    name: Option<String>,
    /// Another password: ends every session of the mailbox.
    #[schema(
        format = "password",
        min_length = 8,
        max_length = 256,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "another horse battery staple"
    )]
    password: Option<String>,
    /// Instead of a password: another system's hash.
    #[schema(pattern = r"^\{[A-Za-z0-9-]+\}", example = json!(null))]
    password_hash: Option<String>,
    /// Its limits.
    #[serde(default)]
    quota: QuotaBody,
    /// With another address: an alias stays behind at the old one.
    #[serde(default)]
    leave_alias: bool,
    /// What it is for.
    mode: Option<MailboxMode>,
    /// True when mail protocols take app passwords alone: sessions by the mailbox's own password end.
    app_passwords_only: Option<bool>,
    /// True when the owner must change the password here before anything else.
    must_change_password: Option<bool>,
    /// When it ends; `null` never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
}

/// How a mailbox is deleted.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// Days for which it can be restored, at most 365; 0, or nothing, deletes it for good.
    #[param(maximum = 365)]
    grace_days: Option<u16>,
}

/// What a mailbox holds.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct UsageView {
    /// Octets.
    #[schema(example = 5242880)]
    bytes: u64,
    /// Messages.
    #[schema(example = 42)]
    messages: u64,
}

/// A mailbox and what it holds.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct MailboxView {
    /// The mailbox.
    #[serde(flatten)]
    mailbox: Mailbox,
    /// What it holds.
    /// `null` where the counter is damaged: `facteur store check --repair` counts anew.
    usage: Option<UsageView>,
    /// Recipients of what it sent in the last 24 hours, by whole hours; `null` in lists.
    #[schema(example = 12)]
    sent_last_day: Option<u64>,
}

/// Attempts to sign in to a mailbox.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Logins {
    /// Newest first: at most 100 that were admitted, and as many that were not.
    items: Vec<LoginEntry>,
    /// The last login by each protocol that was used, however long ago.
    last: Vec<LastLogin>,
}

/// Which mailboxes, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MailboxQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only mailboxes of this domain.
    domain: Option<DomainId>,
    /// Only mailboxes of this tenant and below.
    tenant: Option<TenantId>,
    /// True lists deleted mailboxes that can be restored, and nothing else: the same as `state=deleted`.
    deleted: Option<bool>,
    /// Only those whose address begins so.
    prefix: Option<String>,
    /// Only those in this state; without it all that are not deleted. Of states that hold at once the last counts of: suspended, contained, expired, deleted.
    #[param(inline)]
    state: Option<MailboxState>,
    /// Only those with which IMAP may be used now, all levels counted, or may not.
    #[param(inline)]
    imap: Option<Switch>,
    /// Only those with which POP3 may be used now, all levels counted, or may not.
    #[param(inline)]
    pop3: Option<Switch>,
    /// Only those with which mail may be submitted now, all levels counted, or may not.
    #[param(inline)]
    submission: Option<Switch>,
    /// Only those that are older than this moment and that no login has used since.
    #[param(value_type = Option<String>, format = DateTime)]
    not_used_since: Option<Timestamp>,
    /// True for those that hold as much as they may or more, in octets or messages; false for the others.
    over_quota: Option<bool>,
    /// Only those that hold more octets.
    #[param(minimum = 0)]
    #[serde(default, deserialize_with = "super::page::number")]
    used_above: Option<i64>,
    /// In which order: `id` (as they were made), `address`, `created_at` or `used_bytes`; `-` before it from the end.
    sort: Option<String>,
}

/// What mailboxes hold, in their order; none where the counter is damaged.
async fn usages_of(state: &ApiState, ids: &[MailboxId]) -> Result<Vec<Option<Usage>>, Problem> {
    state.store.usages(ids).await.map_err(|error| {
        tracing::warn!(%error, "usage cannot be read");
        Problem::unavailable()
    })
}

/// What a mailbox holds.
pub(super) async fn usage_of(state: &ApiState, id: MailboxId) -> Result<Usage, Problem> {
    usages_of(state, &[id]).await?.pop().flatten().ok_or_else(Problem::unavailable)
}

/// Mailboxes with what they hold, in their order.
async fn with_usage(state: &ApiState, mailboxes: Vec<Mailbox>) -> Result<Vec<MailboxView>, Problem> {
    let ids: Vec<MailboxId> = mailboxes.iter().map(|mailbox| mailbox.id).collect();
    let usages = usages_of(state, &ids).await?;
    let view = |(mailbox, usage): (Mailbox, Option<Usage>)| MailboxView {
        mailbox,
        usage: usage.map(|usage| UsageView { bytes: usage.bytes, messages: usage.messages }),
        sent_last_day: None,
    };
    Ok(mailboxes.into_iter().zip(usages).map(view).collect())
}

pub(super) async fn one_with_usage(state: &ApiState, mailbox: Mailbox) -> Result<MailboxView, Problem> {
    let sent = limits::sent_last_day(&state.control, mailbox.id).await?;
    let view = with_usage(state, vec![mailbox]).await?.pop().ok_or_else(Problem::not_found)?;
    Ok(MailboxView { sent_last_day: Some(sent), ..view })
}

/// Create a mailbox
#[utoipa::path(post, path = "/v1/mailboxes", operation_id = "create_mailbox", tag = "Mailboxes", request_body = CreateMailbox,
    responses((status = 201, body = Written<MailboxView>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateMailbox>,
) -> Result<Response, Problem> {
    let (mailbox, revision) = mailboxes::create(&state.control, &caller, body.into()).await?;
    let location = format!("/v1/mailboxes/{}", mailbox.id);
    let view = one_with_usage(&state, mailbox).await?;
    Ok(created(&state, location, view, revision).await)
}

/// List mailboxes
///
/// With `Accept: text/csv` all pages as one document.
#[utoipa::path(get, path = "/v1/mailboxes", operation_id = "list_mailboxes", tag = "Mailboxes", params(MailboxQuery),
    responses((status = 200, content((PageOf<MailboxView> = "application/json"), (String = "text/csv")))))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<MailboxQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sort = query.sort.as_deref();
    let page = list_page(query.cursor.as_deref(), query.limit, sort, &lists::parts::MAILBOXES)?;
    let filter = query.filter()?;
    if filter.is_about_usage() || page.sort.is_some_and(|sort| sort.name == "used_bytes") {
        // What was delivered up to now counts.
        usage_copy::copy(&state.control, &state.store).await?;
    }
    if !wants_csv(&headers) {
        return Ok(Json(page_of(list_page_of(&state, &caller, &filter, &page).await?, &page)).into_response());
    }
    let first = page.after.clone();
    let pages = move |after: Option<Place>| {
        let (state, caller, filter) = (state.clone(), caller.clone(), filter.clone());
        let page = ListPage { after, limit: bounds::PAGE_ITEMS, ..page.clone() };
        async move { CsvPage::of(&list_page_of(&state, &caller, &filter, &page).await?, row_of) }
    };
    super::csv::answer(COLUMNS, first, pages).await
}

impl MailboxQuery {
    fn filter(self) -> Result<MailboxFilter, Problem> {
        let state = match (self.deleted, self.state) {
            (Some(true), None | Some(MailboxState::Deleted)) => Some(MailboxState::Deleted),
            (Some(true), Some(_)) => return Err(Problem::field("deleted", "conflict", "goes with no other state")),
            (_, state) => state,
        };
        Ok(MailboxFilter {
            domain: self.domain,
            tenant: self.tenant,
            prefix: self.prefix,
            state,
            protocols: Switches { imap: self.imap, pop3: self.pop3, submission: self.submission },
            not_used_since: self.not_used_since,
            over_quota: self.over_quota,
            used_above: self.used_above,
        })
    }
}

async fn list_page_of(
    state: &ApiState,
    caller: &Caller,
    filter: &MailboxFilter,
    page: &ListPage,
) -> Result<Paged<MailboxView, Place>, Problem> {
    let Paged { items, next } = mailboxes::list(&state.control, caller, filter, page.clone()).await?;
    Ok(Paged { items: with_usage(state, items).await?, next })
}

/// The columns of the CSV document: those of an import have the same names.
const COLUMNS: &[&str] = &[
    "id",
    "address",
    "name",
    "domain",
    "tenant",
    "quota_bytes",
    "quota_messages",
    "imap",
    "pop3",
    "submission",
    "mode",
    "expires_at",
    "created_at",
    "used_bytes",
    "used_messages",
];

fn row_of(MailboxView { mailbox, usage, .. }: &MailboxView) -> Vec<String> {
    let number = |value: Option<u64>| value.map(|n| n.to_string()).unwrap_or_default();
    let protocols = &mailbox.protocols;
    vec![
        mailbox.id.to_string(),
        mailbox.address.to_string(),
        mailbox.name.clone(),
        mailbox.domain.to_string(),
        mailbox.tenant.to_string(),
        number(mailbox.quota.bytes),
        number(mailbox.quota.messages),
        protocols.imap.state.to_string(),
        protocols.pop3.protocol.state.to_string(),
        protocols.submission.state.to_string(),
        mailbox.mode.to_string(),
        mailbox.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        mailbox.created_at.to_string(),
        usage.as_ref().map(|usage| usage.bytes.to_string()).unwrap_or_default(),
        usage.as_ref().map(|usage| usage.messages.to_string()).unwrap_or_default(),
    ]
}

/// Read a mailbox
#[utoipa::path(get, path = "/v1/mailboxes/{id}", operation_id = "get_mailbox", tag = "Mailboxes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = MailboxView), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Response, Problem> {
    let mailbox = mailboxes::get(&state.control, &caller, id).await?;
    let etag = mailbox.etag;
    Ok(found(one_with_usage(&state, mailbox).await?, etag))
}

/// Read a mailbox by its address
#[utoipa::path(get, path = "/v1/mailboxes/by-address/{address}", operation_id = "get_mailbox_by_address", tag = "Mailboxes", params(("address" = String, Path, example = "alice@example.org")),
    responses((status = 200, body = MailboxView), (status = 404, body = Problem)))]
pub(super) async fn get_by_address(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(address): Of<EmailAddress>,
) -> Result<Response, Problem> {
    let mailbox = mailboxes::get_by_address(&state.control, &caller, &address).await?;
    let etag = mailbox.etag;
    Ok(found(one_with_usage(&state, mailbox).await?, etag))
}

/// Change a mailbox
#[utoipa::path(patch, path = "/v1/mailboxes/{id}", operation_id = "update_mailbox", tag = "Mailboxes", params(("id" = MailboxId, Path)), request_body = UpdateMailbox,
    responses((status = 200, body = Written<MailboxView>), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateMailbox>,
) -> Result<Response, Problem> {
    let patch = MailboxPatch {
        address: body.address,
        name: body.name,
        password: NewPassword {
            password: body.password,
            password_hash: body.password_hash,
            must_change: body.must_change_password,
        },
        quota_bytes: body.quota.bytes,
        quota_messages: body.quota.messages,
        leave_alias: body.leave_alias,
        mode: body.mode,
        app_passwords_only: body.app_passwords_only,
        expires_at: body.expires_at,
    };
    let (mailbox, revision) = mailboxes::update(&state.control, &caller, id, patch, expected.as_deref()).await?;
    let view = one_with_usage(&state, mailbox).await?;
    Ok(changed(&state, view, revision).await)
}

/// Delete a mailbox
///
/// Its sessions end at once. Without `grace_days` its mail goes soon after; with it the mailbox keeps address, mail
/// and settings for so long and can be restored.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}", operation_id = "delete_mailbox", tag = "Mailboxes", params(("id" = MailboxId, Path), DeleteQuery),
    responses((status = 200, body = Effect), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    IfMatch(expected): IfMatch,
    Params(query): Params<DeleteQuery>,
) -> Result<Response, Problem> {
    let revision = match query.grace_days.unwrap_or(0) {
        0 => mailboxes::delete(&state.control, &caller, id, expected.as_deref()).await?,
        days if days <= mailboxes::GRACE_DAYS => {
            mailboxes::delete_softly(&state.control, &caller, id, days, expected.as_deref()).await?
        }
        _ => {
            let detail = format!("must be at most {}", mailboxes::GRACE_DAYS);
            return Err(Problem::field("grace_days", "out_of_range", detail));
        }
    };
    Ok(deleted(&state, revision).await)
}

/// Restore a deleted mailbox
///
/// As it was, with its mail, until its `purge_at`.
#[utoipa::path(post, path = "/v1/mailboxes/{id}/restore", operation_id = "restore_mailbox", tag = "Mailboxes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = Written<MailboxView>), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn restore(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let (mailbox, revision) = mailboxes::restore(&state.control, &caller, id, expected.as_deref()).await?;
    let view = one_with_usage(&state, mailbox).await?;
    Ok(changed(&state, view, revision).await)
}

/// Read who signed in to a mailbox, and who tried
///
/// Attempts of an hour that are alike are one entry, with their number. Each says what became of it and, when it was refused,
/// why and which level of settings decided; a mail client is told nothing of this. Entries are kept for 90 days.
#[utoipa::path(get, path = "/v1/mailboxes/{id}/logins", operation_id = "list_mailbox_logins", tag = "Mailboxes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = Logins), (status = 404, body = Problem)))]
pub(super) async fn logins(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<Logins>, Problem> {
    let items = login_history::list(&state.control, &caller, id).await?;
    Ok(Json(Logins { items, last: mailboxes::last_logins(&state.control, &caller, id).await? }))
}
