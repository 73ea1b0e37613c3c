//! The base subject: what is left of a subject without its reply and forward marks (RFC 5256 §2.1).
//!
//! Invariant: linear, whatever the subject holds.

use super::text::decoded;

/// A base subject, and whether marks of a reply or forward were taken off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseSubject {
    /// The text; empty when nothing but marks was there.
    pub text: String,
    /// A `re:`, `fw:`, `fwd:`, `(fwd)` or `[fwd: ]` was there.
    pub is_reply: bool,
}

/// The base subject of a Subject field's value.
pub fn base_subject(field: &[u8]) -> BaseSubject {
    let text = spaced(&decoded(field));
    let mut rest = text.as_str();
    let mut is_reply = false;
    // Step 6: again for what a `[fwd: …]` holds.
    loop {
        rest = without_trailers(rest, &mut is_reply);
        rest = without_leaders(rest, &mut is_reply);
        match forwarded(rest) {
            Some(inner) => {
                is_reply = true;
                rest = inner;
            }
            None => return BaseSubject { text: rest.to_owned(), is_reply },
        }
    }
}

/// Step 1: tabs and line ends are spaces, and several of them one.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ' ' | '\t' | '\r' | '\n') {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Step 2: `subj-trailer`.
fn without_trailers<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_end_matches(' ');
        match strip_end(text, "(fwd)") {
            Some(before) => {
                *is_reply = true;
                text = before;
            }
            None => return text,
        }
    }
}

/// Steps 3 to 5: `subj-leader`, and `subj-blob` while something is left behind it.
fn without_leaders<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_start_matches(' ');
        let (last, after) = after_blobs(text);
        match after_refwd(after) {
            Some(after) => {
                *is_reply = true;
                text = after;
            }
            // A blob that is all there is, is the base.
            None if after.is_empty() => return last,
            None => return after,
        }
    }
}

/// Step 6: what stands between `[fwd:` and the last `]`.
fn forwarded(text: &str) -> Option<&str> {
    strip_start(text, "[fwd:")?.strip_suffix(']')
}

/// Passes over the `subj-blob`s that follow one another: text from the last of them on, and behind it.
fn after_blobs(text: &str) -> (&str, &str) {
    let (mut last, mut rest) = (text, text);
    while let Some(after) = after_blob(rest) {
        (last, rest) = (rest, after);
    }
    (last, rest)
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`
fn after_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    let after = inside.get(end..)?.strip_prefix(']')?;
    Some(after.trim_start_matches(' '))
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`
fn after_refwd(text: &str) -> Option<&str> {
    let mark = ["re", "fwd", "fw"];
    mark.iter().find_map(|mark| {
        let after = strip_start(text, mark)?.trim_start_matches(' ');
        after_blob(after).unwrap_or(after).strip_prefix(':')
    })
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let head = text.get(..start.len())?;
    head.eq_ignore_ascii_case(start).then(|| text.get(start.len()..)).flatten()
}

fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    text.get(at..)?.eq_ignore_ascii_case(end).then(|| text.get(..at)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_go_and_the_subject_stays() {
        for (field, base, is_reply) in [
            ("hello", "hello", false),
            ("  Re: hello\t world ", "hello world", true),
            ("RE : [list] Fw [x]: hello (fwd) (FWD)", "hello", true),
            ("[list] hello", "hello", false),
            ("[a] [b]", "[b]", false),
            ("[a]", "[a]", false),
            ("[fwd: Re: hello]", "hello", true),
            ("[Fwd: [fwd: a] ]", "a", true),
            ("Re: [fwd: hello] (fwd)", "hello", true),
            ("[fwd: hello] x", "x", false),
            ("Re:", "", true),
            ("(fwd)", "", true),
            ("regarding: x", "regarding: x", false),
            ("re[2]: x", "x", true),
            ("=?utf-8?Q?Re=3A_Gr=C3=BC=C3=9Fe?=", "Grüße", true),
            ("", "", false),
            ("[x[y] re: z", "[x[y] re: z", false),
        ] {
            let expected = BaseSubject { text: base.into(), is_reply };
            assert_eq!(base_subject(field.as_bytes()), expected, "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn a_base_subject_is_its_own(text in "(re|fwd|[ \\[\\]:a()]|\\(fwd\\)|\\[fwd:){0,24}") {
            let base = base_subject(text.as_bytes()).text;
            prop_assert_eq!(base_subject(base.as_bytes()).text, base);
        }
    }
}
