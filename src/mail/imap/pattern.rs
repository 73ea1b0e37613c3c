//! Patterns of LIST: `*` stands for anything, `%` for anything within one level (RFC 9051 §6.3.9).
//!
//! Matching keeps a set of positions and never goes back: its time is at most the name's
//! length times the pattern's, both bounded.

use super::command::MailboxName;
use crate::model::folder_name::SEPARATOR;
use crate::model::{FolderName, bounds};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// The patterns of one LIST.
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// `None` when there is more of them than one command may ask for.
    pub(super) fn new(reference: &MailboxName, patterns: &[MailboxName], utf8: bool) -> Option<Self> {
        let patterns: Vec<Pattern> =
            patterns.iter().filter_map(|pattern| Pattern::new(reference, pattern, utf8)).collect();
        let characters: usize = patterns.iter().map(|pattern| pattern.text.len()).sum();
        (characters <= bounds::LIST_PATTERNS_CHARACTERS).then_some(Self(patterns))
    }

    /// Those of the names that a pattern matches. Much work is done where nobody waits for it.
    pub(super) async fn matching(self, names: BTreeSet<FolderName>) -> BTreeSet<FolderName> {
        let octets: usize = names.iter().map(|name| name.as_str().len()).sum();
        let characters: usize = self.0.iter().map(|pattern| pattern.text.len()).sum();
        if octets.saturating_mul(characters) <= bounds::LIST_WORK {
            return self.filter(names);
        }
        // It cannot panic; what is lost with the runtime is answered to nobody.
        tokio::task::spawn_blocking(move || self.filter(names)).await.unwrap_or_default()
    }

    fn filter(&self, names: BTreeSet<FolderName>) -> BTreeSet<FolderName> {
        names.into_iter().filter(|name| self.0.iter().any(|pattern| pattern.matches(name.as_str()))).collect()
    }
}

/// A reference and a pattern, joined.
pub(super) struct Pattern {
    text: Vec<char>,
}

impl Pattern {
    /// `None` when no name can match.
    pub(super) fn new(reference: &MailboxName, pattern: &MailboxName, utf8: bool) -> Option<Self> {
        let (mut text, pattern) = (reference.text(utf8)?, pattern.text(utf8)?);
        // Names here have no root and no users: a leading separator starts afresh.
        if pattern.starts_with(SEPARATOR) {
            text.clear();
        }
        text.push_str(&pattern);
        if text.len() > bounds::FOLDER_NAME_OCTETS {
            return None;
        }
        let mut text: Vec<char> = text.nfc().collect();
        // Further wildcards next to `*` change nothing.
        text.dedup_by(|b, a| (*a == '*' || *a == '%') && a == b);
        Some(Self { text })
    }

    /// Whether a folder's canonical name matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        // RFC 9051 §5.1: INBOX is case-insensitive.
        let inbox = name == "INBOX" || name.starts_with("INBOX/");
        let end = self.text.len();
        let mut at = vec![false; end + 1];
        self.reach(&mut at, 0);
        for (index, character) in name.chars().enumerate() {
            let mut next = vec![false; end + 1];
            for (place, wanted) in self.text.iter().enumerate().filter(|(place, _)| at.get(*place) == Some(&true)) {
                let same = *wanted == character || (inbox && index < 5 && wanted.eq_ignore_ascii_case(&character));
                match wanted {
                    '*' => self.reach(&mut next, place),
                    '%' if character != SEPARATOR => self.reach(&mut next, place),
                    '%' => {}
                    _ if same => self.reach(&mut next, place + 1),
                    _ => {}
                }
            }
            if !next.contains(&true) {
                return false;
            }
            at = next;
        }
        at.last() == Some(&true)
    }

    /// Marks a position and those that wildcards let it reach without a character.
    fn reach(&self, at: &mut [bool], mut place: usize) {
        while let Some(slot) = at.get_mut(place)
            && !std::mem::replace(slot, true)
            && matches!(self.text.get(place), Some('*' | '%'))
        {
            place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(reference: &str, pattern: &str, name: &str) -> bool {
        let raw = |text: &str| MailboxName { raw: text.into() };
        Pattern::new(&raw(reference), &raw(pattern), true).is_some_and(|pattern| pattern.matches(name))
    }

    #[test]
    fn many_long_patterns_are_refused() {
        let raw = |text: &str| MailboxName { raw: text.into() };
        let many = |count| vec![raw(&"*a".repeat(400)); count];
        assert!(Patterns::new(&raw(""), &many(2), true).is_some());
        assert!(Patterns::new(&raw(""), &many(bounds::LIST_PATTERNS_CHARACTERS / 800 + 1), true).is_none());
    }

    #[tokio::test]
    async fn much_work_finds_the_same() {
        let raw = |text: &str| MailboxName { raw: text.into() };
        let names: BTreeSet<FolderName> =
            (0..500).map(|n| format!("{}/{n}", "a".repeat(200)).parse().unwrap()).collect();
        let patterns = Patterns::new(&raw(""), &vec![raw(&format!("{}*7", "*a".repeat(30))); 10], true).unwrap();
        let found = patterns.matching(names).await;
        assert_eq!(found.len(), 50);
        assert!(found.iter().all(|name| name.as_str().ends_with('7')));
    }

    #[test]
    fn wildcards_and_levels() {
        assert!(matches("", "*", "a/b") && matches("", "%", "a") && !matches("", "%", "a/b"));
        assert!(matches("", "a/%", "a/b") && !matches("", "a/%", "a/b/c") && matches("", "a*c", "a/b/c"));
        assert!(matches("a/", "%", "a/b") && matches("", "%/%", "a/b") && !matches("", "a", "ab"));
        assert!(matches("", "inb%", "INBOX") && !matches("", "inbox", "INBOXES") && !matches("", "A", "a"));
        assert!(matches("", "*%*", "x") && matches("", "%*", "a/b") && matches("", "", "") && !matches("", "", "x"));
    }
}
