//! Every part of the server, built in order and closed in reverse.

use super::data_folder::DataFolder;
use super::jobs;
use super::outbox::Carrier;
use super::quota_watch::QuotaWatch;
use crate::api::{self, ApiState};
use crate::auth::seal::Seal;
use crate::auth::{Passwords, Throttle};
use crate::clock::Clock;
use crate::control::letters::Letterhead;
use crate::control::{Control, bootstrap, dispatch::Dispatch, sign_in::SignIn};
use crate::db::Db;
use crate::delivery::Growth;
use crate::directory::{Counting, Directory, Login};
use crate::mail::Services;
use crate::mail::conn::ConnSettings;
use crate::net::{Outbound, Rates, Smarthost, TlsIdentity};
use crate::settings::{Database, Settings};
use crate::store::Store;
use anyhow::Context;
use rustls::ServerConfig;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every part of a running server.
pub(super) struct Parts {
    /// What mail sessions may use.
    pub services: Arc<Services>,
    /// The generated password of the first operator, on the first start.
    pub first_password: Option<String>,
    api: ApiState,
    tls: Arc<ServerConfig>,
    /// What binds a login to the certificate.
    end_point: EndPoint,
    db: Db,
    background: TaskTracker,
    stop: CancellationToken,
}

impl Parts {
    /// Builds everything; nothing is accepted yet.
    pub async fn start(settings: &Settings, folder: &DataFolder, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        install_crypto();
        let clock = Clock::system();
        let (tls, end_point) = certificate(settings, folder)?;
        let (db, store) = databases(settings, folder, &clock).await?;
        store.keep_free(settings.min_free);
        let seal = Seal::open(folder.path())?;
        let (passwords, throttle, committed) =
            (Passwords::new().sealed_by(seal.clone()), Throttle::default(), Arc::new(Notify::new()));

        let control = Control::new(db.clone(), clock.clone(), passwords.clone(), committed.clone());
        let operator = settings.operator_password.as_ref().map(|secret| secret.0.as_str());
        let first_password = bootstrap::run(&control, operator).await.context("the first operator cannot be made")?;
        let sign_in = SignIn::open(&control, &seal, throttle.clone()).await.context("the signing key")?;
        let directory = Directory::open(db.clone(), clock.clone(), &settings.host).await?;
        let (login, notes) = Login::new(directory.clone(), passwords, throttle);

        // Background work goes on while sessions drain: the feed still ends them, logins are still noted.
        let (background, stop) = (TaskTracker::new(), CancellationToken::new());
        let follower = directory.clone();
        let until = stop.clone();
        background.spawn(async move { follower.follow(committed, until).await });
        background.spawn(notes.write(stop.clone()));
        let (activity, counting) = Counting::new(directory.clone());
        background.spawn(counting.run(stop.clone()));
        let (growth, grown) = Growth::new();
        let watch = QuotaWatch {
            control: control.clone(),
            directory: directory.clone(),
            store: store.clone(),
            shares: settings.quota_shares.clone(),
            language: settings.language,
            host: settings.host.clone(),
        };
        background.spawn(watch.run(grown, stop.clone()));
        let outbound = Outbound::new(settings.outbound_allow.clone()).context("the client for webhooks")?;
        let dispatch = Dispatch { control: control.clone(), seal: seal.clone(), outbound: outbound.clone() };
        background.spawn(dispatch.run(directory.applied_changes(), stop.clone()));
        let carrier = Carrier {
            control: control.clone(),
            seal: seal.clone(),
            directory: directory.clone(),
            store: store.clone(),
            smarthost: smarthost(settings)?,
            head: Letterhead {
                from: settings.mail_from.clone(),
                link_url: settings.link_url.clone(),
                host: settings.host.clone(),
            },
        };
        background.spawn(carrier.run(stop.clone()));
        let history = settings.history.map(|keep| jobs::History { folder: folder.path().join("history"), keep });
        background.spawn(jobs::run(control.clone(), directory.clone(), store.clone(), history, stop.clone()));

        let services = Services {
            directory: directory.clone(),
            login,
            activity,
            growth,
            store: store.clone(),
            columns: Default::default(),
            seal: seal.clone(),
            clock: clock.clone(),
            host: settings.host.as_str().into(),
        };
        let api = ApiState {
            control,
            sign_in,
            directory,
            store,
            seal,
            outbound,
            host: settings.host.as_str().into(),
            plain_http: settings.plain_http,
            rates: Rates::new(settings.caller_rate, settings.network_rate),
            job_given: Arc::default(),
            streams: api::Streams::default(),
            draining: shutdown.clone(),
        };
        background.spawn(api::run_jobs(api.clone(), stop.clone()));
        Ok(Self { services: Arc::new(services), first_password, api, tls, end_point, db, background, stop })
    }

    /// What holds for every mail connection.
    pub fn conn_settings(&self, settings: &Settings, shutdown: &CancellationToken) -> ConnSettings {
        ConnSettings {
            tls: Some(self.tls.clone()),
            end_point: self.end_point.clone(),
            loopback_login: settings.loopback_login,
            shutdown: shutdown.clone(),
        }
    }

    /// Serves the API until it is stopped.
    pub fn http(&self, listener: TcpListener, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        api::serve(listener, self.tls.clone(), self.api.clone(), stop)
    }

    /// Ends what runs in the background, then closes store and database.
    pub async fn close(self) {
        self.stop.cancel();
        self.background.close();
        self.background.wait().await;
        self.services.store.close().await;
        self.db.close().await;
    }
}

/// One provider for everything that signs and encrypts: with two in the tree, libraries refuse to choose.
pub(super) fn install_crypto() {
    // A second call in one process keeps the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

fn smarthost(settings: &Settings) -> anyhow::Result<Option<Smarthost>> {
    let Some(smarthost) = &settings.smarthost else { return Ok(None) };
    let login = smarthost.login.as_ref().map(|(user, password)| (user.clone(), password.0.clone()));
    let made = Smarthost::new(&smarthost.host, smarthost.port, smarthost.tls, login).context("smarthost.host")?;
    Ok(Some(made))
}

/// What binds a login to a certificate (RFC 5929 §4), where it has one.
type EndPoint = Option<Arc<[u8]>>;

/// What TLS is served with, and what a login can be bound to.
fn certificate(settings: &Settings, folder: &DataFolder) -> anyhow::Result<(Arc<ServerConfig>, EndPoint)> {
    let identity = match &settings.tls {
        Some(identity) => identity.clone(),
        None => TlsIdentity::self_signed(&folder.path().join("tls"), &settings.host)?,
    };
    Ok((identity.server_config()?, identity.end_point()?))
}

async fn databases(settings: &Settings, folder: &DataFolder, clock: &Clock) -> anyhow::Result<(Db, Store)> {
    match &settings.database {
        Database::Sqlite => {
            let db = Db::open_sqlite(folder.path()).await.context("control.db")?;
            let store = Store::open_sqlite(folder.path(), clock.clone()).await.context("store.db")?;
            Ok((db, store))
        }
        Database::Postgres(url) => {
            let db = Db::open_postgres(&url.0).await.context("PostgreSQL")?;
            let pool = db.postgres().cloned().context("PostgreSQL")?;
            let store = Store::open_postgres(pool, folder.path(), clock.clone()).await.context("the message store")?;
            Ok((db, store))
        }
    }
}
