//! Command lines to commands (RFC 1939 §9, RFC 2449, RFC 2595 §4, RFC 5034); no I/O.
//!
//! Invariant: no line makes it panic; only CR LF or LF ends a line (old clients send
//! the latter), and no line passes [`bounds::POP3_LINE_OCTETS`].

use crate::model::bounds;
use bytes::{Bytes, BytesMut};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// CAPA
    Capa,
    /// STLS
    Stls,
    /// USER name
    User(String),
    /// PASS password
    Pass(Vec<u8>),
    /// AUTH, with mechanism (upper case) and initial response (still encoded)
    Auth(Option<(String, Option<Vec<u8>>)>),
    /// UTF8 (RFC 6856 §2)
    Utf8,
    /// STAT
    Stat,
    /// LIST [message]
    List(Option<u32>),
    /// UIDL [message]
    Uidl(Option<u32>),
    /// RETR message
    Retr(u32),
    /// TOP message lines
    Top(u32, u64),
    /// DELE message
    Dele(u32),
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// QUIT
    Quit,
}

impl Command {
    /// The name for session lists.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capa => "CAPA",
            Self::Stls => "STLS",
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Auth(_) => "AUTH",
            Self::Utf8 => "UTF8",
            Self::Stat => "STAT",
            Self::List(_) => "LIST",
            Self::Uidl(_) => "UIDL",
            Self::Retr(_) => "RETR",
            Self::Top(..) => "TOP",
            Self::Dele(_) => "DELE",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
        }
    }
}

/// A line that is longer than anybody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;

/// The next line without its end; `None` until there is more input.
///
/// # Errors
/// [`LineTooLong`]: the connection has to end.
pub fn take_line(input: &mut BytesMut) -> Result<Option<Bytes>, LineTooLong> {
    match memchr::memchr(b'\n', input) {
        Some(end) if end < bounds::POP3_LINE_OCTETS => {
            let mut line = input.split_to(end + 1).freeze();
            line.truncate(end);
            if line.last() == Some(&b'\r') {
                line.truncate(end - 1);
            }
            Ok(Some(line))
        }
        None if input.len() <= bounds::POP3_LINE_OCTETS => Ok(None),
        _ => Err(LineTooLong),
    }
}

/// Reads a line; `None` when it is no command, or not in a form that the RFC knows.
pub fn parse(line: &[u8]) -> Option<Command> {
    let (verb, rest) = match memchr::memchr(b' ', line) {
        Some(at) => (line.get(..at)?, line.get(at + 1..)?),
        None => (line, &b""[..]),
    };
    let verb = std::str::from_utf8(verb).ok()?.to_ascii_uppercase();
    if verb == "PASS" {
        // RFC 1939 §7: spaces are part of the password.
        return (!rest.is_empty()).then(|| Command::Pass(rest.to_vec()));
    }
    let mut words = std::str::from_utf8(rest).ok()?.split(' ').filter(|word| !word.is_empty());
    let command = match verb.as_str() {
        "CAPA" => Command::Capa,
        "STLS" => Command::Stls,
        "USER" => Command::User(words.next()?.to_owned()),
        "AUTH" => Command::Auth(words.next().map(|mechanism| {
            (mechanism.to_ascii_uppercase(), words.next().map(|initial| initial.as_bytes().to_vec()))
        })),
        "UTF8" => Command::Utf8,
        "STAT" => Command::Stat,
        "LIST" => Command::List(optional_number(&mut words)?),
        "UIDL" => Command::Uidl(optional_number(&mut words)?),
        "RETR" => Command::Retr(number(words.next()?)?),
        "TOP" => Command::Top(number(words.next()?)?, number(words.next()?)?),
        "DELE" => Command::Dele(number(words.next()?)?),
        "RSET" => Command::Rset,
        "NOOP" => Command::Noop,
        "QUIT" => Command::Quit,
        _ => return None,
    };
    words.next().is_none().then_some(command)
}

fn number<N: std::str::FromStr>(word: &str) -> Option<N> {
    if word.bytes().all(|b| b.is_ascii_digit()) { word.parse().ok() } else { None }
}

#[expect(clippy::option_option, reason = "absent and malformed are different answers")]
fn optional_number<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Option<u32>> {
    match words.next() {
        None => Some(None),
        Some(word) => number(word).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(parse(b"retr 3"), Some(Command::Retr(3)));
        assert_eq!(parse(b"LIST"), Some(Command::List(None)));
        assert_eq!(parse(b"PASS  a b "), Some(Command::Pass(b" a b ".to_vec())));
        assert_eq!(parse(b"AUTH plain ="), Some(Command::Auth(Some(("PLAIN".into(), Some(b"=".to_vec()))))));
        assert_eq!(parse(b"TOP 1 0"), Some(Command::Top(1, 0)));
        for bad in
            [&b"RETR"[..], b"RETR -1", b"RETR +1", b"RETR 99999999999", b"LIST x", b"NOOP x", b"", b"\xff", b"USER"]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lines_are_bounded() {
        let mut input = BytesMut::from(&b"A\r\nB\n\nC"[..]);
        assert_eq!(take_line(&mut input), Ok(Some(Bytes::from_static(b"A"))));
        assert_eq!(take_line(&mut input), Ok(Some(Bytes::from_static(b"B"))));
        assert_eq!(take_line(&mut input), Ok(Some(Bytes::new())));
        assert_eq!(take_line(&mut input), Ok(None));
        let mut input = BytesMut::from(&vec![b'x'; bounds::POP3_LINE_OCTETS + 1][..]);
        assert_eq!(take_line(&mut input), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..40), verb in "(RETR |TOP |AUTH |LIST |)") {
            let _ = parse(&[verb.as_bytes(), &line].concat());
        }
    }
}
