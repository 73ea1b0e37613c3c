//! The command line as a client of the API: `facteur mailbox list`, `facteur domain create …`, `facteur login`.
//!
//! It uses the HTTP API and nothing else: no database, no data folder. Its commands are made from the OpenAPI
//! document, so that what the API learns, it knows. Invariant: standard output holds the answer alone (a table, or
//! JSON as the API sent it); everything said to the person stands on standard error.

mod account;
mod arguments;
mod client;
mod contract;
mod follow;
mod request;
mod show;

use arguments::{Globals, add_operations};
use clap::{ArgMatches, Command};
use client::Failure;
use contract::Contract;
use std::process::ExitCode;

/// What exit codes mean, for `--help`.
pub const EXIT_CODES: &str = "0 done, 1 failed, 2 mistakes on the command line or in the settings, \
3 not signed in (401), 4 not allowed (403), 5 not found (404), 6 conflict (409, 412), 7 invalid (422), \
8 too many requests (429), 9 no answer from the server.";

/// The API's operations as commands.
pub struct Cli {
    contract: Contract,
}

impl Cli {
    /// Reads the API's own document.
    pub fn new() -> Self {
        let document = serde_json::from_str(&crate::api::openapi_json()).unwrap_or_default();
        Self { contract: Contract::read(&document) }
    }

    /// Adds `login`, `logout`, `completion` and a command for every operation.
    pub fn add_to(&self, command: Command) -> Command {
        add_operations(command, &self.contract)
    }

    /// Runs what was asked, if it is one of these commands.
    pub fn run(&self, whole: Command, matches: &ArgMatches) -> Option<ExitCode> {
        let (name, below) = matches.subcommand()?;
        if name == "completion" {
            let shell = *below.get_one::<clap_complete::Shell>("shell")?;
            clap_complete::generate(shell, &mut whole.clone(), "facteur", &mut std::io::stdout());
            return Some(ExitCode::SUCCESS);
        }
        let known = ["login", "logout"].contains(&name) || self.contract.operations.iter().any(|o| o.words[0] == name);
        if !known {
            return None;
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Some(complain(&Failure::Other(error.to_string()))),
        };
        Some(runtime.block_on(self.dispatch(name, below)).unwrap_or_else(|failure| complain(&failure)))
    }

    async fn dispatch(&self, name: &str, below: &ArgMatches) -> Result<ExitCode, Failure> {
        let globals = Globals::of(below);
        match name {
            "login" => account::login(&globals, below).await,
            "logout" => account::logout(&globals).await,
            _ => self.operation(name, below).await,
        }
    }

    async fn operation(&self, name: &str, below: &ArgMatches) -> Result<ExitCode, Failure> {
        let (mut words, mut leaf) = (vec![name.to_owned()], below);
        while let Some((word, deeper)) = leaf.subcommand() {
            words.push(word.to_owned());
            leaf = deeper;
        }
        let found = self.contract.operations.iter().find(|operation| operation.words == words);
        let operation = found.ok_or_else(|| Failure::Usage(format!("{} is no command", words.join(" "))))?;
        let globals = Globals::of(leaf);
        let mut api = account::api(&globals)?;
        let request = request::build(operation, leaf, &mut api, &self.contract).await?;
        if operation.method == "DELETE" {
            request::confirm(&request, globals.yes)?;
        }
        if operation.path == "/v1/events" {
            return follow::run(&mut api, &request.page(None), globals.json).await;
        }
        let shown = show::Shown::new(globals.json);
        let mut cursor = None;
        loop {
            let answer = api.send(&request.page(cursor.as_deref())).await?;
            cursor = shown.answer(operation, &answer)?.filter(|_| globals.all);
            if cursor.is_none() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

impl Default for Cli {
    fn default() -> Self {
        Self::new()
    }
}

fn complain(failure: &Failure) -> ExitCode {
    say(&failure.to_string());
    ExitCode::from(failure.exit_code())
}

/// Says something to the person.
fn say(text: &str) {
    use std::io::Write;
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
