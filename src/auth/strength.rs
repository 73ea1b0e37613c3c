//! Whether a password is worth having: long enough, on no list of common ones, and more than its owner's name.
//!
//! The list ships with the program, so that no password leaves it. It knows neither mailboxes nor users: the words that
//! anybody could guess come in. Invariant: how a password is spelled (case, digits for letters, a year at its end) makes
//! no common one a good one.

use crate::model::bounds;
use std::collections::HashSet;
use std::sync::LazyLock;

/// What is shorter is no word of its own: it stands in too many passwords by chance.
const WORD_CHARACTERS: usize = 3;
/// Digits and signs around a common password that make it no better.
const DECORATION: usize = 4;

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect());

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too few characters.
    #[error("must have at least {} characters", bounds::PASSWORD_CHARACTERS)]
    TooShort,
    /// It is one of those that are tried first.
    #[error("is, but for its spelling, one of the passwords that are tried first: take several words, or a longer one")]
    TooCommon,
    /// It is the owner's address or name and little else.
    #[error(
        "is made of the address or name of its owner: without them it must have {} characters",
        bounds::PASSWORD_CHARACTERS
    )]
    MadeOfName,
}

impl Weakness {
    /// A stable word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooCommon => "too_common",
            Self::MadeOfName => "made_of_name",
        }
    }
}

/// What is wrong with a password of somebody whose address, name and the like are `words`.
pub fn judge(password: &str, words: &[&str]) -> Option<Weakness> {
    if password.chars().count() < bounds::PASSWORD_CHARACTERS {
        return Some(Weakness::TooShort);
    }
    let lower = password.to_lowercase();
    let rest = without(&lower, words);
    if rest.chars().count() < bounds::PASSWORD_CHARACTERS {
        return Some(Weakness::MadeOfName);
    }
    (is_common(&lower) || is_common(&rest)).then_some(Weakness::TooCommon)
}

/// What is left of a password without these words.
fn without(password: &str, words: &[&str]) -> String {
    let mut words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    words.retain(|word| word.chars().count() >= WORD_CHARACTERS);
    // The whole address before its parts.
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = password.to_owned();
    for word in &words {
        rest = rest.replace(word.as_str(), "");
    }
    rest
}

fn is_common(lower: &str) -> bool {
    let plain: String = lower.chars().map(letter_meant).collect();
    let core = |text: &str| text.trim_matches(|c: char| !c.is_alphabetic()).to_owned();
    let decorated = |text: &str| {
        let core = core(text);
        let around = text.chars().count() - core.chars().count();
        around <= DECORATION && COMMON.contains(core.as_str())
    };
    let distinct: HashSet<char> = lower.chars().collect();
    distinct.len() <= 2
        || COMMON.contains(lower)
        || COMMON.contains(plain.as_str())
        || decorated(lower)
        // Digits at the end are a decoration before they are letters: `p4ssw0rd2024`.
        || decorated(&core(lower).chars().map(letter_meant).chain(tail(lower).chars()).collect::<String>())
}

/// What follows the last letter.
fn tail(text: &str) -> &str {
    let end = text.char_indices().filter(|(_, c)| c.is_alphabetic()).map(|(at, c)| at + c.len_utf8()).next_back();
    text.get(end.unwrap_or(0)..).unwrap_or_default()
}

/// The letter that a digit or sign stands for.
fn letter_meant(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_refused_however_it_is_spelled() {
        for common in [
            "password",
            "PassWord",
            "Passw0rd",
            "p@$$w0rd",
            "password1!",
            "dragon1990",
            "12345678",
            "1qaz2wsx",
            "qwertyuiop",
        ] {
            assert_eq!(judge(common, &[]), Some(Weakness::TooCommon), "{common}");
        }
        for same in ["aaaaaaaaaaaa", "abababababab", "________", "ÄÄÄÄÄÄÄÄ"] {
            assert_eq!(judge(same, &[]), Some(Weakness::TooCommon), "{same}");
        }
        for short in ["", "x", "1234567", "ÄÖÜ", "Xk9!qz"] {
            assert_eq!(judge(short, &[]), Some(Weakness::TooShort), "{short}");
        }
        for good in
            ["correct horse battery", "open-sesame-7", "kq3xw9dyhm2r", "größer als gedacht", "密码密码很长很长的密码"]
        {
            assert_eq!(judge(good, &["alice", "alice@example.org"]), None, "{good}");
        }
    }

    #[test]
    fn a_name_counts_for_nothing() {
        let words = ["alice@example.org", "alice", "example.org", "Alice Liddell"];
        for weak in ["alice@example.org", "ALICE1234", "1alice2alice3", "example.org-alice", "Alice Liddell 42"] {
            assert_eq!(judge(weak, &words), Some(Weakness::MadeOfName), "{weak}");
        }
        assert_eq!(judge("alicepassword", &words), Some(Weakness::TooCommon));
        assert_eq!(judge("alice-through-a-window", &words), None);
        assert_eq!(judge("catalogue-of-cats", &["ca", ""]), None, "short names stand in every word");
    }

    #[test]
    fn judging_hostile_text_takes_no_time() {
        let long = "ab".repeat(bounds::PASSWORD_OCTETS / 2);
        assert_eq!(judge(&long, &["ab"]), Some(Weakness::TooCommon), "too short a name");
        let long = "abc".repeat(80);
        assert_eq!(judge(&long, &["abc", "b", ""]), Some(Weakness::MadeOfName));
    }
}
