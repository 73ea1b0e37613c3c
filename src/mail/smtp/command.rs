//! Command lines to commands (RFC 5321 §4.1.1 and the extensions that EHLO offers).
//!
//! It decides nothing about order or permission. Invariant: no line makes it panic, and a
//! line it cannot read becomes the reply that says so.

use super::parameters::{self, MailParameters};
use super::path::{self, ForwardPath};
use super::reply::{Reply, bad_argument};
use crate::model::{ReversePath, bounds};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO
    Helo(String),
    /// EHLO
    Ehlo(String),
    /// MAIL FROM
    Mail {
        /// The sender; `None` is `<>`.
        sender: Option<ReversePath>,
        /// What else it says.
        parameters: MailParameters,
    },
    /// RCPT TO
    Rcpt(ForwardPath),
    /// DATA
    Data,
    /// BDAT (RFC 3030 §2)
    Bdat {
        /// Octets that follow.
        size: u64,
        /// Whether the message ends with them.
        last: bool,
    },
    /// BDAT whose size cannot be read: where the next command begins is not known.
    UnreadableBdat,
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// HELP
    Help,
    /// VRFY
    Vrfy,
    /// EXPN
    Expn,
    /// STARTTLS (RFC 3207)
    StartTls,
    /// AUTH (RFC 4954)
    Auth {
        /// The mechanism, upper case.
        mechanism: String,
        /// The initial response, still encoded.
        initial: Option<Vec<u8>>,
    },
    /// QUIT
    Quit,
    /// Another protocol's beginning: the peer is no mail client.
    Foreign,
}

impl Command {
    /// The name for session lists.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Helo(_) => "HELO",
            Self::Ehlo(_) => "EHLO",
            Self::Mail { .. } => "MAIL",
            Self::Rcpt(_) => "RCPT",
            Self::Data => "DATA",
            Self::Bdat { .. } | Self::UnreadableBdat => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Help => "HELP",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::StartTls => "STARTTLS",
            Self::Auth { .. } => "AUTH",
            Self::Quit => "QUIT",
            Self::Foreign => "(foreign)",
        }
    }
}

/// Verbs of HTTP: a browser was led here (ALPACA and its like).
const FOREIGN: [&str; 7] = ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "PRI"];

/// Reads a line.
///
/// # Errors
/// The reply to a line that is no command.
pub fn parse(line: &[u8]) -> Result<Command, Reply> {
    let line = std::str::from_utf8(line).map_err(|_| Reply::new(500, "5.5.2", "The line is not UTF-8"))?;
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let verb = verb.to_ascii_uppercase();
    match verb.as_str() {
        "HELO" => name(rest).map(Command::Helo),
        "EHLO" => name(rest).map(Command::Ehlo),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "BDAT" => Ok(bdat(rest)),
        "AUTH" => auth(rest),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" => Ok(Command::Expn),
        "DATA" => alone(rest, Command::Data),
        "RSET" => alone(rest, Command::Rset),
        "STARTTLS" => alone(rest, Command::StartTls),
        "QUIT" => alone(rest, Command::Quit),
        verb if FOREIGN.contains(&verb) => Ok(Command::Foreign),
        _ => Err(Reply::new(500, "5.5.2", "Command not recognized")),
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.trim().is_empty() { Ok(command) } else { Err(bad_argument("This command takes no argument")) }
}

/// The peer's name for itself. Wrong names are common and harmless; what could break a
/// header field is not let through.
fn name(text: &str) -> Result<String, Reply> {
    let text = text.trim();
    let plain = text.chars().all(|c| c.is_ascii_graphic() && !"()<>\\\",;@".contains(c));
    if text.is_empty() || text.len() > bounds::DOMAIN_OCTETS || !plain {
        return Err(bad_argument("A domain name or address literal is needed"));
    }
    Ok(text.to_owned())
}

/// Takes `FROM:` or `TO:` off.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.trim_start().split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let syntax = || bad_argument("The form is MAIL FROM:<address>");
    let (path, rest) = after_word(rest, "FROM:").and_then(path::split).ok_or_else(syntax)?;
    let parameters = parameters::mail(rest)?;
    let sender = path::reverse(path)?;
    Ok(Command::Mail { sender, parameters })
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    let syntax = || bad_argument("The form is RCPT TO:<address>");
    let (path, rest) = after_word(rest, "TO:").and_then(path::split).ok_or_else(syntax)?;
    parameters::rcpt(rest)?;
    path::forward(path).map(Command::Rcpt)
}

fn bdat(rest: &str) -> Command {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|w| w.len() <= 20 && w.bytes().all(|b| b.is_ascii_digit()));
    let last = words.next();
    match (size.and_then(|size| size.parse().ok()), last, words.next()) {
        (Some(size), None, None) => Command::Bdat { size, last: false },
        (Some(size), Some(word), None) if word.eq_ignore_ascii_case("LAST") => Command::Bdat { size, last: true },
        _ => Command::UnreadableBdat,
    }
}

fn auth(rest: &str) -> Result<Command, Reply> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or_else(|| bad_argument("The form is AUTH mechanism"))?.to_ascii_uppercase();
    let initial = words.next().map(|word| word.as_bytes().to_vec());
    if words.next().is_some() {
        return Err(bad_argument("Too many arguments"));
    }
    Ok(Command::Auth { mechanism, initial })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(parse(b"ehlo client.example"), Ok(Command::Ehlo("client.example".into())));
        assert_eq!(parse(b"EHLO [IPv6:2001:db8::1] "), Ok(Command::Ehlo("[IPv6:2001:db8::1]".into())));
        assert!(matches!(parse(b"Mail From:<a@b.example> SIZE=5"), Ok(Command::Mail { .. })));
        assert!(matches!(parse(b"MAIL FROM: <>"), Ok(Command::Mail { sender: None, .. })));
        assert_eq!(parse(b"BDAT 12 last"), Ok(Command::Bdat { size: 12, last: true }));
        assert_eq!(parse(b"BDAT x"), Ok(Command::UnreadableBdat));
        assert_eq!(parse(b"BDAT 99999999999999999999"), Ok(Command::UnreadableBdat));
        assert_eq!(parse(b"GET / HTTP/1.1"), Ok(Command::Foreign));
    }

    #[test]
    fn errors_have_codes() {
        let code = |line: &[u8]| parse(line).unwrap_err().code;
        assert_eq!(code(b"FOO"), 500);
        assert_eq!(code(b"\xff"), 500);
        assert_eq!(code(b"EHLO"), 501);
        assert_eq!(code(b"EHLO a(b)"), 501);
        assert_eq!(code(b"DATA now"), 501);
        assert_eq!(code(b"MAIL FROM:a@b.example"), 501);
        assert_eq!(code(b"MAIL FROM:<a@b.example> FOO=1"), 555);
        assert_eq!(code(b"RCPT TO:<>"), 553);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..60), verb in "(MAIL FROM:|RCPT TO:|BDAT |AUTH |EHLO )?") {
            let _ = parse(&[verb.as_bytes(), &line].concat());
        }
    }
}
