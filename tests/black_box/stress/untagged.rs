//! Untagged responses as values (RFC 9051 §7, RFC 7162 §3.2.10). Strict: what is not known is an error.

/// Flags that the stress uses, as bits: system flags first.
pub const FLAGS: [&str; 8] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Forwarded", "kw1", "kw2"];
/// The bit of `\Seen`.
pub const SEEN: u16 = 1;
/// The bit of `\Deleted`.
pub const DELETED: u16 = 8;

/// What a FETCH response says of one message.
#[derive(Debug, Default)]
pub struct Fetched {
    pub number: u32,
    pub uid: Option<u32>,
    pub flags: Option<u16>,
    pub modseq: Option<u64>,
    pub size: Option<u64>,
    /// The first body section of the answer.
    pub body: Option<String>,
}

/// An untagged response.
#[derive(Debug)]
pub enum Untagged {
    Exists(u32),
    Expunge(u32),
    Vanished {
        earlier: bool,
        uids: Vec<u32>,
    },
    Fetch(Fetched),
    Search {
        hits: Vec<u32>,
        by_uid: bool,
        tag: Option<String>,
    },
    Status {
        highest_modseq: Option<u64>,
        uid_next: Option<u64>,
    },
    /// An `OK` with its response code, empty when there is none.
    Ok(String),
    Other,
}

/// Reads one response, `* ` included.
pub fn parse(line: &str) -> Result<Untagged, String> {
    let rest = line.strip_prefix("* ").ok_or_else(|| format!("no untagged response: {line}"))?;
    let (first, tail) = rest.split_once(' ').unwrap_or((rest, ""));
    if let Ok(number) = first.parse() {
        return numbered(number, tail);
    }
    Ok(match first {
        "OK" => Untagged::Ok(code(tail).to_owned()),
        "VANISHED" => {
            let (earlier, set) = tail.strip_prefix("(EARLIER) ").map_or((false, tail), |set| (true, set));
            Untagged::Vanished { earlier, uids: numbers(set)? }
        }
        "SEARCH" => {
            let hits = tail.split(" (MODSEQ").next().unwrap_or_default();
            let hits = hits.split_whitespace().map(number).collect::<Result<_, _>>()?;
            Untagged::Search { hits, by_uid: false, tag: None }
        }
        "ESEARCH" => extended(tail)?,
        "STATUS" => Untagged::Status { highest_modseq: item(tail, "HIGHESTMODSEQ "), uid_next: item(tail, "UIDNEXT ") },
        "FLAGS" | "LIST" | "ENABLED" | "CAPABILITY" => Untagged::Other,
        _ => return Err(format!("an unexpected response: {line}")),
    })
}

fn numbered(number: u32, tail: &str) -> Result<Untagged, String> {
    match tail {
        "EXISTS" => Ok(Untagged::Exists(number)),
        "EXPUNGE" => Ok(Untagged::Expunge(number)),
        "RECENT" => Ok(Untagged::Other),
        _ => {
            let list = tail.strip_prefix("FETCH (").and_then(|rest| rest.strip_suffix(')'));
            list.ok_or_else(|| format!("an unexpected response: {number} {tail}"))
                .and_then(|list| fetched(number, list))
                .map(Untagged::Fetch)
        }
    }
}

/// The response code of a status response without its brackets.
pub fn code(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or("", |(code, _)| code)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text:?}"))
}

/// The number behind a name.
fn item(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    rest.split([' ', ')']).next()?.parse().ok()
}

fn extended(tail: &str) -> Result<Untagged, String> {
    let rest = tail.strip_prefix("(TAG \"").ok_or("ESEARCH without a TAG")?;
    let (tag, rest) = rest.split_once("\")").ok_or("ESEARCH without the end of its TAG")?;
    let by_uid = rest.starts_with(" UID");
    let hits = match rest.split_once("ALL ") {
        Some((_, all)) => numbers(all.split(' ').next().unwrap_or_default())?,
        None => Vec::new(),
    };
    Ok(Untagged::Search { hits, by_uid, tag: Some(tag.to_owned()) })
}

/// A set such as `1:3,7` as its numbers.
pub fn numbers(set: &str) -> Result<Vec<u32>, String> {
    let mut all = Vec::new();
    for range in set.split(',') {
        let (low, high) = range.split_once(':').unwrap_or((range, range));
        all.extend(number::<u32>(low)?..=number::<u32>(high)?);
    }
    Ok(all)
}

/// Flags as bits.
pub fn flags(list: &str) -> Result<u16, String> {
    list.split_whitespace().try_fold(0, |all, name| {
        let bit = FLAGS.iter().position(|known| known.eq_ignore_ascii_case(name));
        bit.map(|bit| all | 1 << bit).ok_or_else(|| format!("an unknown flag: {name}"))
    })
}

/// Bits as a list of flags, with its parentheses.
pub fn flag_list(bits: u16) -> String {
    let names: Vec<&str> = (0..).zip(FLAGS).filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| name).collect();
    format!("({})", names.join(" "))
}

fn fetched(number_: u32, list: &str) -> Result<Fetched, String> {
    let mut told = Fetched { number: number_, ..Fetched::default() };
    let mut rest = list;
    while !rest.is_empty() {
        let end = name_end(rest);
        let (name, behind) = rest.split_at(end);
        let (value, behind) = value(behind.trim_start_matches(' '))?;
        rest = behind.trim_start_matches(' ');
        match name {
            "UID" => told.uid = Some(number(value)?),
            "FLAGS" => told.flags = Some(flags(value)?),
            "MODSEQ" => told.modseq = Some(number(value)?),
            "RFC822.SIZE" => told.size = Some(number(value)?),
            _ if name.starts_with("BODY[") => told.body = Some(value.to_owned()),
            _ => return Err(format!("an unexpected item: {name}")),
        }
    }
    Ok(told)
}

/// Where an item's name ends; a section in brackets belongs to it.
fn name_end(text: &str) -> usize {
    let mut within = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'[' => within = true,
            b']' => within = false,
            b' ' if !within => return at,
            _ => {}
        }
    }
    text.len()
}

/// A value without its parentheses or quotes, and what follows it.
fn value(text: &str) -> Result<(&str, &str), String> {
    let between = |open: char, close: char| text.strip_prefix(open).and_then(|rest| rest.split_once(close));
    if let Some(found) = between('(', ')').or_else(|| between('"', '"')) {
        return Ok(found);
    }
    if let Some((size, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once("}\r\n")) {
        return rest.split_at_checked(number(size)?).ok_or_else(|| "a literal is cut".to_owned());
    }
    let end = text.find(' ').unwrap_or(text.len());
    Ok(text.split_at(end))
}
