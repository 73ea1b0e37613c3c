//! Annotations as clients name them (RFC 5464 §3.2, §4.2).
//!
//! Invariant: an [`EntryName`] is well-formed and in lower case, since names are compared without case.

use super::MailboxName;
use crate::model::bounds;

/// The name of an entry, such as `/private/comment`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName(String);

impl EntryName {
    /// `None` when no entry can be called so (RFC 5464 §3.2).
    pub fn new(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        let octets = |octet: u8| matches!(octet, 0x20..=0x7e) && !matches!(octet, b'*' | b'%');
        let parts: Vec<&str> = name.strip_prefix('/')?.split('/').collect();
        let scope = parts.first().is_some_and(|scope| matches!(*scope, "private" | "shared"));
        let formed = parts.iter().all(|part| !part.is_empty()) && name.bytes().all(octets);
        (scope && formed && name.len() <= bounds::ANNOTATION_NAME_OCTETS).then_some(Self(name))
    }

    /// Whether it can have a value: a vendor's has four parts at least, others two (RFC 5464 §3.2).
    pub fn can_be_set(&self) -> bool {
        let parts: Vec<&str> = self.0.split('/').skip(1).collect();
        parts.len() >= if parts.get(1) == Some(&"vendor") { 4 } else { 2 }
    }

    /// Whether it is one user's own.
    pub fn is_private(&self) -> bool {
        self.0.starts_with("/private/")
    }

    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// GETMETADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata {
    /// Which folder; none stands for the server.
    pub mailbox: Option<MailboxName>,
    /// How far and how much.
    pub options: MetadataOptions,
    /// Which entries.
    pub entries: Vec<EntryName>,
}

/// What GETMETADATA answers beside and of the entries named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetadataOptions {
    /// MAXSIZE: octets of a value at most.
    pub max_size: Option<u64>,
    /// DEPTH: levels below the entries named; [`usize::MAX`] for infinity.
    pub depth: usize,
}

impl MetadataOptions {
    /// Whether `entry` is meant where `named` was asked for.
    pub fn takes(self, named: &EntryName, entry: &str) -> bool {
        match entry.strip_prefix(named.as_str()) {
            Some("") => true,
            Some(below) => below.starts_with('/') && below.split('/').count() - 1 <= self.depth,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |text| EntryName::new(text).map(|name| (name.can_be_set(), name.as_str().to_owned()));
        assert_eq!(name("/Private/Comment"), Some((true, "/private/comment".into())));
        assert_eq!(name("/shared"), Some((false, "/shared".into())));
        assert_eq!(name("/shared/vendor/x"), Some((false, "/shared/vendor/x".into())));
        assert_eq!(name("/shared/vendor/x/y").map(|n| n.0), Some(true));
        for bad in ["comment", "/other/x", "/private//x", "/private/x/", "/private/*", "/private/%", "/private/é", "/"]
        {
            assert_eq!(EntryName::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn depth() {
        let takes = |depth, entry| {
            let options = MetadataOptions { max_size: None, depth };
            options.takes(&EntryName::new("/private/a").unwrap(), entry)
        };
        assert!(takes(0, "/private/a") && !takes(0, "/private/a/b") && !takes(9, "/private/ab"));
        assert!(takes(1, "/private/a/b") && !takes(1, "/private/a/b/c") && takes(usize::MAX, "/private/a/b/c/d"));
    }
}
