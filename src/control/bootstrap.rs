//! The first start: the operator's tenant and the first operator; and the way back in for an operator whose password is lost.

use super::change::view;
use super::tenants::{Tenant, path_of};
use super::users::User;
use super::{Caller, Control, Error, Record, Result};
use crate::auth::tokens::random_password;
use crate::db::protocols::ProtocolSettings;
use crate::db::tenants::{self, TenantRow};
use crate::db::users::{self, UserRow};
use crate::db::{api_sessions, counts, second_factors};
use crate::model::ids::{TenantId, UserId};
use crate::model::{Duty, Role, TenantKind, Touch};

/// The name of the first operator.
pub const FIRST_OPERATOR: &str = "operator";

/// Makes the operator's tenant and the first operator when there are none. Answers the
/// password if it was generated here: it is to be shown once.
pub async fn run(control: &Control, password: Option<&str>) -> Result<Option<String>> {
    let mut tx = control.db.read().await?;
    if tenants::root(&mut tx).await?.is_some() {
        return Ok(None);
    }
    drop(tx);
    let generated = password.is_none().then(random_password);
    let clear = password.or(generated.as_deref()).unwrap_or_default();
    let hash = control.passwords.hash(clear).await?;

    let mut change = control.begin(&Caller::system(), "bootstrap").await?;
    // Another node may have been quicker: the revision's lock has made us wait for it.
    if tenants::root(change.tx()).await?.is_some() {
        return Ok(None);
    }
    let id = TenantId(change.new_id());
    let tenant = TenantRow {
        id,
        parent: None,
        path: path_of("", id),
        kind: TenantKind::Operator,
        name: "Operator".into(),
        plan: None,
        protocols: ProtocolSettings::default(),
        created_at: change.now(),
        revision: change.revision(),
    };
    tenants::insert(change.tx(), &tenant).await?;
    counts::insert(change.tx(), id).await?;
    let user = UserRow {
        id: UserId(change.new_id()),
        tenant: id,
        path: tenant.path.clone(),
        name: FIRST_OPERATOR.into(),
        role: Role::Operator,
        duty: Duty::Admin,
        password_hash: hash,
        password_epoch: change.revision(),
        created_at: change.now(),
        revision: change.revision(),
        must_change_password: false,
        second_factor: false,
    };
    users::insert(change.tx(), &user).await?;
    let after = serde_json::json!({ "tenant": view(&Tenant::from(tenant.clone())), "user": view(&User::from(&user)) });
    let touches = vec![Touch::Tenant(id), Touch::User(user.id)];
    let record = Record { object: id.to_string(), path: tenant.path, before: None, after: Some(after), touches };
    change.commit(record).await?;
    Ok(generated)
}

/// Gives an operator a new password, which is answered once, and signs it out everywhere: for whoever holds the
/// database and has no password, also because a crash came before the first one was shown.
pub async fn reset_password(control: &Control, name: &str) -> Result<String> {
    let password = random_password();
    let hash = control.passwords.hash(&password).await?;
    let mut change = control.begin(&Caller::system(), "reset_operator_password").await?;
    let found = users::find_by_name(change.tx(), &name.to_ascii_lowercase()).await?;
    let before = found.filter(|row| row.role == Role::Operator).ok_or(Error::NotFound)?;
    let mut after = before.clone();
    (after.password_hash, after.password_epoch, after.revision) = (hash, change.revision(), change.revision());
    // A device may be lost as well.
    (after.must_change_password, after.second_factor) = (false, false);
    second_factors::delete(change.tx(), &after.id.to_string()).await?;
    users::update(change.tx(), &after).await?;
    api_sessions::revoke_all(change.tx(), &after.id.to_string()).await?;
    let (object, touches) = (after.id.to_string(), vec![Touch::User(after.id)]);
    let (before, after, path) = (view(&User::from(&before)), view(&User::from(&after)), before.path);
    change.commit(Record { object, path, before, after, touches }).await?;
    Ok(password)
}

/// The names of the operators.
pub async fn operators(control: &Control) -> Result<Vec<String>> {
    let mut tx = control.db.read().await?;
    Ok(users::operators(&mut tx).await?)
}
