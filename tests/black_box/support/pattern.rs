//! The patterns of `S~` lines: plain text with `{}`, `{number}`, `{word}`, bound by `{name:…}`.
//!
//! Anything else in braces is plain text, so that IMAP literals need no escape.

use std::collections::HashMap;

/// What was remembered by name.
pub type Bindings = HashMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Any,
    Number,
    Word,
}

enum Piece<'a> {
    Text(&'a str),
    Hole(Kind, Option<&'a str>),
}

/// Replaces `{$name}` by what was remembered.
pub fn substitute(text: &str, bindings: &Bindings) -> String {
    let mut out = text.to_owned();
    for (name, value) in bindings {
        out = out.replace(&format!("{{${name}}}"), value);
    }
    out
}

/// Whether the line matches; remembers what named holes stand for.
pub fn matches(pattern: &str, line: &str, bindings: &mut Bindings) -> bool {
    let pattern = substitute(pattern, bindings);
    let mut found = Vec::new();
    let matched = step(&pieces(&pattern), line, &mut found);
    if matched {
        bindings.extend(found.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    matched
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(open) = pattern[at..].find('{').map(|offset| at + offset) {
        let hole = pattern[open..].find('}').and_then(|length| hole(&pattern[open + 1..open + length]));
        match hole {
            Some((kind, name)) => {
                pieces.push(Piece::Text(&pattern[plain..open]));
                pieces.push(Piece::Hole(kind, name));
                at = open + pattern[open..].find('}').expect("just found") + 1;
                plain = at;
            }
            None => at = open + 1,
        }
    }
    pieces.push(Piece::Text(&pattern[plain..]));
    pieces
}

fn hole(inside: &str) -> Option<(Kind, Option<&str>)> {
    let (name, kind) = match inside.split_once(':') {
        Some((name, kind)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => (Some(name), kind),
        Some(_) => return None,
        None => (None, inside),
    };
    match kind {
        "" => Some((Kind::Any, name)),
        "number" => Some((Kind::Number, name)),
        "word" => Some((Kind::Word, name)),
        _ => None,
    }
}

fn step<'a>(pieces: &[Piece<'a>], line: &'a str, found: &mut Vec<(&'a str, &'a str)>) -> bool {
    match pieces.split_first() {
        None => line.is_empty(),
        Some((Piece::Text(text), rest)) => line.strip_prefix(text).is_some_and(|line| step(rest, line, found)),
        Some((Piece::Hole(kind, name), rest)) => {
            let fits = |text: &str| match kind {
                Kind::Any => true,
                Kind::Number => !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()),
                Kind::Word => !text.is_empty() && !text.contains(' '),
            };
            // Longest first, so that a number takes all of its digits.
            let ends = line.char_indices().map(|(end, _)| end).chain([line.len()]);
            let ends: Vec<usize> = ends.filter(|end| fits(&line[..*end])).collect();
            ends.into_iter().rev().any(|end| {
                let mark = found.len();
                found.extend(name.map(|name| (name, &line[..end])));
                step(rest, &line[end..], found) || {
                    found.truncate(mark);
                    false
                }
            })
        }
    }
}

#[test]
fn patterns_match_and_remember() {
    let mut bindings = Bindings::new();
    assert!(matches("* OK [UIDVALIDITY {validity:number}]{}", "* OK [UIDVALIDITY 77] ok", &mut bindings));
    assert_eq!(bindings["validity"], "77");
    assert!(matches("BODY[] {{size:number}}", "BODY[] {310}", &mut bindings));
    assert!(matches("BODY[] {{$size}} {$validity}", "BODY[] {310} 77", &mut bindings));
    assert!(matches("{310}", "{310}", &mut bindings) && !matches("{311}", "{310}", &mut bindings));
    assert!(!matches("{number}", "", &mut bindings) && !matches("a{word}", "a b", &mut bindings));
    assert!(!matches("a{}c", "abcd", &mut bindings) && matches("a{}c", "ac", &mut bindings));
}
