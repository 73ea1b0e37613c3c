//! What can go wrong between us and the database.

/// A database call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A unique constraint of this name (PostgreSQL) or on this `table.column` (SQLite) stood against it.
    #[error("already exists ({0})")]
    Unique(String),
    /// Rows that refer to this one stood against it.
    #[error("still referred to")]
    Referred,
    /// The tables were made by a newer Facteur.
    #[error("the database has seen version {found}, this program knows up to {known}: use the newer program")]
    Newer {
        /// What is there.
        found: i64,
        /// What is known.
        known: i64,
    },
    /// A row holds what no row may hold.
    #[error("the database holds what it must not: {0}")]
    Damaged(String),
    /// Anything else: it does not answer, is full, is locked.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else { return Self::Failed(error.to_string()) };
        if database.is_unique_violation() {
            let name = database.constraint().map_or_else(|| database.message().to_owned(), str::to_owned);
            return Self::Unique(name);
        }
        if database.is_foreign_key_violation() {
            return Self::Referred;
        }
        Self::Failed(database.message().to_owned())
    }
}

impl DbError {
    /// True when the unique column that stood against it is `table.column`, its `_key`, or the table's id.
    pub fn is_unique(&self, table: &str, column: &str) -> bool {
        let Self::Unique(name) = self else { return false };
        match name.strip_prefix("UNIQUE constraint failed: ") {
            // SQLite names the columns.
            Some(columns) => columns.split(", ").any(|one| {
                one.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')).is_some_and(|one| {
                    one == "id" || one.strip_prefix(column).is_some_and(|rest| rest.is_empty() || rest == "_key")
                })
            }),
            // PostgreSQL names the constraint.
            None => {
                [format!("{table}_{column}_key"), format!("{table}_{column}"), format!("{table}_pkey")].contains(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_known_in_both_databases_words_and_an_id_stands_for_the_object() {
        let is = |name: &str| DbError::Unique(name.into()).is_unique("domains", "name");
        for name in ["domains.name", "domains.id", "domains.tenant_id, domains.name"] {
            assert!(is(&format!("UNIQUE constraint failed: {name}")), "{name}");
        }
        assert!(is("domains_name_key") && is("domains_pkey"));
        for name in [
            "UNIQUE constraint failed: domains.alias_of",
            "UNIQUE constraint failed: other_domains.name",
            "aliases_pkey",
        ] {
            assert!(!is(name), "{name}");
        }
        let address = DbError::Unique("UNIQUE constraint failed: mailboxes.address_key".into());
        assert!(address.is_unique("mailboxes", "address"));
    }
}
