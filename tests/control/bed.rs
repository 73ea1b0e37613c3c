//! One control plane of its own for each test, with its directory, on a database of its own.

use facteur::auth::seal::Seal;
use facteur::auth::{Passwords, Throttle};
use facteur::clock::Clock;
use facteur::control::domains::Domain;
use facteur::control::keys::{self, NewKey};
use facteur::control::mailboxes::{self, Mailbox, NewMailbox};
use facteur::control::passwords::NewPassword;
use facteur::control::protocols::ProtocolsPatch;
use facteur::control::sign_in::SignIn;
use facteur::control::tenants::{self, NewTenant, Tenant, TenantPatch};
use facteur::control::users::UserPatch;
use facteur::control::{Caller, Control, Error, PageRequest, bootstrap, domains};
use facteur::db::Db;
use facteur::directory::{Directory, Login, MailboxConfig};
use facteur::model::ids::{MailboxId, TenantId};
use facteur::model::{EmailAddress, MailboxMode, ProtocolState, Quota, Revision, TenantKind};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// When every test begins, Unix milliseconds.
pub const START: i64 = 1_790_000_000_000;
/// The password of the first operator and of every mailbox that has one.
pub const PASSWORD: &str = "correct horse battery";
/// Where sign-ins come from.
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The largest page.
pub const ALL: PageRequest = PageRequest { after: 0, limit: 1000 };

/// What one process holds.
pub struct Node {
    pub db: Db,
    pub control: Control,
    pub directory: Directory,
    pub sign_in: SignIn,
    pub login: Login,
    _stop: DropGuard,
}

/// A database, a clock that stands still, and a first node that others may join.
pub struct Bed {
    pub clock: Clock,
    pub seal: Seal,
    /// The first operator.
    pub operator: Caller,
    node: Node,
    database: Database,
    folder: tempfile::TempDir,
}

enum Database {
    Sqlite,
    Postgres(String),
}

impl std::ops::Deref for Bed {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Node {
    async fn start(db: Db, clock: Clock, seal: &Seal) -> Node {
        let (passwords, throttle, committed) = (Passwords::new(), Throttle::default(), Arc::new(Notify::new()));
        let control = Control::new(db.clone(), clock.clone(), passwords.clone(), committed.clone());
        bootstrap::run(&control, Some(PASSWORD)).await.unwrap();
        let sign_in = SignIn::open(&control, seal, throttle.clone()).await.unwrap();
        let directory = Directory::open(db.clone(), clock, "node").await.unwrap();
        let (login, notes) = Login::new(directory.clone(), passwords, throttle);
        let stop = CancellationToken::new();
        let (follower, until) = (directory.clone(), stop.clone());
        tokio::spawn(async move { follower.follow(committed, until).await });
        tokio::spawn(notes.write(stop.clone()));
        Node { db, control, directory, sign_in, login, _stop: stop.drop_guard() }
    }

    /// What the directory says of a mailbox, once it has applied a revision.
    pub async fn after(&self, revision: Revision, id: MailboxId) -> Arc<MailboxConfig> {
        self.directory.wait_applied(revision).await;
        self.directory.mailbox(id).await.unwrap().unwrap()
    }
}

impl Bed {
    pub async fn on_sqlite() -> Bed {
        Self::on(Database::Sqlite).await
    }

    pub async fn on_postgres() -> Bed {
        Self::on(Database::Postgres(fresh_postgres().await)).await
    }

    async fn on(database: Database) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let (clock, seal) = (Clock::fixed(START), Seal::open(folder.path()).unwrap());
        let node = Node::start(open(&database, folder.path()).await, clock.clone(), &seal).await;
        let operator = node.sign_in.password("operator", PASSWORD, PEER).await.unwrap().caller;
        Bed { clock, seal, operator, node, database, folder }
    }

    /// Another process on the same database.
    pub async fn second_node(&self) -> Node {
        Node::start(open(&self.database, self.folder.path()).await, self.clock.clone(), &self.seal).await
    }

    /// The same database, opened once more.
    pub async fn open_again(&self) -> facteur::db::Result<Db> {
        match &self.database {
            Database::Sqlite => Db::open_sqlite(self.folder.path()).await,
            Database::Postgres(url) => Db::open_postgres(url).await,
        }
    }

    /// A tenant and a caller in it.
    pub async fn tenant(&self, above: &Caller, kind: TenantKind, name: &str) -> (Tenant, Caller) {
        let new = NewTenant { name: name.into(), kind, parent: None, ..plain_tenant() };
        let (tenant, _) = tenants::create(&self.control, above, new).await.unwrap();
        let caller = self.key(above, Some(tenant.id), false).await;
        (tenant, caller)
    }

    /// A caller by a new key.
    pub async fn key(&self, maker: &Caller, tenant: Option<TenantId>, read_only: bool) -> Caller {
        let new = NewKey { name: "test".into(), tenant, read_only, expires_at: None, grants: Default::default() };
        let (_, text, _) = keys::create(&self.control, maker, new).await.unwrap();
        self.sign_in.recognise(&text).await.unwrap().unwrap()
    }

    pub async fn domain(&self, caller: &Caller, name: &str) -> Domain {
        let name = name.parse().unwrap();
        domains::create(&self.control, caller, None, name, ProtocolsPatch::default()).await.unwrap().0
    }

    /// A mailbox without password.
    pub async fn mailbox(&self, caller: &Caller, at: &str) -> Mailbox {
        mailboxes::create(&self.control, caller, new_mailbox(at)).await.unwrap().0
    }

    /// A mailbox whose password is [`PASSWORD`].
    pub async fn mailbox_with_password(&self, caller: &Caller, at: &str) -> Mailbox {
        let new = NewMailbox { password: clear(PASSWORD), ..new_mailbox(at) };
        mailboxes::create(&self.control, caller, new).await.unwrap().0
    }
}

pub fn address(text: &str) -> EmailAddress {
    text.parse().unwrap()
}

pub fn clear(password: &str) -> NewPassword {
    NewPassword { password: Some(password.into()), ..NewPassword::default() }
}

pub fn new_mailbox(at: &str) -> NewMailbox {
    NewMailbox {
        address: address(at),
        name: String::new(),
        password: NewPassword::default(),
        quota: Quota::default(),
        protocols: ProtocolsPatch::default(),
        mode: MailboxMode::Both,
        app_passwords_only: false,
        expires_at: None,
    }
}

/// Another name and password for a user.
pub fn user_patch(name: Option<String>, password: NewPassword) -> UserPatch {
    UserPatch { name, password, duty: None }
}

/// A tenant without plan and settings.
pub fn plain_tenant() -> NewTenant {
    let (kind, protocols) = (TenantKind::Customer, ProtocolsPatch::default());
    NewTenant { name: "plain".into(), kind, parent: None, plan: None, protocols }
}

/// Another name for a tenant.
pub fn renamed(name: &str) -> TenantPatch {
    TenantPatch { name: Some(name.into()), ..TenantPatch::default() }
}

pub fn pop3(state: ProtocolState) -> ProtocolsPatch {
    ProtocolsPatch { pop3: Some(state), ..ProtocolsPatch::default() }
}

/// Where a mail client comes from.
pub fn client(port: u16) -> SocketAddr {
    SocketAddr::new(PEER, port)
}

/// Asserts that a call found nothing.
#[track_caller]
pub fn not_found<T>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::NotFound)), "{:?}", answer.err());
}

/// Asserts that a call was not allowed.
#[track_caller]
pub fn not_allowed<T>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::NotAllowed(_))), "{:?}", answer.err());
}

/// Asserts that a field was refused with a code.
#[track_caller]
pub fn invalid<T>(answer: Result<T, Error>, code: &str) {
    match answer.err() {
        Some(Error::Invalid(fields)) => assert!(fields.iter().any(|field| field.code == code), "{fields:?}"),
        other => panic!("{other:?}"),
    }
}

async fn open(database: &Database, folder: &std::path::Path) -> Db {
    match database {
        Database::Sqlite => Db::open_sqlite(folder).await.unwrap(),
        Database::Postgres(url) => Db::open_postgres(url).await.unwrap(),
    }
}

/// An empty database that sorts text as people do, as many installations are set up: what
/// depends on the order of octets must say so itself.
#[allow(clippy::disallowed_methods, reason = "the command that runs the tests says where the server is")]
pub async fn fresh_postgres() -> String {
    let server = std::env::var("FACTEUR_TEST_POSTGRES_URL")
        .expect("FACTEUR_TEST_POSTGRES_URL names no PostgreSQL: run the tests by ./tests/run");
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    let name = format!("control_{:016x}", rand::random::<u64>());
    let create = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"
    );
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&pool).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// An empty folder for SQLite.
pub fn fresh_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
