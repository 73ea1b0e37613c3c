//! Users over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict};
use super::page::{PageOf, list_page, page_of};
use super::problem::Problem;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::lists;
use crate::control::passwords::NewPassword;
use crate::control::users::{self, User, UserFilter, UserPatch};
use crate::model::Duty;
use crate::model::ids::{TenantId, UserId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// A user to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// The name to sign in with: letters, digits, dots, hyphens, underscores.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$", example = "alice")]
    name: String,
    /// The password; without one nobody can sign in before an invitation was accepted.
    #[schema(
        format = "password",
        min_length = 8,
        max_length = 256,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "correct horse battery staple"
    )]
    password: Option<String>,
    /// The tenant; your own when none is named. The user's role is the tenant's kind.
    #[serde(default)]
    tenant: Option<TenantId>,
    /// What it is there for; `admin` when nothing is said.
    #[schema(example = "support")]
    duty: Option<Duty>,
    /// True when the user must change the password before anything else.
    #[serde(default)]
    must_change_password: bool,
}

/// A change of a user: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Another name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$", example = "alice.b")]
    name: Option<String>,
    /// Another password: signs the user out everywhere.
    #[schema(
        format = "password",
        min_length = 8,
        max_length = 256,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "another horse battery staple"
    )]
    password: Option<String>,
    /// What it is there for; another user chooses it.
    #[schema(example = "read_only")]
    duty: Option<Duty>,
    /// True when the user must change the password before anything else.
    must_change_password: Option<bool>,
}

/// Which users, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only those of this tenant and below.
    tenant: Option<TenantId>,
    /// Only those whose name begins so; capital letters of ASCII do not matter.
    prefix: Option<String>,
    /// In which order: `id` (as they were made), `name` or `created_at`; `-` before it from the end.
    sort: Option<String>,
}

/// Create a user
#[utoipa::path(post, path = "/v1/users", operation_id = "create_user", tag = "Users", request_body = CreateUser,
    responses((status = 201, body = Written<User>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateUser>,
) -> Result<Response, Problem> {
    let password =
        NewPassword { password: body.password, must_change: Some(body.must_change_password), ..NewPassword::default() };
    let duty = body.duty.unwrap_or(Duty::Admin);
    let (user, revision) = users::create(&state.control, &caller, body.tenant, &body.name, password, duty).await?;
    Ok(created(&state, format!("/v1/users/{}", user.id), user, revision).await)
}

/// List users
#[utoipa::path(get, path = "/v1/users", operation_id = "list_users", tag = "Users", params(UserQuery),
    responses((status = 200, body = PageOf<User>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<UserQuery>,
) -> Result<Json<PageOf<User>>, Problem> {
    let page = list_page(query.cursor.as_deref(), query.limit, query.sort.as_deref(), &lists::parts::USERS)?;
    let filter = UserFilter { tenant: query.tenant, prefix: query.prefix };
    Ok(Json(page_of(users::list(&state.control, &caller, &filter, page.clone()).await?, &page)))
}

/// Read a user
#[utoipa::path(get, path = "/v1/users/{id}", operation_id = "get_user", tag = "Users", params(("id" = UserId, Path)),
    responses((status = 200, body = User), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<UserId>,
) -> Result<Response, Problem> {
    let user = users::get(&state.control, &caller, id).await?;
    let etag = user.etag;
    Ok(found(user, etag))
}

/// Change a user
#[utoipa::path(patch, path = "/v1/users/{id}", operation_id = "update_user", tag = "Users", params(("id" = UserId, Path)), request_body = UpdateUser,
    responses((status = 200, body = Written<User>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<UserId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateUser>,
) -> Result<Response, Problem> {
    let password =
        NewPassword { password: body.password, must_change: body.must_change_password, ..NewPassword::default() };
    let patch = UserPatch { name: body.name, password, duty: body.duty };
    let (user, revision) = users::update(&state.control, &caller, id, patch, expected.as_deref()).await?;
    Ok(changed(&state, user, revision).await)
}

/// Delete a user
#[utoipa::path(delete, path = "/v1/users/{id}", operation_id = "delete_user", tag = "Users", params(("id" = UserId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<UserId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = users::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}
