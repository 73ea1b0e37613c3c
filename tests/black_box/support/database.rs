//! Which database a server under test uses, and how it comes by an empty one.
//!
//! PostgreSQL is the cluster that `tests/run` starts; each server gets a database of its
//! own there. Invariant: without the cluster these tests fail, they never pass unrun.

use sqlx::{Connection, Executor, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};

/// The database of a server under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A PostgreSQL database that lives as long as its server.
pub struct Database {
    pub url: String,
    name: String,
    cluster: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Database {
    pub fn create() -> Self {
        let cluster = std::env::var("FACTEUR_TEST_POSTGRES_URL")
            .expect("FACTEUR_TEST_POSTGRES_URL names no PostgreSQL: run the tests by ./tests/run");
        let name = format!("facteur_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        run(&cluster, &format!("CREATE DATABASE {name}"));
        let (base, _) = cluster.rsplit_once('/').expect("the URL ends in the name of a database");
        Self { url: format!("{base}/{name}"), name, cluster }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            run(&self.cluster, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

fn run(cluster: &str, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    runtime.block_on(async {
        let mut connection = PgConnection::connect(cluster).await.expect("the test cluster answers");
        connection.execute(statement).await.expect("the statement runs");
        let _ = connection.close().await;
    });
}
