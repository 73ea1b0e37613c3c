//! Every SQL statement of the program, prepared on both databases after all migrations.
//!
//! The statements are found in the sources, so that a new one is covered as soon as it is written. A misspelt
//! column, table or keyword fails here, on the database that does not know it. It runs nothing.

mod plans;
mod source;

use facteur::clock::Clock;
use facteur::db::{Db, listing};
use facteur::store::Store;
use source::Statement;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::path::Path;

/// What only PostgreSQL is asked, told by its words.
const POSTGRES_ALONE: &[&str] = &["pg_", "SET LOCAL", "FOR UPDATE", "FOR SHARE", "SKIP LOCKED"];
/// What only SQLite is asked.
const SQLITE_ALONE: &[&str] = &["sqlite_", "PRAGMA"];
/// What no database prepares: savepoints are words of a session.
const NOT_PREPARED: &[&str] = &["SAVEPOINT", "RELEASE", "ROLLBACK"];

fn statements() -> Vec<Statement> {
    let found = source::all();
    assert!(found.findings.is_empty(), "\n{}\n", found.findings.join("\n"));
    let prepared =
        found.statements.into_iter().filter(|one| !NOT_PREPARED.iter().any(|word| one.sql.starts_with(word)));
    // Lists are put together from constants when they are asked for: every part of every one.
    let lists = listing::statements().into_iter().map(|one| Statement { file: one.name, line: 0, sql: one.sql });
    prepared.chain(lists).collect()
}

fn mentions(statement: &Statement, words: &[&str]) -> bool {
    words.iter().any(|word| statement.sql.contains(word))
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn failure(statement: &Statement, error: &dyn std::fmt::Display) -> String {
    format!("src/{}:{}: {error}\n    {}", statement.file, statement.line, statement.sql)
}

/// Lists as the store's SQLite arm says them.
fn for_sqlite(sql: &str) -> String {
    let mut out = String::new();
    let mut parts = sql.split("= ANY(");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (mark, rest) = part.split_once(')').unwrap();
        out.push_str(&format!("IN (SELECT value FROM json_each({mark})){rest}"));
    }
    out
}

async fn open_store(folder: &Path, db: &Db) -> Store {
    let clock = Clock::fixed(1_790_000_000_000);
    match db.postgres() {
        Some(pool) => Store::open_postgres(pool.clone(), folder, clock).await.unwrap(),
        None => Store::open_sqlite(folder, clock).await.unwrap(),
    }
}

#[test]
fn the_walk_sees_what_is_there() {
    let found = source::all();
    let has = |file: &str, part: &str| found.statements.iter().any(|one| one.file == file && one.sql.contains(part));
    assert!(found.statements.len() > 200, "{}", found.statements.len());
    assert!(has("db/mailboxes.rs", "FROM mailboxes m JOIN tenants t"), "constants");
    assert!(has("store/flush.rs", "INSERT INTO folders (id, mailbox_id"), "concat! and macros within an insert");
    assert!(has("store/flush.rs", "ON CONFLICT (folder_id, uid) DO UPDATE"), "a suffix bound to a name");
    assert!(has("store/load.rs", "FROM folders WHERE mailbox_id = ANY($1) AND name = 'INBOX'"), "concat!");
    assert!(has("db/counts.rs", "SUM(p.aliases)"), "an arm of a match");
    assert_eq!(found.lists, listing::ALL.len(), "a list that is missing in listing::ALL is prepared by nobody");
    assert!(has("control/together.rs", "SAVEPOINT one"), "outside of db");
}

#[tokio::test]
async fn sqlite_knows_every_statement() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(folder.path()).await.unwrap();
    let store = open_store(folder.path(), &db).await;
    let control = rusqlite::Connection::open(folder.path().join("control.db")).unwrap();
    let mail = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    let mut failures = Vec::new();
    for statement in statements().iter().filter(|one| !mentions(one, POSTGRES_ALONE)) {
        let file = if statement.file.starts_with("store/") { &mail } else { &control };
        if let Err(error) = file.prepare(&for_sqlite(&statement.sql)) {
            failures.push(failure(statement, &error));
        }
    }
    store.close().await;
    report(&failures);
}

/// The server, and the address of an empty database on it.
#[allow(clippy::disallowed_methods, reason = "the command that runs the tests says where the server is")]
async fn fresh_postgres() -> (String, String) {
    let server = std::env::var("FACTEUR_TEST_POSTGRES_URL")
        .expect("FACTEUR_TEST_POSTGRES_URL names no PostgreSQL: run the tests by ./tests/run");
    let name = format!("sql_{:016x}", rand::random::<u64>());
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    pool.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let address = format!("{base}/{name}");
    (server, address)
}

async fn drop_postgres(server: &str, address: &str) {
    let (_, name) = address.rsplit_once('/').unwrap();
    let pool = sqlx::PgPool::connect(server).await.unwrap();
    pool.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
}

#[tokio::test]
async fn postgres_knows_every_statement() {
    let (server, address) = fresh_postgres().await;
    let db = Db::open_postgres(&address).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path(), &db).await;
    let mut connection = db.postgres().unwrap().acquire().await.unwrap();
    let mut failures = Vec::new();
    for statement in statements().iter().filter(|one| !mentions(one, SQLITE_ALONE)) {
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        if let Err(error) = connection.prepare(sql).await {
            failures.push(failure(statement, &error));
        }
    }
    drop(connection);
    store.close().await;
    db.close().await;
    drop_postgres(&server, &address).await;
    report(&failures);
}
