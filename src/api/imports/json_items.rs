//! The items of a JSON list, one at a time, as octets come.
//!
//! It finds where an item ends; what it holds the reader of JSON says. Invariant: no more than one item is held, and
//! none longer than its bound.

use super::super::problem::Problem;
use super::super::{json, kinds};
use crate::model::bounds;
use serde_json::Value;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    Items,
    End,
}

/// Reads a document.
#[derive(Debug, Default)]
pub(super) struct JsonItems {
    at: At,
    item: Vec<u8>,
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// Whether a comma asks for one more item.
    wanted: bool,
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(&kinds::MALFORMED, detail)
}

impl JsonItems {
    /// Takes the next octets; whole items become rows.
    pub(super) fn push(&mut self, octets: &[u8], rows: &mut Vec<Value>) -> Result<(), Problem> {
        for octet in octets {
            match self.at {
                // RFC 8259 §2: the white space that may stand around.
                At::Start | At::End if octet.is_ascii_whitespace() => {}
                At::Start if *octet == b'[' => self.at = At::Items,
                At::Start => return Err(malformed("the document must be a JSON list")),
                At::End => return Err(malformed("something follows the list")),
                At::Items => self.within(*octet, rows)?,
            }
        }
        Ok(())
    }

    fn within(&mut self, octet: u8, rows: &mut Vec<Value>) -> Result<(), Problem> {
        if !self.in_text && self.depth == 0 && matches!(octet, b',' | b']') {
            let empty = self.item.iter().all(u8::is_ascii_whitespace);
            if !empty {
                rows.push(self.read()?);
            } else if octet == b',' || self.wanted {
                return Err(malformed("an item of the list is missing"));
            }
            self.item.clear();
            (self.wanted, self.at) = if octet == b',' { (true, At::Items) } else { (false, At::End) };
            return Ok(());
        }
        match octet {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => self.in_text = !self.in_text,
            b'{' | b'[' if !self.in_text => self.depth += 1,
            b'}' | b']' if !self.in_text => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| malformed("a bracket closes nothing"))?;
            }
            _ => {}
        }
        if self.item.len() >= bounds::IMPORT_ROW_OCTETS {
            let detail = format!("an item may have at most {} octets", bounds::IMPORT_ROW_OCTETS);
            return Err(Problem::new(&kinds::TOO_LARGE, detail));
        }
        self.item.push(octet);
        Ok(())
    }

    fn read(&self) -> Result<Value, Problem> {
        let (value, twice) = json::read(&self.item).map_err(|e| malformed(format!("an item is no JSON: {e}")))?;
        Ok(match twice.first() {
            // RFC 8259 §4: which of them counts is not the same everywhere.
            Some(pointer) => Value::String(format!("{pointer} is there more than once")),
            // A text stands for a row that cannot be read.
            None if value.is_object() => value,
            None => Value::String("must be an object".to_owned()),
        })
    }

    /// The document has ended.
    pub(super) fn finish(&mut self) -> Result<(), Problem> {
        if self.at == At::End { Ok(()) } else { Err(malformed("the list does not end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str, step: usize) -> Result<Vec<Value>, u16> {
        let (mut items, mut rows) = (JsonItems::default(), Vec::new());
        for part in text.as_bytes().chunks(step) {
            items.push(part, &mut rows).map_err(|problem| problem.status)?;
        }
        items.finish().map_err(|problem| problem.status)?;
        Ok(rows)
    }

    #[test]
    fn items_are_found_however_the_octets_come() {
        let text = " [ {\"a\": \"],}\\\"\"}, {\"b\": [1, {\"c\": 2}]} ,7,{\"d\":1,\"d\":2}] \n";
        for step in [1, 3, 1000] {
            let rows = read(text, step).unwrap();
            assert_eq!(rows[..2], [json!({"a": "],}\""}), json!({"b": [1, {"c": 2}]})]);
            assert!(rows[2].is_string() && rows[3].is_string());
        }
        assert_eq!(read("[]", 1), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "{}", "[", "[{}", "[{},]", "[,{}]", "[{}] x", "[}]", "[nul]", "[\"x]"] {
            assert_eq!(read(text, 2), Err(400), "{text}");
        }
        assert_eq!(read(&format!("[\"{}\"]", "x".repeat(bounds::IMPORT_ROW_OCTETS)), 512), Err(413));
    }
}
