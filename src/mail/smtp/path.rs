//! Reverse-path and forward-path (RFC 5321 §4.1.2), strictly.
//!
//! In a recipient, source routes, address literals and quoted names that need their quotes are refused:
//! they are where parsers disagree and relays are born. Invariant: a recipient that comes
//! out has the one canonical key of `EmailAddress`.

use super::reply::Reply;
use crate::model::{EmailAddress, ReversePath};

/// What stands between `<` and `>` of RCPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// An address.
    Address(EmailAddress),
    /// `<Postmaster>` without a domain (RFC 5321 §4.5.1: must be taken).
    Postmaster,
}

/// Splits `<path> parameters` and returns what is between the brackets, and the parameters.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start_matches(' ').strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, after) = rest.split_at(at);
                let after = after.get(1..)?;
                return (after.is_empty() || after.starts_with(' ')).then_some((path, after.trim_matches(' ')));
            }
            _ => {}
        }
    }
    None
}

/// The sender; `None` is the null reverse-path of notifications (RFC 5321 §4.5.5).
///
/// # Errors
/// The reply.
pub fn reverse(path: &str) -> Result<Option<ReversePath>, Reply> {
    if path.is_empty() {
        return Ok(None);
    }
    // RFC 5321 §3.3, Appendix C: a source route is taken and ignored.
    let path = path.strip_prefix('@').and_then(|route| route.split_once(':')).map_or(path, |(_, path)| path);
    // RFC 3463 §3.2 X.1.7
    path.parse().map(Some).map_err(|_| Reply::new(553, "5.1.7", "The sender's address cannot be read"))
}

/// The recipient.
///
/// # Errors
/// The reply.
pub fn forward(path: &str) -> Result<ForwardPath, Reply> {
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    if path.starts_with('@') {
        // RFC 5321 §3.3, Appendix C: source routes may be declined.
        return Err(Reply::new(550, "5.7.1", "Source routes are not accepted"));
    }
    // RFC 3463 §3.2 X.1.3
    path.parse().map(ForwardPath::Address).map_err(|_| Reply::new(553, "5.1.3", "The address cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_from_parameters() {
        assert_eq!(split("<a@b.c> SIZE=1"), Some(("a@b.c", "SIZE=1")));
        assert_eq!(split(" <>"), Some(("", "")));
        assert_eq!(split("<\"a>b\"@c.d>"), Some(("\"a>b\"@c.d", "")));
        for bad in ["a@b.c", "<a@b.c", "<a>b", "", "<\"a\\\">"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn odd_paths_are_refused() {
        for bad in [
            "@a.example:u@b.example",
            "@a.example,@b.example:u@c.example",
            "u@[127.0.0.1]",
            "u@[IPv6:::1]",
            "\"u@x.example\"@b.example",
            "u@b.example.",
            "u@x@b.example",
            "a b@c.example",
            "u@localhost",
            "\"\"@b.example",
        ] {
            assert!(forward(bad).is_err_and(|reply| reply.code >= 550), "{bad}");
        }
        assert_eq!(forward("PostMaster"), Ok(ForwardPath::Postmaster));
        assert_eq!(reverse(""), Ok(None));
        let sender = |path: &str| reverse(path).ok().flatten().map(|sender| sender.to_string());
        assert_eq!(sender("@a.example,@b.example:u@c.example").as_deref(), Some("u@c.example"));
        assert!(reverse("u@x@b.example").is_err_and(|reply| reply.code == 553));
    }
}
