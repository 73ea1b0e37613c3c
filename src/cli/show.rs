//! Answers on standard output: a table, lines of names and values, or JSON as it came.
//!
//! Invariant: control characters of values never reach a terminal.

use super::client::{Answer, Failure};
use super::contract::Operation;
use super::say;
use serde_json::{Map, Value};
use std::io::Write;

/// Columns that say what an object is, in the order in which people look for them.
const FIRST: [&str; 6] = ["number", "id", "address", "name", "kind", "role"];
/// Columns that come after all others, by how they begin.
const LAST: [&str; 5] = ["created_at", "tenant", "before", "after", "touches"];
/// Columns of one table; the rest stands in the JSON and in `show`.
const COLUMNS: usize = 8;

/// How answers are shown.
pub(super) struct Shown {
    json: bool,
}

impl Shown {
    /// As JSON, or for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints an answer; the cursor of the next page, if there is one.
    pub fn answer(&self, operation: &Operation, answer: &Answer) -> Result<Option<String>, Failure> {
        let body = answer.json()?;
        let next = body["next_cursor"].as_str().map(str::to_owned);
        if self.json {
            if !body.is_null() {
                print(&serde_json::to_string_pretty(&body).unwrap_or_default())?;
            }
            return Ok(next);
        }
        match body["items"].as_array() {
            Some(items) if body.as_object().is_some_and(|body| body.len() <= 2) => {
                print(&table(items))?;
                if let Some(cursor) = &next {
                    say(&format!("More: --all, or --cursor {cursor}"));
                }
            }
            _ => lines(&body)?,
        }
        if operation.method != "GET" {
            effect(&body);
        }
        Ok(next)
    }
}

fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        // `| head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        outcome => outcome.map_err(|error| Failure::Other(error.to_string())),
    }
}

/// What a write did, on standard error.
fn effect(body: &Value) {
    let Some(revision) = body["revision"].as_i64() else { return };
    let closed = body["sessions"]["closed"].as_i64().unwrap_or(0);
    let pending = body["applied"]["pending"].as_i64().unwrap_or(0);
    let waiting = if pending > 0 { format!(", {pending} node(s) to follow") } else { String::new() };
    say(&format!("revision {revision}, {closed} session(s) ended{waiting}"));
}

/// Names and values, members of members with dots.
fn lines(body: &Value) -> Result<(), Failure> {
    let mut flat = Vec::new();
    flatten(&mut flat, "", body);
    let effects = ["revision", "applied.", "sessions.closed", "sessions.remaining"];
    flat.retain(|(name, _)| {
        !effects.iter().any(|effect| name == effect || (effect.ends_with('.') && name.starts_with(effect)))
    });
    let width = flat.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in flat {
        print(format!("{name:width$}  {value}").trim_end())?;
    }
    Ok(())
}

fn flatten(into: &mut Vec<(String, String)>, name: &str, value: &Value) {
    let below = |member: &str| if name.is_empty() { member.to_owned() } else { format!("{name}.{member}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(member, value)| flatten(into, &below(member), value)),
        Value::Array(values) if values.iter().any(|value| value.is_object()) => {
            values.iter().enumerate().for_each(|(index, value)| flatten(into, &below(&index.to_string()), value));
        }
        value => into.push((name.to_owned(), cell(value))),
    }
}

/// Objects as rows under the members that say most.
fn table(items: &[Value]) -> String {
    let mut columns: Vec<String> = Vec::new();
    let objects: Vec<Map<String, Value>> = items.iter().map(one_level).collect();
    for name in objects.iter().flat_map(|object| object.keys()) {
        let used = objects.iter().any(|object| object.get(name).is_some_and(|value| !cell(value).is_empty()));
        if used && !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let rank = |name: &String| match FIRST.iter().position(|first| first == name) {
        Some(place) => place,
        // What a revision changed is for `show`; when something was made interests least.
        None if LAST.iter().any(|last| name.starts_with(last)) => FIRST.len() + 1,
        None => FIRST.len(),
    };
    columns.sort_by_key(rank);
    columns.truncate(COLUMNS);
    let head: Vec<String> = columns.iter().map(|name| name.to_uppercase()).collect();
    let cells = |object: &Map<String, Value>| {
        columns.iter().map(|name| object.get(name).map(cell).unwrap_or_default()).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(objects.iter().map(cells)).collect();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An object with members of members as `usage.bytes`; what lies deeper is left to JSON.
fn one_level(item: &Value) -> Map<String, Value> {
    let mut flat = Map::new();
    for (name, value) in item.as_object().into_iter().flatten() {
        match value {
            Value::Object(members) => {
                for (member, value) in members.iter().filter(|(_, value)| !value.is_object()) {
                    flat.insert(format!("{name}.{member}"), value.clone());
                }
            }
            value => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat
}

/// A value on one line, without control characters.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_line_up() {
        let items = [
            json!({"created_at": "x", "id": "dom_1", "name": "a.org", "none": null, "usage": {"bytes": 5, "deep": {}}}),
            json!({"created_at": "y", "id": "dom_22", "name": "b\u{1b}[2J", "tags": ["p", "q"]}),
        ];
        assert_eq!(
            table(&items),
            "ID      NAME   USAGE.BYTES  TAGS  CREATED_AT\ndom_1   a.org  5                  x\ndom_22  b [2J               p,q   y"
        );
    }

    #[test]
    fn members_of_members_have_dots() {
        let mut flat = Vec::new();
        flatten(&mut flat, "", &json!({"a": {"b": 1, "c": ["x", "y"]}, "d": [{"e": true}]}));
        let expected = [("a.b", "1"), ("a.c", "x,y"), ("d.0.e", "true")];
        assert_eq!(flat, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
