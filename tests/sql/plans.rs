//! Lists that panels show all day find their rows by an index, on both databases: as each explains it.
//!
//! Filled with enough rows that a planner has a choice, and none that it would make for a small table.

use facteur::db::{Db, listing};
use sqlx::{AssertSqlSafe, Executor, Row};

/// Mailboxes in the table.
const ROWS: i64 = 30_000;
/// The list, and the index that must serve it (of SQLite, of PostgreSQL).
const COMMON: &[(&str, &[&str])] = &[
    ("mailboxes by id, false: there", &["PRIMARY KEY", "mailboxes_pkey"]),
    ("mailboxes by address, false: there", &["mailboxes_1", "mailboxes_address_key"]),
    ("mailboxes by address, true: there", &["mailboxes_1", "mailboxes_address_key"]),
    ("mailboxes by address, false: prefix", &["mailboxes_1", "mailboxes_address_key"]),
    ("mailboxes by created_at, true: there", &["mailboxes_by_creation"]),
    ("mailboxes by used_bytes, true: there", &["mailbox_usage_by_bytes"]),
    ("mailboxes by used_bytes, true: used_above", &["mailbox_usage_by_bytes"]),
    ("mailboxes by id, false: domain", &["mailboxes_by_domain"]),
    ("mailboxes by id, false: tenant", &["mailboxes_by_tenant"]),
    ("mailboxes by id, false: contained", &["suspensions_containing", "mailboxes_pkey"]),
    ("mailboxes by id, false: expired", &["mailboxes_by_expiry"]),
    ("mailboxes by id, false: deleted", &["mailboxes_by_purge"]),
    ("aliases by address, false: prefix", &["aliases_1", "aliases_address_key"]),
    ("domains by name, false: prefix", &["domains_1", "domains_name_key"]),
];

/// Rows of one tenant, in a hundred domains; few are deleted or end.
const FILL: &[&str] = &[
    "INSERT INTO tenants (id, parent_id, path, kind, name, created_at, revision) VALUES (1, NULL, '1.', 'operator', 'o', 0, 0)",
    "INSERT INTO tenants (id, parent_id, path, kind, name, created_at, revision) SELECT n, 1, '1.' || n || '.', 'customer', 'c' || n, 0, 0 FROM numbers WHERE n BETWEEN 2 AND 1000",
    "INSERT INTO domains (id, tenant_id, name, imap, pop3, submission, pop3_on_delete, created_at, revision) SELECT n, n, 'd' || n || '.example', 'inherit', 'inherit', 'inherit', '', n, 0 FROM numbers WHERE n BETWEEN 2 AND 1000",
    "INSERT INTO mailboxes (id, domain_id, tenant_id, address, address_key, name, password_epoch, imap, pop3, submission, pop3_on_delete, created_at, revision, expires_at, deleted_at, purge_at) SELECT n, 2 + n % 999, 2 + n % 999, 'm' || n || '@d', 'm' || n || '@d', '', 0, 'inherit', 'inherit', 'inherit', '', n, 0, CASE WHEN n % 3000 = 0 THEN n END, CASE WHEN n % 3001 = 0 THEN n END, CASE WHEN n % 3001 = 0 THEN n END FROM numbers",
    "INSERT INTO aliases (id, domain_id, tenant_id, address, address_key, targets, created_at, revision) SELECT n, 2 + n % 999, 2 + n % 999, 'a' || n || '@d', 'a' || n || '@d', '[]', n, 0 FROM numbers",
    "INSERT INTO mailbox_usage (mailbox_id, bytes, messages) SELECT n, n * 7919 % 100000, 1 FROM numbers",
    "INSERT INTO suspensions (id, mailbox_id, scope, reason, level, caller, created_at, revision, contains) SELECT n, n, 'login', '', 1, 'system', 0, 0, 1 FROM numbers WHERE n % 3000 = 7",
    "ANALYZE",
];

/// The statement with values in it, since a plan depends on them.
fn with_values(name: &str, sql: &str) -> String {
    let text = name.contains("prefix");
    let mut sql = sql.to_owned();
    for number in (1..10).rev() {
        let value = match (number, text) {
            (1, true) => "'m299'",
            (2, true) => "'m29\u{10FFFF}'",
            (1, false) if name.ends_with("tenant") || name.ends_with("domain") => "77",
            (1, false) if name.ends_with("used_above") => "99000",
            (1, false) if name.ends_with(": there") || name.ends_with(": deleted") => "101",
            (1, false) => "40000",
            _ => "101",
        };
        sql = sql.replace(&format!("${number}"), value);
    }
    sql
}

/// Each common list, with its plan.
async fn check(mut explain: impl AsyncFnMut(String) -> String, of: usize) {
    let all = listing::statements();
    let mut missing = Vec::new();
    for (name, indexes) in COMMON {
        let example =
            all.iter().find(|one| one.name == *name && !one.sql.contains(") > (") && !one.sql.contains(") < ("));
        let example = example.unwrap_or_else(|| panic!("there is no list {name}"));
        let plan = explain(with_values(name, &example.sql)).await;
        let index = indexes.get(of).unwrap_or(&indexes[0]);
        if !plan.contains(index) {
            missing.push(format!("{name} does not use {index}:\n{plan}"));
        }
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

#[tokio::test]
async fn sqlite_serves_common_lists_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(folder.path()).await.unwrap();
    let file = rusqlite::Connection::open(folder.path().join("control.db")).unwrap();
    let numbers = format!(
        "CREATE TEMP TABLE numbers AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {ROWS}) SELECT n FROM c"
    );
    file.execute_batch(&numbers).unwrap();
    // Without figures of its own: nobody runs ANALYZE for an operator.
    FILL.iter().filter(|sql| **sql != "ANALYZE").for_each(|sql| file.execute_batch(sql).unwrap());
    let explain = async |sql: String| {
        let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    };
    check(explain, 0).await;
    db.close().await;
}

#[tokio::test]
async fn postgres_serves_common_lists_by_an_index() {
    let (server, name) = super::fresh_postgres().await;
    let db = Db::open_postgres(&name).await.unwrap();
    let mut connection = db.postgres().unwrap().acquire().await.unwrap();
    let numbers = format!("CREATE TEMP TABLE numbers AS SELECT n::BIGINT AS n FROM generate_series(1, {ROWS}) n");
    connection.execute(AssertSqlSafe(numbers)).await.unwrap();
    for sql in FILL {
        connection.execute(*sql).await.unwrap();
    }
    let explain = async |sql: String| {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(&mut *connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    };
    check(explain, 1).await;
    drop(connection);
    db.close().await;
    super::drop_postgres(&server, &name).await;
}
