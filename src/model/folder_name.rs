//! The name of a folder: levels of UTF-8 text joined by `/`.
//!
//! Modified UTF-7 is the IMAP wire's affair. Invariant: NFC, no control characters,
//! no empty level, no wildcard, and any spelling of INBOX is `INBOX` (RFC 9051 §5.1).

use super::bounds;
use std::fmt;
use std::str::FromStr;
use unicode_normalization::UnicodeNormalization;

/// The hierarchy separator of every folder name.
pub const SEPARATOR: char = '/';

/// A folder's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderName(Box<str>);

/// Why a text is no folder name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFolderName {
    /// Empty, or an empty level (`a//b`, `/a`, `a/`).
    #[error("a folder name must have no empty level")]
    EmptyLevel,
    /// Control characters, `%` or `*` (RFC 9051 §5.1).
    #[error("a folder name must not contain control characters, % or *")]
    Character,
    /// Too many levels or octets.
    #[error("the folder name is too long or too deep")]
    TooLong,
}

impl FolderName {
    /// INBOX.
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for INBOX itself.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The name one level up, if there is one.
    pub fn parent(&self) -> Option<FolderName> {
        self.0.rsplit_once(SEPARATOR).map(|(parent, _)| Self(parent.into()))
    }

    /// True when this folder lies below `ancestor`, at any depth.
    pub fn is_below(&self, ancestor: &FolderName) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// This name with its beginning `from` replaced by `to` (RENAME of a parent).
    pub fn moved(&self, from: &FolderName, to: &FolderName) -> Option<FolderName> {
        let rest = self.0.strip_prefix(&*from.0)?;
        (rest.is_empty() || rest.starts_with(SEPARATOR)).then(|| Self(format!("{}{rest}", to.0).into()))
    }
}

impl FromStr for FolderName {
    type Err = InvalidFolderName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > bounds::FOLDER_NAME_OCTETS {
            return Err(InvalidFolderName::TooLong);
        }
        let name: String = text.nfc().collect();
        if name.len() > bounds::FOLDER_NAME_OCTETS || name.split(SEPARATOR).count() > bounds::FOLDER_DEPTH {
            return Err(InvalidFolderName::TooLong);
        }
        if name.chars().any(|c| c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}')) {
            return Err(InvalidFolderName::Character);
        }
        if name.split(SEPARATOR).any(str::is_empty) {
            return Err(InvalidFolderName::EmptyLevel);
        }
        // RFC 9051 §5.1: INBOX is case-insensitive, also as the root of folders below it.
        let (first, rest) = name.split_once(SEPARATOR).map_or((name.as_str(), None), |(f, r)| (f, Some(r)));
        if first.eq_ignore_ascii_case("INBOX") {
            return Ok(Self(rest.map_or_else(|| "INBOX".into(), |r| format!("INBOX/{r}").into())));
        }
        Ok(Self(name.into_boxed_str()))
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_canonical() {
        let name = |text: &str| text.parse::<FolderName>().map(|n| n.to_string());
        assert_eq!(name("inbox"), Ok("INBOX".into()));
        assert_eq!(name("InBox/Sub"), Ok("INBOX/Sub".into()));
        assert_eq!(name("inboxes"), Ok("inboxes".into()));
        assert_eq!(name("e\u{301}"), Ok("é".into()));
        assert_eq!(name("../../etc"), Ok("../../etc".into()), "names are never paths");
        assert_eq!(name("a//b"), Err(InvalidFolderName::EmptyLevel));
        assert_eq!(name(""), Err(InvalidFolderName::EmptyLevel));
        assert_eq!(name("a\0"), Err(InvalidFolderName::Character));
        assert_eq!(name("a*"), Err(InvalidFolderName::Character));
    }

    #[test]
    fn rename_moves_what_is_below() {
        let name = |text: &str| text.parse::<FolderName>().unwrap();
        assert_eq!(name("a/b").moved(&name("a"), &name("x/y")), Some(name("x/y/b")));
        assert_eq!(name("ab").moved(&name("a"), &name("x")), None);
        assert!(name("a/b").is_below(&name("a")) && !name("ab").is_below(&name("a")));
    }
}
