//! From what was typed to the request: flags into JSON, names into ids.
//!
//! Invariant: nothing is sent before everything was understood, look-ups of names apart.

use super::account::secret;
use super::arguments::place;
use super::client::{Api, Ask, Failure};
use super::contract::{Contract, Field, Kind, Operation};
use clap::ArgMatches;
use serde_json::{Map, Value};

/// A request that may be asked for page by page.
#[derive(Debug)]
pub(super) struct Request {
    ask: Ask,
    /// What it is about, as typed.
    about: String,
}

impl Request {
    /// The request for the page that a cursor names.
    pub fn page(&self, cursor: Option<&str>) -> Ask {
        let mut ask = self.ask.clone();
        if let Some(cursor) = cursor {
            let sign = if ask.target.contains('?') { '&' } else { '?' };
            ask.target.push_str(&format!("{sign}cursor={}", escaped(cursor)));
        }
        ask
    }
}

/// Builds the request of an operation.
pub(super) async fn build(
    operation: &Operation,
    matches: &ArgMatches,
    api: &mut Api,
    contract: &Contract,
) -> Result<Request, Failure> {
    let mut resolver = Resolver { api, contract };
    let mut target = String::new();
    let mut arguments = operation.arguments.iter();
    for segment in operation.path.split('/').skip(1) {
        target.push('/');
        match segment.strip_prefix('{') {
            None => target.push_str(segment),
            Some(rest) => {
                let Some(argument) = arguments.next() else { continue };
                let typed = matches.get_one::<String>(&place(argument)).cloned().unwrap_or_default();
                let Value::String(id) = resolver.value(argument, &typed).await? else { continue };
                target.push_str(&escaped(&id));
                target.push_str(rest.split_once('}').map_or("", |(_, after)| after));
            }
        }
    }
    let mut sign = '?';
    for field in &operation.query {
        for value in resolver.typed(field, matches).await?.into_iter().flat_map(singles) {
            target.push_str(&format!("{sign}{}={}", field.place[0], escaped(&plain(&value))));
            sign = '&';
        }
    }
    let mut headers = Vec::new();
    for field in &operation.headers {
        headers.extend(resolver.typed(field, matches).await?.map(|value| (field.place[0].clone(), plain(&value))));
    }
    let body = if operation.has_body { Some(body(operation, matches, &mut resolver).await?) } else { None };
    let first = operation.arguments.last().and_then(|a| matches.get_one::<String>(&place(a)).cloned());
    let about = format!("{} {}", operation.words.join(" "), first.unwrap_or_default());
    Ok(Request { ask: Ask { method: operation.method.clone(), target, headers, body }, about })
}

/// Asks whether it is to be done.
pub(super) fn confirm(request: &Request, yes: bool) -> Result<(), Failure> {
    use std::io::IsTerminal;
    if yes || request.ask.target.contains("dry_run=true") {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{}: say --yes, nobody can be asked here", request.about.trim())));
    }
    super::say(&format!("{}? [y/N]", request.about.trim()));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::Other(error.to_string()))?;
    if line.trim().eq_ignore_ascii_case("y") { Ok(()) } else { Err(Failure::Other("nothing was done".into())) }
}

async fn body(operation: &Operation, matches: &ArgMatches, resolver: &mut Resolver<'_>) -> Result<Value, Failure> {
    let mut body = match matches.get_one::<String>("data").map(String::as_str) {
        None => Value::Object(Map::new()),
        Some("-") => {
            serde_json::from_reader(std::io::stdin()).map_err(|error| Failure::Usage(format!("--data: {error}")))?
        }
        Some(text) => serde_json::from_str(text).map_err(|error| Failure::Usage(format!("--data: {error}")))?,
    };
    for field in &operation.body {
        if let Some(value) = resolver.typed(field, matches).await? {
            put(&mut body, &field.place, value);
        }
    }
    Ok(body)
}

/// Sets a member inside members, which are made where they are missing.
fn put(body: &mut Value, place: &[String], value: Value) {
    let Some((name, deeper)) = place.split_first() else {
        *body = value;
        return;
    };
    if !body.is_object() {
        *body = Value::Object(Map::new());
    }
    if let Value::Object(members) = body {
        put(members.entry(name.clone()).or_insert(Value::Null), deeper, value);
    }
}

fn singles(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        value => vec![value],
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Percent-encodes everything but what RFC 3986 §2.3 leaves as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

struct Resolver<'a> {
    api: &'a mut Api,
    contract: &'a Contract,
}

impl Resolver<'_> {
    /// What was typed for a field; `None` when nothing was.
    async fn typed(&mut self, field: &Field, matches: &ArgMatches) -> Result<Option<Value>, Failure> {
        let name = place(field);
        match &field.kind {
            Kind::Secret => {
                let wanted = matches.try_get_one::<bool>(&name).ok().flatten().copied().unwrap_or(false);
                let ask = || secret(&format!("{}: ", field.place.join(" "))).map(Value::String);
                wanted.then(ask).transpose()
            }
            Kind::Texts => {
                let texts = matches.try_get_many::<String>(&name).ok().flatten();
                Ok(texts.map(|texts| texts.cloned().map(Value::String).collect()))
            }
            _ => match matches.try_get_one::<String>(&name).ok().flatten() {
                Some(text) => self.value(field, text).await.map(Some),
                None => Ok(None),
            },
        }
    }

    async fn value(&mut self, field: &Field, text: &str) -> Result<Value, Failure> {
        let wrong = |why: &str| Failure::Usage(format!("--{}: {text} {why}", field.flag()));
        if field.nullable && text == "none" {
            return Ok(Value::Null);
        }
        Ok(match &field.kind {
            Kind::Whole => {
                whole(text).ok_or_else(|| wrong("is no whole number (octets may end in K, M, G, T)"))?.into()
            }
            Kind::Truth => (text == "true").into(),
            Kind::Json => serde_json::from_str(text).map_err(|_| wrong("is no JSON"))?,
            Kind::Object(collection) => self.id(collection, text).await?.into(),
            Kind::Text | Kind::Texts | Kind::Secret | Kind::Choice(_) => text.into(),
        })
    }

    /// The id of an object: as typed, or found by name where the API can look it up.
    async fn id(&mut self, collection: &str, text: &str) -> Result<String, Failure> {
        let is_name = text.contains(['.', '@']);
        let Some(path) = self.contract.look_ups.get(collection).filter(|_| is_name) else { return Ok(text.to_owned()) };
        let start = path.find('{').unwrap_or(path.len());
        let target = format!("{}{}", path.get(..start).unwrap_or(path), escaped(text));
        let ask = Ask { method: "GET".into(), target, headers: Vec::new(), body: None };
        let found = self.api.send(&ask).await?.json()?;
        found["id"].as_str().map(str::to_owned).ok_or_else(|| Failure::NoAnswer("the object found has no id".into()))
    }
}

/// `10`, `512M`, `2G`: whole numbers, powers of 1024.
fn whole(text: &str) -> Option<i64> {
    let (digits, power) = match text.char_indices().next_back()? {
        (at, letter) if letter.is_ascii_alphabetic() => {
            (text.get(..at)?, "KMGT".find(letter.to_ascii_uppercase()).map(|power| power as u32 + 1)?)
        }
        _ => (text, 0),
    };
    digits.parse::<i64>().ok()?.checked_mul(1024i64.checked_pow(power)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_have_units() {
        for (text, number) in [("0", 0), ("10", 10), ("1K", 1024), ("2g", 2 << 30), ("-1", -1)] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in ["", "K", "1X", "1.5G", "9223372036854775807K", "99999999999T"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn members_are_put_inside_members() {
        let mut body = serde_json::json!({"a": 1});
        put(&mut body, &["p".into(), "pop3".into(), "state".into()], "disabled".into());
        put(&mut body, &["p".into(), "imap".into()], Value::Null);
        assert_eq!(body, serde_json::json!({"a": 1, "p": {"pop3": {"state": "disabled"}, "imap": null}}));
    }

    #[test]
    fn what_is_typed_stays_one_segment() {
        assert_eq!(escaped("a/b?c@x.y é"), "a%2Fb%3Fc%40x.y%20%C3%A9");
    }
}
