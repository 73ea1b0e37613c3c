//! The contract as clap commands: words become subcommands, members become flags.
//!
//! Invariant: every operation of the contract has a command, and no flag is defined twice for one command.

use super::contract::{Contract, Field, Kind, Operation};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::{BTreeMap, BTreeSet};

/// Flags that every command of the API has.
#[derive(Debug, Clone, Default)]
pub(super) struct Globals {
    /// Address of the API, if named.
    pub api: Option<String>,
    /// A PEM file with certificates to trust beside the system's.
    pub ca: Option<String>,
    /// Whether passwords and tokens may go to another machine unencrypted.
    pub insecure_http: bool,
    /// Whether to print JSON as the API sent it.
    pub json: bool,
    /// Whether to read all pages.
    pub all: bool,
    /// Whether deletions need no question.
    pub yes: bool,
}

impl Globals {
    /// Reads them; flags that a command does not have are off.
    pub fn of(matches: &ArgMatches) -> Self {
        let text = |name| matches.try_get_one::<String>(name).ok().flatten().cloned();
        let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false);
        let (json, all, yes) = (flag("json"), flag("all"), flag("yes"));
        Self { api: text("api"), ca: text("ca"), insecure_http: flag("insecure_http"), json, all, yes }
    }
}

/// What commands stand for, by their words.
#[derive(Default)]
struct Tree<'a> {
    operation: Option<&'a Operation>,
    below: BTreeMap<&'a str, Tree<'a>>,
}

/// Adds the commands of the contract, `login`, `logout` and `completion`.
pub(super) fn add_operations(command: Command, contract: &Contract) -> Command {
    let mut tree = Tree::default();
    for operation in &contract.operations {
        let leaf = operation.words.iter().fold(&mut tree, |at, word| at.below.entry(word.as_str()).or_default());
        leaf.operation = Some(operation);
    }
    let login = Command::new("login")
        .about("Sign in to the API and keep the sign-in for later commands")
        .arg(Arg::new("name").required(true).help("User name, or a mailbox's address"));
    let completion = Command::new("completion")
        .about("Print a completion script for a shell")
        .arg(Arg::new("shell").required(true).value_parser(clap::value_parser!(clap_complete::Shell)));
    let logout = Command::new("logout").about("End the kept sign-in");
    let own = [with_connection(login), with_connection(logout), completion];
    let nouns = tree.below.iter().map(|(word, below)| subtree(word, below));
    command.subcommands(own).subcommands(nouns)
}

fn with_connection(command: Command) -> Command {
    command
        .arg(Arg::new("api").long("api").value_name("URL").help("The API [env FACTEUR_API; else where you signed in]"))
        .arg(
            Arg::new("insecure_http")
                .long("insecure-http")
                .action(clap::ArgAction::SetTrue)
                .help("Send passwords and tokens to another machine by http://, unencrypted"),
        )
        .arg(
            Arg::new("ca")
                .long("ca")
                .value_name("FILE")
                .help("Trust these certificates too (PEM) [env FACTEUR_API_CA]"),
        )
}

fn subtree(word: &str, tree: &Tree<'_>) -> Command {
    let mut command = Command::new(word.to_owned());
    if let Some(operation) = tree.operation {
        command = leaf(command, operation);
    } else {
        let below: Vec<&str> = tree.below.keys().copied().collect();
        command = command.about(below.join(", ")).subcommand_required(true).arg_required_else_help(true);
    }
    command.subcommands(tree.below.iter().map(|(word, below)| subtree(word, below)))
}

fn leaf(command: Command, operation: &Operation) -> Command {
    let summary = operation.about.lines().next().unwrap_or_default().to_owned();
    let mut command = with_connection(command.about(summary).long_about(operation.about.clone()))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the API's JSON"));
    let mut taken: BTreeSet<String> = ["json", "all", "yes", "data", "api", "ca"].map(str::to_owned).into();
    for argument in &operation.arguments {
        let help = format!("{}: id{}", argument.help, if names(argument) { ", name or address" } else { "" });
        command = command.arg(Arg::new(place(argument)).required(true).help(help));
    }
    if operation.lists {
        let help = "Print all pages, not the first alone";
        command = command.arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help(help));
    }
    if operation.method == "DELETE" {
        command = command.arg(Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue).help("Do not ask"));
    }
    if operation.has_body {
        let help = "The body as JSON (- reads it from standard input); flags go on top of it";
        command = command.arg(Arg::new("data").long("data").value_name("JSON").help(help));
    }
    let subject = subject(operation).map(Field::flag);
    for field in operation.query.iter().chain(&operation.headers).chain(&operation.body) {
        if !taken.insert(field.flag()) {
            continue;
        }
        command = command.arg(if subject.as_ref() == Some(&field.flag()) {
            Arg::new(place(field))
                .required_unless_present("data")
                .value_name(value_name(field))
                .help(field.help.clone())
        } else {
            flag(field, &mut taken)
        });
    }
    command
}

/// Whether an object can be named otherwise than by its id.
fn names(field: &Field) -> bool {
    matches!(&field.kind, Kind::Object(collection) if ["domains", "mailboxes"].contains(&collection.as_str()))
}

/// What a creation is about stands without a flag: `domain create example.org`.
pub(super) fn subject(operation: &Operation) -> Option<&Field> {
    let creates = operation.method == "POST" && operation.arguments.is_empty();
    operation.body.iter().find(|field| creates && field.required && field.kind == Kind::Text)
}

/// clap's name of a field.
pub(super) fn place(field: &Field) -> String {
    format!("/{}", field.place.join("/"))
}

fn flag(field: &Field, taken: &mut BTreeSet<String>) -> Arg {
    let mut help = field.help.clone();
    if field.nullable && field.kind != Kind::Secret {
        help.push_str(" [none takes it away]");
    }
    let mut arg = Arg::new(place(field)).long(field.flag()).value_name(value_name(field));
    if let Some(short) = field.short_name()
        && taken.insert(short.to_owned())
    {
        arg = arg.visible_alias(short.to_owned());
    }
    match &field.kind {
        Kind::Secret => {
            help.push_str(" [asked for; without a terminal a line of standard input]");
            arg = arg.action(ArgAction::SetTrue).value_name("");
        }
        Kind::Truth => arg = arg.num_args(0..=1).default_missing_value("true").value_parser(["true", "false"]),
        Kind::Choice(words) => {
            let none = field.nullable.then(|| "none".to_owned());
            arg = arg.value_parser(clap::builder::PossibleValuesParser::new(words.iter().cloned().chain(none)));
        }
        Kind::Texts => arg = arg.action(ArgAction::Append),
        _ => {}
    }
    arg.help(help)
}

fn value_name(field: &Field) -> &'static str {
    match &field.kind {
        Kind::Whole => "N",
        Kind::Truth => "BOOL",
        Kind::Json => "JSON",
        Kind::Object(_) => "ID",
        Kind::Text | Kind::Texts | Kind::Choice(_) | Kind::Secret => "TEXT",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use clap::Command;

    fn whole() -> Command {
        Cli::new().add_to(Command::new("facteur"))
    }

    #[test]
    fn every_command_is_well_formed() {
        whole().debug_assert();
    }

    #[test]
    fn commands_are_read() {
        for line in [
            "facteur domain create example.org",
            "facteur mailbox create a@example.org --quota 1G --pop3 disabled --password",
            "facteur mailbox protocols update a@example.org --pop3 disabled --pop3.policy.expire-days 30",
            "facteur alias create x@example.org --targets a@example.org --targets b@example.org",
            "facteur mailbox list --domain example.org --all --json",
            "facteur mailbox delete a@example.org --yes",
            "facteur key create panel --read-only",
            "facteur completion bash",
        ] {
            whole().try_get_matches_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in ["facteur mailbox", "facteur mailbox create", "facteur mailbox protocols update a@b --pop3 off"] {
            assert!(whole().try_get_matches_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
