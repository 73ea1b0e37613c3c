//! The command line: reads what is asked, starts the runtime, hands over to `app`.
//!
//! It decides nothing about mail or configuration.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use facteur::app;
use facteur::cli;
use facteur::control::bootstrap::FIRST_OPERATOR;
use facteur::settings::{KEYS, Mistake, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The mail backend of a hosting control panel: an HTTP API, and SMTP, IMAP and POP3 that obey it at once.
///
/// `facteur serve` makes its data folder, databases, certificate and first operator when they are not there,
/// prints every address it listens on, and runs until SIGTERM or Ctrl-C, on which it finishes what has started.
#[derive(Parser)]
#[command(version, after_long_help = settings_help(), after_help = "Settings: see --help. API documentation: /docs on the HTTP address.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// The settings file; without it FACTEUR_CONFIG, then facteur.toml in this folder if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check the settings and print them as they would be used.
    Settings {
        /// The settings file; without it FACTEUR_CONFIG, then facteur.toml in this folder if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Operators, from the command line.
    Operator {
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// The message store: look whether it is sound.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Print the API's OpenAPI document.
    Openapi,
}

#[derive(Subcommand)]
enum OperatorCommand {
    /// Give an operator a new password, print it, and sign the operator out everywhere.
    ///
    /// Needs the data folder (or the PostgreSQL database) and no password; the server may be running.
    ResetPassword {
        /// The name that the operator signs in with.
        #[arg(long, default_value = FIRST_OPERATOR)]
        name: String,
        /// The settings file; without it FACTEUR_CONFIG, then facteur.toml in this folder if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Verify everything: checksums, references, counters, logs, files, and the log of configuration.
    ///
    /// The server may be running. Exit codes: 0 sound (or repaired), 1 could not be checked, 2 mistakes in the settings
    /// or the command line, 3 damaged.
    Check {
        /// Mend counters and numbers of references; nothing else is written.
        #[arg(long)]
        repair: bool,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
        /// The settings file; without it FACTEUR_CONFIG, then facteur.toml in this folder if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// The table of settings for `--help`.
fn settings_help() -> String {
    let mut text = "Settings (facteur.toml, or the variable in brackets; the variable wins):\n".to_owned();
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
        text.push_str(&format!("  {} [{}]\n      {}{default}\n", key.name, key.variable(), key.meaning));
    }
    text.push_str(
        "\nSignals: SIGTERM and SIGINT drain: no new connections, what has started is finished, exit within 30 s.\n",
    );
    text.push_str(
        "Exit codes of serve: 0 drained, 1 could not start or failed, 2 mistakes in the settings or the command line.\n",
    );
    text.push_str(&format!(
        "Exit codes of the API's commands: {}\n\nThe API's commands (domain, mailbox, alias, …) need no data folder: \
         they speak to a running server, as `facteur login`\nor FACTEUR_API and FACTEUR_API_KEY say.",
        cli::EXIT_CODES
    ));
    text
}

fn main() -> ExitCode {
    let api = cli::Cli::new();
    let whole = api.add_to(Cli::command());
    let matches = whole.clone().get_matches();
    if let Some(code) = api.run(whole, &matches) {
        return code;
    }
    let command = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.command,
        Err(error) => error.exit(),
    };
    match command {
        Command::Serve { config } => with_settings(config, app::run),
        Command::Settings { config } => with_settings(config, |settings| {
            say(&format!("{settings:#?}"));
            ExitCode::SUCCESS
        }),
        Command::Operator { command: OperatorCommand::ResetPassword { name, config } } => {
            with_settings(config, |settings| app::reset_operator_password(settings, &name))
        }
        Command::Store { command: StoreCommand::Check { repair, json, config } } => {
            with_settings(config, |settings| app::check_store(settings, repair, json))
        }
        Command::Openapi => {
            say(&facteur::api::openapi_json());
            ExitCode::SUCCESS
        }
    }
}

fn with_settings(config: Option<PathBuf>, then: impl FnOnce(Settings) -> ExitCode) -> ExitCode {
    match Settings::load(config.as_deref()) {
        Ok(settings) => then(settings),
        Err(mistakes) => {
            report(&mistakes);
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) {
    use std::io::Write;
    // A closed pipe (`| head`) is no reason to complain.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn report(mistakes: &[Mistake]) {
    use std::io::Write;
    let mut out = std::io::stderr();
    let _ = writeln!(out, "The settings have {} mistake(s):", mistakes.len());
    for mistake in mistakes {
        let _ = writeln!(out, "  {mistake}");
    }
}
