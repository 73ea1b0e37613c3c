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
    /// True when the unique column that stood against it is `table.column` (`table_column_key` in PostgreSQL).
    pub fn is_unique(&self, table: &str, column: &str) -> bool {
        match self {
            Self::Unique(name) => {
                name.contains(&format!("{table}.{column}"))
                    || name.contains(&format!("{table}_{column}_key"))
                    || name.contains(&format!("{table}_pkey"))
                    || name == &format!("{table}_{column}")
            }
            _ => false,
        }
    }
}
