//! The composition root: builds every part, hands each what it needs, stops them in order.
//!
//! The only place that sees the whole. Invariant: nothing is accepted before everything
//! that serves it is up, and nothing is closed before everything that uses it has ended.

mod data_folder;
mod jobs;
mod listeners;
mod logging;
mod operator;
mod outbox;
mod parts;
mod quota_watch;
mod store;

use crate::model::bounds;
use crate::settings::Settings;
use anyhow::Context;
use data_folder::DataFolder;
use listeners::{Accepting, MailListener};
use parts::Parts;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs the server until it is told to stop.
pub fn run(settings: Settings) -> ExitCode {
    logging::init(&settings);
    raise_descriptor_limit();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
        .and_then(|runtime| runtime.block_on(serve(settings)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Gives an operator a new password and prints it.
pub fn reset_operator_password(settings: Settings, name: &str) -> ExitCode {
    logging::init(&settings);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
        .and_then(|runtime| runtime.block_on(operator::reset_password(&settings, name)));
    match outcome {
        Ok(password) => {
            say(&format!("\"{name}\" signs in with this new password, shown only now:\n\n    {password}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

/// Looks at the whole store and prints what it found; exit code 3 when something is damaged.
pub fn check_store(settings: Settings, repair: bool, json: bool) -> ExitCode {
    logging::init(&settings);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
        .and_then(|runtime| runtime.block_on(store::check(&settings, repair)));
    let report = match outcome {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    say(&if json { serde_json::json!(report).to_string() } else { store::text(&report) });
    if store::is_sound(&report) { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) }
}

/// The exit code of a check that found damage.
const DAMAGED: u8 = 3;

fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "facteur: {error:#}");
    ExitCode::FAILURE
}

/// A connection is a descriptor; the usual soft limit of 1024 is for programs that use `select`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the descriptor limit stays as it is");
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let folder = DataFolder::open(&settings.data)?;
    let (http, mail) = bind_all(&settings)?;
    let shutdown = CancellationToken::new();
    let parts = Parts::start(&settings, &folder, &shutdown).await?;
    announce(&folder, http.as_ref(), &mail, parts.first_password.as_deref())?;

    let sessions = TaskTracker::new();
    let accepting = Accepting {
        services: parts.services.clone(),
        conn: parts.conn_settings(&settings, &shutdown),
        admission: crate::net::Admission::new(bounds::CONNECTIONS),
        sessions: sessions.clone(),
    };
    for listener in mail {
        sessions.spawn(listeners::accept(listener, accepting.clone()));
    }
    let http = http.map(|listener| Http::start(&parts, listener));
    say("ready");
    stop_signal().await?;
    let began = tokio::time::Instant::now();
    shutdown.cancel();
    drain(sessions, http, began + bounds::DRAIN_TIME).await;
    parts.close().await;
    tracing::info!(panics = logging::panics(), "drained");
    Ok(())
}

/// The API's listener at work.
struct Http {
    serving: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

impl Http {
    fn start(parts: &Parts, listener: TcpListener) -> Self {
        let stop = CancellationToken::new();
        Self { serving: tokio::spawn(parts.http(listener, stop.clone())), stop }
    }
}

/// Binds everything; all that fail are named together.
fn bind_all(settings: &Settings) -> anyhow::Result<(Option<TcpListener>, Vec<MailListener>)> {
    let http = settings
        .listen
        .http
        .map(|address| crate::net::bind(address).map_err(|error| format!("http: cannot listen on {address}: {error}")));
    let (http, mut problems) = match http {
        Some(Ok(listener)) => (Some(listener), Vec::new()),
        Some(Err(problem)) => (None, vec![problem]),
        None => (None, Vec::new()),
    };
    match listeners::bind_all(&settings.listen) {
        Ok(mail) if problems.is_empty() => return Ok((http, mail)),
        Ok(_) => {}
        Err(more) => problems.extend(more),
    }
    anyhow::bail!("{}", problems.join("\n  "))
}

/// Prints the first operator's password, once in the life of the data folder, and every address.
fn announce(
    folder: &DataFolder,
    http: Option<&TcpListener>,
    mail: &[MailListener],
    first_password: Option<&str>,
) -> anyhow::Result<()> {
    let mut rows: Vec<(&str, &str, SocketAddr)> = Vec::new();
    if let Some(http) = http {
        rows.push(("http", "HTTP and HTTPS: API, documentation at /docs", http.local_addr()?));
    }
    for listener in mail {
        rows.push((listener.name, listener.meaning(), listener.address()?));
    }
    if let Some(password) = first_password {
        say(&format!(
            "The first operator signs in as \"operator\" with this password, shown only now:\n\n    {password}\n"
        ));
    }
    for (name, meaning, address) in &rows {
        say(&format!("{name:<12} {:<22} {meaning}", address.to_string()));
    }
    let table: serde_json::Map<String, serde_json::Value> =
        rows.iter().map(|(name, _, address)| ((*name).to_owned(), address.to_string().into())).collect();
    folder
        .write_addresses(&serde_json::Value::Object(table).to_string())
        .context("the table of addresses cannot be written")
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    Ok(())
}

/// What has started is finished, goodbye to the rest; mail first, so that whoever asks `/readyz` meanwhile hears that
/// this server is leaving.
async fn drain(sessions: TaskTracker, http: Option<Http>, until: tokio::time::Instant) {
    sessions.close();
    if tokio::time::timeout_at(until, sessions.wait()).await.is_err() {
        tracing::warn!(left = sessions.len(), "some sessions did not end in time");
    }
    if let Some(Http { serving, stop }) = http {
        stop.cancel();
        if tokio::time::timeout_at(until, serving).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
    }
}
