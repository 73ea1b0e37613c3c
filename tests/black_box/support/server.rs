//! The real binary on free ports with a data folder of its own; killed when dropped.
//!
//! Invariant: a `Server` that exists has said that it is ready.

use super::database::{Backend, Database};
use super::imap::Imap;
use super::pop3::Pop3;
use super::smtp::Smtp;
use super::{Api, PATIENCE};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The operator's password in tests.
pub const OPERATOR_PASSWORD: &str = "operator-of-the-tests-1";

const LISTENERS: [(&str, &str); 8] = [
    ("http", "FACTEUR_HTTP"),
    ("mx", "FACTEUR_MX"),
    ("submission", "FACTEUR_SUBMISSION"),
    ("submissions", "FACTEUR_SUBMISSIONS"),
    ("imap", "FACTEUR_IMAP"),
    ("imaps", "FACTEUR_IMAPS"),
    ("pop3", "FACTEUR_POP3"),
    ("pop3s", "FACTEUR_POP3S"),
];

/// A running Facteur.
pub struct Server {
    child: Child,
    addresses: serde_json::Value,
    /// Its lines on stdout; the lock is never waited for, it only lets threads share a server.
    output: Mutex<Receiver<String>>,
    folder: tempfile::TempDir,
    database: Option<Database>,
    /// Variables of the next start.
    variables: Vec<(&'static str, String)>,
}

impl Server {
    /// Starts on an empty data folder and an empty database.
    pub fn start(backend: Backend) -> Self {
        let folder = tempfile::Builder::new().prefix("facteur-test").tempdir().expect("a temporary folder");
        let database = (backend == Backend::Postgres).then(Database::create);
        // Tests ask as fast as they can; how often one may ask is a test of its own.
        std::fs::write(folder.path().join("facteur.toml"), "[rate]\ncaller = 0\nnetwork = 0\n").expect("settings");
        let (child, output) = spawn(folder.path(), database.as_ref(), &[]);
        let (addresses, variables) = (serde_json::Value::Null, Vec::new());
        let mut server = Self { child, addresses, output, folder, database, variables };
        server.await_ready();
        server
    }

    /// Starts again on what is there.
    pub fn restart(&mut self) {
        assert!(self.child.try_wait().expect("the child's state").is_some(), "the server still runs");
        (self.child, self.output) = spawn(self.folder.path(), self.database.as_ref(), &self.variables);
        self.await_ready();
    }

    /// Writes the settings file that the next start reads, in place of one that sets the API's rates free.
    pub fn settings(&self, text: &str) {
        std::fs::write(self.folder.path().join("facteur.toml"), text).expect("a settings file");
    }

    /// Stops, and starts again with a variable.
    pub fn restart_with(&mut self, variable: &'static str, value: &str) {
        self.variables.push((variable, value.to_owned()));
        self.signal("TERM");
        self.wait();
        self.restart();
    }

    /// Sends a signal (`TERM`, `KILL`) to the process.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "kill -{name}");
    }

    /// Waits until the process ends.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + 2 * PATIENCE;
        // The channel closes when the process' output does, so this is no polling.
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.next_line(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return self.child.wait().expect("the child ends");
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("the server did not end in time");
    }

    /// The binary with this server's settings, for another of its commands.
    pub fn command(&self) -> Command {
        let mut command = command(self.folder.path());
        if let Some(database) = &self.database {
            command.env("FACTEUR_DATABASE", &database.url);
        }
        command
    }

    /// The server's database, for what no caller can do.
    pub async fn open_database(&self) -> facteur::db::Db {
        let opened = match &self.database {
            Some(database) => facteur::db::Db::open_postgres(&database.url).await,
            None => facteur::db::Db::open_sqlite(&self.data()).await,
        };
        opened.expect("the server's database")
    }

    /// Runs `facteur store check --json`; its exit code and its report. The server may be running.
    pub fn check_store(&self, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
        let ran = self.command().args(["store", "check", "--json"]).args(arguments).output().expect("it runs");
        let report = serde_json::from_slice(&ran.stdout);
        let report = report.unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&ran.stderr)));
        (ran.status.code(), report)
    }

    /// Where a listener of this name listens.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let text = self.addresses.get(listener).and_then(|a| a.as_str());
        text.unwrap_or_else(|| panic!("no listener {listener}")).parse().expect("an address")
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Nobody, as the API sees them.
    pub fn anonymous(&self) -> Api {
        Api::new(self.address("http"), None)
    }

    /// The operator, signed in.
    pub fn operator(&self) -> Api {
        self.anonymous().sign_in("operator", OPERATOR_PASSWORD)
    }

    /// A connection to the MX listener, greeted and after EHLO.
    pub fn mx(&self) -> Smtp {
        Smtp::connect(self.address("mx")).hello()
    }

    /// A connection to the IMAP listener, greeted.
    pub fn imap(&self) -> Imap {
        Imap::connect(self.address("imap"))
    }

    /// A connection to the POP3 listener, greeted.
    pub fn pop3(&self) -> Pop3 {
        Pop3::connect(self.address("pop3"))
    }

    fn next_line(&mut self, within: Duration) -> Result<String, RecvTimeoutError> {
        self.output.get_mut().expect("no panic holds it").recv_timeout(within)
    }

    fn await_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.next_line(left) {
                Ok(line) if line.trim() == "ready" => {
                    let text = std::fs::read(self.data().join("run/addresses.json")).expect("the table of addresses");
                    self.addresses = serde_json::from_slice(&text).expect("addresses.json is JSON");
                    return;
                }
                Ok(line) => seen.push(line),
                Err(_) => break,
            }
        }
        panic!("the server did not become ready:\n{}\n{}", seen.join("\n"), self.log());
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.path().join("log")) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the server's last log lines\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        } else {
            // A panic is counted against the test that provoked it, even where the session survived it.
            assert!(!self.log().contains("panicked at"), "the server panicked:\n{}", self.log());
        }
    }
}

/// The command that runs the binary in `folder`, with the tests' settings and nothing inherited.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    command.current_dir(folder).env_clear();
    for name in ["PATH", "HOME", "LLVM_PROFILE_FILE"] {
        if let Ok(value) = std::env::var(name) {
            command.env(name, value);
        }
    }
    for (_, variable) in LISTENERS {
        command.env(variable, "127.0.0.1:0");
    }
    command.env("FACTEUR_DATA", folder.join("data"));
    command.env("FACTEUR_HOST", "mail.facteur.example");
    command.env("FACTEUR_LOGIN_WITHOUT_TLS", "loopback");
    command.env("FACTEUR_OUTBOUND_ALLOW", "127.0.0.1/32");
    // Mails that nobody sent would be in the way of tests that count.
    command.env("FACTEUR_QUOTA_WARN_AT", "");
    command.env("FACTEUR_OPERATOR_PASSWORD", OPERATOR_PASSWORD);
    command
}

fn spawn(
    folder: &Path,
    database: Option<&Database>,
    variables: &[(&'static str, String)],
) -> (Child, Mutex<Receiver<String>>) {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    let mut command = command(folder);
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    if let Some(database) = database {
        command.env("FACTEUR_DATABASE", &database.url);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut child = command.spawn().expect("the binary starts");
    let stdout = child.stdout.take().expect("its output");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                // Keep reading: a full pipe would stop the server.
                continue;
            }
        }
    });
    (child, Mutex::new(receiver))
}
