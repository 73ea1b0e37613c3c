//! Users: who signs in to the API. A user's role is its tenant's kind.

use super::change::{check_unchanged, taken, view};
use super::editable::{Named, Patch, Writable, check, editable};
use super::lists::{self, ListPage, Place, fold_name, prefix_range};
use super::passwords::NewPassword;
use super::{Caller, CallerId, Control, Error, FieldError, Paged, Record, Result, tenants};
use crate::db::Tx;
use crate::db::users::{self as rows, UserRow};
use crate::db::{api_sessions, recovery, second_factors};
use crate::model::ids::{TenantId, UserId};
use crate::model::{Duty, Resource, Revision, Role, TenantKind, Timestamp, Touch};

/// A user as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// In which tenant.
    pub tenant: TenantId,
    /// The name to sign in with.
    #[schema(example = "alice")]
    pub name: String,
    /// What it may do, by its tenant's kind.
    pub role: Role,
    /// What it is there for: `admin` may whatever its role may, `read_only` looks at everything and changes nothing,
    /// `support` looks at objects, sessions and revisions and may end sessions.
    pub duty: Duty,
    /// False when nobody can sign in yet: an invitation lets its owner choose a password.
    pub has_password: bool,
    /// True when its password must be changed before anything else.
    pub must_change_password: bool,
    /// True when signing in takes a code besides the password.
    pub second_factor: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["name", "password", "duty"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl From<&UserRow> for User {
    fn from(row: &UserRow) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            name: row.name.clone(),
            role: row.role,
            duty: row.duty,
            has_password: !row.password_hash.is_empty(),
            must_change_password: row.must_change_password,
            second_factor: row.second_factor,
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

/// A user with what the caller may set on it.
fn show(caller: &Caller, row: &UserRow) -> User {
    User { editable: editable(caller, row), ..row.into() }
}

impl Writable for UserRow {
    type Patch = UserPatch;
    const RESOURCE: Resource = Resource::Users;

    fn may_set(&self, caller: &Caller, field: &str) -> Result<()> {
        caller.may_administer()?;
        caller.may_make_lasting()?;
        match field {
            // So that whoever hands out duties always remains.
            "duty" if caller.id == CallerId::User(self.id) => {
                Err(Error::NotAllowed("a user's duty is chosen by another user"))
            }
            _ => Ok(()),
        }
    }
}

impl Patch for UserPatch {
    fn named(&self) -> Named {
        vec![
            ("name", self.name.is_some()),
            ("password", !self.password.is_none()),
            ("duty", self.duty.is_some()),
            ("must_change_password", self.password.must_change.is_some()),
        ]
    }
}

/// The role that goes with a tenant.
pub(super) fn role_of(kind: TenantKind) -> Role {
    match kind {
        TenantKind::Operator => Role::Operator,
        TenantKind::Reseller => Role::Reseller,
        TenantKind::Customer => Role::Customer,
    }
}

/// The canonical spelling of a user's name, or what is wrong with it.
pub(super) fn parse_name(name: &str) -> std::result::Result<String, FieldError> {
    let wrong = |detail: &str| FieldError::new("/name", "invalid_name", detail);
    // Names with an @ are mailboxes, which sign in too.
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(wrong("must have 1 to 64 letters, digits, dots, hyphens or underscores"));
    }
    Ok(name.to_ascii_lowercase())
}

pub(super) async fn reach(tx: &mut Tx, caller: &Caller, id: UserId) -> Result<UserRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row)
}

/// Creates a user in a tenant that the caller reaches.
pub async fn create(
    control: &Control,
    caller: &Caller,
    tenant: Option<TenantId>,
    name: &str,
    password: NewPassword,
    duty: Duty,
) -> Result<(User, Revision)> {
    caller.may_administer()?;
    caller.may_make_lasting()?;
    let mut errors = password.check();
    let name = parse_name(name).map_err(|error| errors.push(error)).unwrap_or_default();
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    password.refuse_words(&[&name])?;
    let hash = password.hash(control, caller).await?.unwrap_or_default();
    let mut change = control.begin(caller, "create_user").await?;
    let tenant = tenants::reach(change.tx(), caller, tenant.unwrap_or(caller.tenant)).await?;
    let row = UserRow {
        id: UserId(change.new_id()),
        tenant: tenant.id,
        path: tenant.path,
        name,
        role: role_of(tenant.kind),
        duty,
        password_hash: hash,
        password_epoch: change.revision(),
        created_at: change.now(),
        revision: change.revision(),
        must_change_password: password.must_change.unwrap_or(false),
        second_factor: false,
    };
    rows::insert(change.tx(), &row).await.map_err(|e| taken(e, "users", "name", "the name"))?;
    let user = show(caller, &row);
    let record = Record {
        object: row.id.to_string(),
        path: row.path,
        before: None,
        after: view(&user),
        touches: vec![Touch::User(row.id)],
    };
    Ok((user, change.commit(record).await?))
}

/// One user.
pub async fn get(control: &Control, caller: &Caller, id: UserId) -> Result<User> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await.map(|row| show(caller, &row))
}

/// Which users a list shows.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Of this tenant and below.
    pub tenant: Option<TenantId>,
    /// Whose name begins so; capital letters of ASCII do not matter.
    pub prefix: Option<String>,
}

/// Of tenants at and below the caller's, or one that it names.
pub async fn list(
    control: &Control,
    caller: &Caller,
    filter: &UserFilter,
    page: impl Into<ListPage>,
) -> Result<Paged<User, Place>> {
    let page = page.into();
    let mut tx = control.db.read().await?;
    let mut listing = page.of(&rows::PARTS)?;
    lists::within(&mut listing, &mut tx, caller, filter.tenant).await?;
    if let Some(prefix) = &filter.prefix {
        listing.by("prefix", prefix_range(prefix, fold_name)?)?;
    }
    Ok(Paged::of_list(rows::list(&mut tx, &listing).await?, &page, |row| show(caller, &row)))
}

/// A change of a user: what is `None` stays as it is.
#[derive(Clone, Default)]
pub struct UserPatch {
    /// Another name.
    pub name: Option<String>,
    /// A new password: signs it out everywhere.
    pub password: NewPassword,
    /// What it is there for.
    pub duty: Option<Duty>,
}

/// Changes a user's name, password or duty.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: UserId,
    patch: UserPatch,
    expected: Option<&[i64]>,
) -> Result<(User, Revision)> {
    caller.may_administer()?;
    caller.may_make_lasting()?;
    let mut errors = patch.password.check();
    let name = patch.name.clone().map(|name| parse_name(&name).map_err(|error| errors.push(error)).unwrap_or_default());
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let hash = patch.password.hash(control, caller).await?;
    let mut change = control.begin(caller, "update_user").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check(caller, &before, &patch)?;
    let mut after = before.clone();
    after.name = name.unwrap_or(after.name);
    after.duty = patch.duty.unwrap_or(after.duty);
    patch.password.refuse_words(&[&after.name])?;
    after.revision = change.revision();
    after.must_change_password = patch.password.must_change.unwrap_or(after.must_change_password);
    if let Some(hash) = hash {
        after.password_hash = hash;
        after.password_epoch = change.revision();
        api_sessions::revoke_all(change.tx(), &id.to_string()).await?;
    }
    rows::update(change.tx(), &after).await.map_err(|e| taken(e, "users", "name", "the name"))?;
    let (path, before, after) = (before.path.clone(), User::from(&before), show(caller, &after));
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&before),
        after: view(&after),
        touches: vec![Touch::User(id)],
    };
    Ok((after, change.commit(record).await?))
}

/// Deletes a user and signs it out.
pub async fn delete(control: &Control, caller: &Caller, id: UserId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    let mut change = control.begin(caller, "delete_user").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    if caller.id == CallerId::User(id) {
        return Err(Error::NotAllowed("a user cannot delete itself"));
    }
    api_sessions::revoke_all(change.tx(), &id.to_string()).await?;
    second_factors::delete(change.tx(), &id.to_string()).await?;
    recovery::delete(change.tx(), &id.to_string()).await?;
    rows::delete(change.tx(), id).await?;
    let record = Record {
        object: id.to_string(),
        path: before.path.clone(),
        before: view(&User::from(&before)),
        after: None,
        touches: vec![Touch::User(id)],
    };
    change.commit(record).await
}
