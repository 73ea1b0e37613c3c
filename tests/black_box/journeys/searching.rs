//! SEARCH against a naive reading of RFC 9051 §6.4.4 over a mailbox made by chance.

use crate::support::imap::Imap;
use crate::support::random::Random;
use crate::support::{Backend, Server};

crate::on_both_databases!(every_search_finds_what_a_naive_one_finds);

const MESSAGES: usize = 60;
const SEARCHES: usize = 250;
const WORDS: [&str; 8] = ["apple", "Birne", "cherry", "GRÜSSE", "dog", "elephant", "zürich", "x-ray"];
const NAMES: [&str; 5] = ["Ada", "Grace", "Jörg", "Edsger", "Barbara"];
const FLAGS: [&str; 5] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];
const KEYWORDS: [&str; 2] = ["$Forwarded", "work"];
const MONTHS: [&str; 3] = ["Jan", "Feb", "Mar"];

/// A day of the first quarter of 2026, whose order is that of the tuples.
type Day = (usize, usize);

fn written((month, day): Day) -> String {
    format!("{day}-{}-2026", MONTHS[month])
}

/// A message by what can be searched.
struct Message {
    from: String,
    to: String,
    subject: String,
    /// An X-Tag field, which not every message has.
    tag: Option<String>,
    body: String,
    flags: Vec<&'static str>,
    arrived: Day,
    sent: Option<Day>,
}

fn day(random: &mut Random) -> Day {
    (random.below(3), 1 + random.below(28))
}

impl Message {
    fn by_chance(random: &mut Random) -> Self {
        let words = |random: &mut Random, most: usize| {
            let count = 1 + random.below(most);
            (0..count).map(|_| *random.one_of(&WORDS)).collect::<Vec<_>>().join(" ")
        };
        let address = |random: &mut Random| {
            let name = *random.one_of(&NAMES);
            format!("{name} <{}{}@remote.example>", if name == "Jörg" { "joerg" } else { name }, random.below(3))
        };
        Self {
            from: address(random),
            to: address(random),
            subject: words(random, 3),
            tag: random.percent(40).then(|| words(random, 1)),
            body: words(random, 12).replace(' ', "\r\n") + &"\r\nfiller".repeat(random.below(40)),
            flags: FLAGS.iter().chain(&KEYWORDS).copied().filter(|_| random.percent(30)).collect(),
            arrived: day(random),
            sent: random.percent(85).then(|| day(random)),
        }
    }

    /// As octets; half of those that are not ASCII in encoded words and base64.
    fn source(&self, encoded: bool) -> String {
        let word = |text: &str| {
            if encoded && !text.is_ascii() { format!("=?utf-8?B?{}?=", base64(text)) } else { text.to_owned() }
        };
        let person = |text: &str| {
            let (name, address) = text.split_once(" <").expect("a name and an address");
            format!("{} <{address}", word(name))
        };
        let mut header = format!(
            "From: {}\r\nTo: {}\r\nSubject: {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n",
            person(&self.from),
            person(&self.to),
            word(&self.subject)
        );
        if let Some(tag) = &self.tag {
            header.push_str(&format!("X-Tag: {}\r\n", word(tag)));
        }
        if let Some((month, day)) = self.sent {
            // Near midnight far from UTC: the day is the one that stands there (RFC 9051 §6.4.4).
            header.push_str(&format!("Date: {day} {} 2026 23:30:00 -0800\r\n", MONTHS[month]));
        }
        if encoded {
            return format!("{header}Content-Transfer-Encoding: base64\r\n\r\n{}\r\n", base64(&self.body));
        }
        format!("{header}Content-Transfer-Encoding: 8bit\r\n\r\n{}\r\n", self.body)
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A search key with its own naive meaning.
enum Key {
    All,
    Numbers(usize, usize),
    Flag(&'static str, bool),
    Arrived(std::cmp::Ordering, bool, Day),
    Sent(std::cmp::Ordering, bool, Day),
    Larger(usize),
    Smaller(usize),
    From(String),
    To(String),
    Subject(String),
    Tag(String),
    Body(String),
    Text(String),
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    And(Vec<Key>),
}

impl Key {
    fn by_chance(random: &mut Random, depth: usize) -> Self {
        use std::cmp::Ordering::{Equal, Less};
        let inner = |random: &mut Random| Box::new(Self::by_chance(random, depth - 1));
        if depth > 0 && random.percent(45) {
            return match random.below(3) {
                0 => Self::Not(inner(random)),
                1 => Self::Or(inner(random), inner(random)),
                _ => Self::And((0..2 + random.below(2)).map(|_| *inner(random)).collect()),
            };
        }
        let word = random.one_of(&WORDS).to_string();
        // A piece of a word, in another case: what is compared is substrings without case.
        let word: String = word.chars().skip(random.below(2)).collect();
        let word = if random.percent(50) { word.to_uppercase() } else { word.to_lowercase() };
        let word = word.replace("SS", "ß").replace('ß', "ss");
        let name = random.one_of(&NAMES).to_lowercase();
        let from_on = random.percent(50);
        match random.below(14) {
            0 => Self::All,
            1 => Self::Numbers(1 + random.below(MESSAGES), 1 + random.below(MESSAGES)),
            2 | 3 => Self::Flag(FLAGS[random.below(5)], from_on),
            4 => Self::Flag(KEYWORDS[random.below(2)], from_on),
            5 => Self::Arrived(if random.percent(30) { Equal } else { Less }, from_on, day(random)),
            6 => Self::Sent(if random.percent(30) { Equal } else { Less }, from_on, day(random)),
            7 => Self::Larger(100 + random.below(500)),
            8 => Self::Smaller(100 + random.below(500)),
            9 => Self::From(name),
            10 => Self::To(name),
            11 => Self::Subject(word),
            12 if from_on => Self::Tag(if random.percent(30) { String::new() } else { word }),
            12 => Self::Text(if random.percent(50) { word } else { name }),
            _ => Self::Body(word),
        }
    }

    /// As a client writes it.
    fn written(&self) -> String {
        use std::cmp::Ordering::Equal;
        let dated = |prefix: &str, order: &std::cmp::Ordering, since: &bool, day: &Day| {
            let name = if *order == Equal {
                "ON"
            } else if *since {
                "SINCE"
            } else {
                "BEFORE"
            };
            format!("{prefix}{name} {}", written(*day))
        };
        match self {
            Self::All => "ALL".to_owned(),
            Self::Numbers(a, b) => format!("{a}:{b}"),
            Self::Flag(flag, has) => match (flag.strip_prefix('\\'), has) {
                (Some(flag), true) => flag.to_uppercase(),
                (Some(flag), false) => format!("UN{}", flag.to_uppercase()),
                (None, true) => format!("KEYWORD {flag}"),
                (None, false) => format!("UNKEYWORD {flag}"),
            },
            Self::Arrived(order, since, day) => dated("", order, since, day),
            Self::Sent(order, since, day) => dated("SENT", order, since, day),
            Self::Larger(octets) => format!("LARGER {octets}"),
            Self::Smaller(octets) => format!("SMALLER {octets}"),
            Self::From(text) => format!("FROM {}", literal(text)),
            Self::To(text) => format!("TO {}", literal(text)),
            Self::Subject(text) => format!("SUBJECT {}", literal(text)),
            Self::Tag(text) => format!("HEADER X-Tag {}", literal(text)),
            Self::Body(text) => format!("BODY {}", literal(text)),
            Self::Text(text) => format!("TEXT {}", literal(text)),
            Self::Not(key) => format!("NOT {}", key.written()),
            Self::Or(a, b) => format!("OR {} {}", a.written(), b.written()),
            Self::And(keys) => format!("({})", keys.iter().map(Self::written).collect::<Vec<_>>().join(" ")),
        }
    }

    /// What RFC 9051 §6.4.4 says, the slow way.
    fn holds(&self, number: usize, message: &Message, size: usize) -> bool {
        use std::cmp::Ordering::Equal;
        let has = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let dated = |is: Day, order: &std::cmp::Ordering, since: bool, day: Day| match (order, since) {
            (Equal, _) => is == day,
            (_, true) => is >= day,
            (_, false) => is < day,
        };
        match self {
            Self::All => true,
            Self::Numbers(a, b) => (*a.min(b)..=*a.max(b)).contains(&number),
            Self::Flag(flag, wanted) => message.flags.contains(flag) == *wanted,
            Self::Arrived(order, since, day) => dated(message.arrived, order, *since, *day),
            Self::Sent(order, since, day) => message.sent.is_some_and(|sent| dated(sent, order, *since, *day)),
            Self::Larger(octets) => size > *octets,
            Self::Smaller(octets) => size < *octets,
            Self::From(text) => has(&message.from, text),
            Self::To(text) => has(&message.to, text),
            Self::Subject(text) => has(&message.subject, text),
            Self::Tag(text) => message.tag.as_ref().is_some_and(|tag| has(tag, text)),
            Self::Body(text) => has(&message.body, text),
            Self::Text(text) => {
                let tag = message.tag.as_deref().unwrap_or_default();
                [&message.from, &message.to, &message.subject, &message.body, tag].iter().any(|field| has(field, text))
            }
            Self::Not(key) => !key.holds(number, message, size),
            Self::Or(a, b) => a.holds(number, message, size) || b.holds(number, message, size),
            Self::And(keys) => keys.iter().all(|key| key.holds(number, message, size)),
        }
    }
}

/// Any text can be a literal (RFC 7888: sent without waiting).
fn literal(text: &str) -> String {
    format!("{{{}+}}\r\n{text}", text.len())
}

fn every_search_finds_what_a_naive_one_finds(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    let seed = Random::seed("FACTEUR_SEARCH_SEED");
    println!("FACTEUR_SEARCH_SEED={seed}");
    let mut random = Random::new(seed);
    let mut imap = server.imap().login("ada@example.org");
    let messages: Vec<(Message, usize)> = (0..MESSAGES).map(|_| append(&mut imap, &mut random)).collect();
    imap.ok("SELECT INBOX");
    for _ in 0..SEARCHES {
        let key = Key::by_chance(&mut random, 3);
        let found: Vec<usize> = (1..)
            .zip(&messages)
            .filter(|(number, (message, size))| key.holds(*number, message, *size))
            .map(|(number, _)| number)
            .collect();
        check(&mut imap, &mut random, &key.written(), &found);
    }
}

fn append(imap: &mut Imap, random: &mut Random) -> (Message, usize) {
    let message = Message::by_chance(random);
    let source = message.source(random.percent(50));
    let (month, day) = message.arrived;
    let date = format!("\"{day:2}-{}-2026 12:00:00 +0000\"", MONTHS[month]);
    imap.ok(&format!("APPEND INBOX ({}) {date} {{{}+}}\r\n{source}", message.flags.join(" "), source.len()));
    (message, source.len())
}

/// Asks in one of the forms that a client may choose, and compares.
fn check(imap: &mut Imap, random: &mut Random, key: &str, expected: &[usize]) {
    let list: Vec<String> = expected.iter().map(usize::to_string).collect();
    match random.below(3) {
        0 => {
            let found = imap.ok(&format!("SEARCH CHARSET UTF-8 {key}"));
            assert_eq!(found, [format!("* SEARCH {}", list.join(" ")).trim_end()], "{key}");
        }
        1 => {
            // The UIDs are those of the order of arrival.
            let found = imap.ok(&format!("UID SEARCH CHARSET UTF-8 {key}"));
            assert_eq!(found, [format!("* SEARCH {}", list.join(" ")).trim_end()], "{key}");
        }
        _ => {
            let found = imap.ok(&format!("SEARCH RETURN (MIN MAX COUNT) CHARSET UTF-8 {key}"));
            let (_, found) = found[0].split_once("\")").expect("an ESEARCH answer");
            let ends = match (list.first(), list.last()) {
                (Some(min), Some(max)) => format!(" MIN {min} MAX {max}"),
                _ => String::new(),
            };
            assert_eq!(found, format!("{ends} COUNT {}", list.len()), "{key}");
        }
    }
}
