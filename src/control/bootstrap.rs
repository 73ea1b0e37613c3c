//! The first start: the operator's tenant and the first operator.

use super::change::view;
use super::tenants::{Tenant, path_of};
use super::users::User;
use super::{Caller, CallerId, Control, Intent, Record, Result};
use crate::auth::tokens::random_password;
use crate::db::tenants::{self, TenantRow};
use crate::db::users::{self, UserRow};
use crate::model::ids::{TenantId, UserId};
use crate::model::{Role, TenantKind, Touch};

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

    let system = Caller {
        id: CallerId::System,
        tenant: TenantId(0),
        path: String::new(),
        role: Role::Operator,
        read_only: false,
        intent: Intent::default(),
    };
    let mut change = control.begin(&system, "bootstrap").await?;
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
        created_at: change.now(),
        revision: change.revision(),
    };
    tenants::insert(change.tx(), &tenant).await?;
    let user = UserRow {
        id: UserId(change.new_id()),
        tenant: id,
        path: tenant.path.clone(),
        name: FIRST_OPERATOR.into(),
        role: Role::Operator,
        password_hash: hash,
        password_epoch: change.revision(),
        created_at: change.now(),
        revision: change.revision(),
    };
    users::insert(change.tx(), &user).await?;
    let after = serde_json::json!({ "tenant": view(&Tenant::from(tenant.clone())), "user": view(&User::from(&user)) });
    let touches = vec![Touch::Tenant(id), Touch::User(user.id)];
    let record = Record { object: id.to_string(), path: tenant.path, before: None, after: Some(after), touches };
    change.commit(record).await?;
    Ok(generated)
}
