//! Who the command line is: an API key from the environment, or a sign-in kept in a file that only its owner reads.
//!
//! A password is never kept, a refresh token is exchanged once (the server ends the sign-in if it comes twice), so
//! one process at a time refreshes. Invariant: the file is never readable by others, and replaced as a whole.

use super::arguments::Globals;
use super::client::{Api, Ask, Failure};
use super::say;
use crate::settings::ApiAccess;
use clap::ArgMatches;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the API is when nobody says.
const DEFAULT_API: &str = "http://127.0.0.1:8080";

/// What stands in the file.
#[derive(serde::Serialize, serde::Deserialize, Clone)]
pub(super) struct Kept {
    api: String,
    ca: Option<String>,
    name: String,
    access_token: String,
    refresh_token: String,
}

/// As whom requests go.
pub(super) enum Bearer {
    Nobody,
    Key(String),
    SignedIn(Box<Kept>),
}

impl Bearer {
    /// What stands in the Authorization header.
    pub fn token(&self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Key(key) => Some(key.clone()),
            Self::SignedIn(kept) => Some(kept.access_token.clone()),
        }
    }
}

/// `~/.config/facteur/sign-in.json`.
fn path() -> Result<PathBuf, Failure> {
    let config = ApiAccess::from_environment().config;
    let config = config.ok_or_else(|| Failure::Other("neither HOME nor XDG_CONFIG_HOME is set".into()))?;
    Ok(config.join("facteur").join("sign-in.json"))
}

fn kept(path: &Path) -> Option<Kept> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The API that a command is for. A key from the environment goes before a kept sign-in, and a kept
/// sign-in is used only for the API that it is for.
pub(super) fn api(globals: &Globals) -> Result<Api, Failure> {
    let around = ApiAccess::from_environment();
    let named = globals.api.clone().or(around.url);
    let ca = globals.ca.clone().or(around.ca);
    let found = kept(&path()?).filter(|kept| named.as_ref().is_none_or(|url| same(url, &kept.api)));
    let url = named.or_else(|| found.as_ref().map(|kept| kept.api.clone())).unwrap_or_else(|| DEFAULT_API.to_owned());
    let ca = ca.or_else(|| found.as_ref().and_then(|kept| kept.ca.clone()));
    let bearer = match (around.key, found) {
        (Some(key), _) => Bearer::Key(key),
        (None, Some(kept)) => Bearer::SignedIn(Box::new(kept)),
        (None, None) => Bearer::Nobody,
    };
    Api::new(&url, ca, bearer, globals.insecure_http)
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

fn post(target: &str, body: Value) -> Ask {
    Ask { method: "POST".into(), target: target.into(), headers: Vec::new(), body: Some(body) }
}

/// `facteur login NAME`.
pub(super) async fn login(globals: &Globals, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let name = matches.get_one::<String>("name").cloned().unwrap_or_default();
    let around = ApiAccess::from_environment();
    let url = globals.api.clone().or(around.url).unwrap_or_else(|| DEFAULT_API.to_owned());
    let ca = globals.ca.clone().or(around.ca).map(absolute);
    let mut api = Api::new(&url, ca.clone(), Bearer::Nobody, globals.insecure_http)?;
    let password = secret(&format!("Password of {name}: "))?;
    let mut answer = api.send(&post("/v1/sign-in", json!({"name": name, "password": password}))).await?.json()?;
    if let Some(challenge) = answer["challenge"].as_str() {
        let code = secret(&format!("Code of {name}: "))?;
        let second = json!({"challenge": challenge, "code": code});
        answer = api.send(&post("/v1/sign-in/second-factor", second)).await?.json()?;
    }
    let (access_token, refresh_token) = tokens(&answer)?;
    let path = path()?;
    write(&path, &Kept { api: url.clone(), ca, name: name.clone(), access_token, refresh_token })?;
    say(&format!("Signed in to {url} as {name}; kept in {}.", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: String) -> String {
    fs::canonicalize(&path).map_or(path, |path| path.to_string_lossy().into_owned())
}

fn tokens(answer: &Value) -> Result<(String, String), Failure> {
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    text("access_token").zip(text("refresh_token")).ok_or_else(|| Failure::NoAnswer("the sign-in has no tokens".into()))
}

/// `facteur logout`.
pub(super) async fn logout(globals: &Globals) -> Result<ExitCode, Failure> {
    let path = path()?;
    let Some(found) = kept(&path) else {
        say("Nobody is signed in.");
        return Ok(ExitCode::SUCCESS);
    };
    let (url, ca) = (found.api.clone(), globals.ca.clone().or(found.ca.clone()));
    let mut api = Api::new(&url, ca, Bearer::SignedIn(Box::new(found)), globals.insecure_http)?;
    let ask = Ask { method: "POST".into(), target: "/v1/sign-out".into(), headers: Vec::new(), body: None };
    let ended = api.send(&ask).await;
    fs::remove_file(&path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    match ended {
        // The server knows the sign-in no more: that is what was wanted.
        Ok(_) | Err(Failure::Refused(401, _)) => say("Signed out."),
        Err(failure) => say(&format!("Forgotten here, but the server was not told: {failure}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Exchanges the refresh token; false if there is none to exchange or the server takes it no more.
pub(super) async fn refresh(api: &mut Api) -> Result<bool, Failure> {
    let Bearer::SignedIn(had) = &api.bearer else { return Ok(false) };
    let path = path()?;
    // Held until this function ends: a second process waits here and then finds the new tokens.
    let lock = private(&path.with_extension("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    let Some(mut now) = kept(&path).filter(|now| same(&now.api, &had.api)) else { return Ok(false) };
    if now.access_token == had.access_token {
        let ask = post("/v1/sign-in/refresh", json!({"refresh_token": now.refresh_token}));
        let answer = api.once(&ask, None).await?;
        if answer.status != 200 {
            return Ok(false);
        }
        (now.access_token, now.refresh_token) = tokens(&answer.json()?)?;
        write(&path, &now)?;
    }
    api.bearer = Bearer::SignedIn(Box::new(now));
    Ok(true)
}

fn private(path: &Path) -> Result<File, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)
}

fn write(path: &Path, kept: &Kept) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("{}: {error}", path.display()));
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = private(&new)?;
    let text = serde_json::to_vec_pretty(kept).map_err(|error| Failure::Other(error.to_string()))?;
    file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path)).map_err(failed)
}

/// Asks for a secret without showing it; without a terminal it is a line of standard input.
pub(super) fn secret(prompt: &str) -> Result<String, Failure> {
    use std::io::IsTerminal;
    let failed = |error: std::io::Error| Failure::Other(format!("the password could not be read: {error}"));
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map_err(failed);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(failed)?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    if line.is_empty() { Err(Failure::Usage("standard input holds no password".into())) } else { Ok(line) }
}
