//! The way back in from the command line: a new password for an operator, given by whoever holds the database.
//!
//! It works beside a running server, which sees the change at its next request.

use super::parts::install_crypto;
use crate::auth::Passwords;
use crate::clock::Clock;
use crate::control::{Control, Error, bootstrap};
use crate::db::Db;
use crate::settings::{Database, Settings};
use anyhow::{Context, bail};

/// Gives the operator of this name a new password; the password.
///
/// # Errors
/// The database cannot be opened, or has no operator of this name.
pub(super) async fn reset_password(settings: &Settings, name: &str) -> anyhow::Result<String> {
    install_crypto();
    let db = match &settings.database {
        Database::Sqlite => {
            let file = settings.data.join("control.db");
            if !file.is_file() {
                bail!("{} is not there: the first `facteur serve` makes it, and the first operator", file.display());
            }
            Db::open_sqlite(&settings.data).await.context("control.db")?
        }
        Database::Postgres(url) => Db::open_postgres(&url.0).await.context("PostgreSQL")?,
    };
    let control = Control::new(db.clone(), Clock::system(), Passwords::new(), Default::default());
    let outcome = match bootstrap::reset_password(&control, name).await {
        Ok(password) => Ok(password),
        Err(Error::NotFound) => {
            let names = bootstrap::operators(&control).await.unwrap_or_default().join(", ");
            Err(anyhow::anyhow!("there is no operator \"{name}\"; operators: {names}"))
        }
        Err(error) => Err(error.into()),
    };
    db.close().await;
    outcome
}
