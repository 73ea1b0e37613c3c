//! JSON as a value, with the places of members that are there more than once.
//!
//! Which of two members counts differs between readers (RFC 8259 §4), so whoever guards a door must not let both
//! through. Invariant: nesting is bounded by the reader itself, at 128 levels.

use super::extract::escape;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Members that are named; a body of nothing else would make a long answer.
const NAMED: usize = 20;

/// A whole text as a value, and the JSON pointers of members that came before under the same name.
pub(super) fn read(octets: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let (mut at, mut twice) = (String::new(), Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(octets);
    let value = Reading { at: &mut at, twice: &mut twice }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice))
}

/// Reads the value at a pointer.
struct Reading<'a> {
    at: &'a mut String,
    twice: &'a mut Vec<String>,
}

impl Reading<'_> {
    /// What reads the value one step below.
    fn below(&mut self, step: &str) -> Reading<'_> {
        self.at.push('/');
        self.at.push_str(step);
        Reading { at: self.at, twice: self.twice }
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let (mut list, length) = (Vec::new(), self.at.len());
        while let Some(item) = items.next_element_seed(self.below(&list.len().to_string()))? {
            list.push(item);
            self.at.truncate(length);
        }
        self.at.truncate(length);
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let (mut object, length) = (Map::new(), self.at.len());
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.below(&escape(&name)))?;
            if object.insert(name, value).is_some() && self.twice.len() < NAMED && !self.twice.contains(self.at) {
                self.twice.push(self.at.clone());
            }
            self.at.truncate(length);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_that_are_there_twice_are_named() {
        let (value, twice) =
            read(br#"{"a": 1, "b": [{"c": {"x/y": 1, "x/y": 2}}, [0, {"c": null, "\u0063": 2}]], "a": {}, "a": 3}"#)
                .unwrap();
        assert_eq!(twice, ["/b/0/c/x~1y", "/b/1/1/c", "/a"]);
        assert_eq!(value["a"], 3);
        let (_, twice) = read(br#"{"a": {"a": {"a": 1}}, "b": {"a": 1}}"#).unwrap();
        assert!(twice.is_empty(), "{twice:?}");
        let many =
            format!("{{{}\"x\": 1}}", (0..100).map(|n| format!("\"m{n}\": 1, \"m{n}\": 1, ")).collect::<String>());
        assert_eq!(read(many.as_bytes()).unwrap().1.len(), NAMED);
    }

    #[test]
    fn every_value_is_read_as_elsewhere() {
        for text in [
            "null",
            "true",
            "-7",
            "18446744073709551615",
            "1.5e3",
            "\"\\u00e9\\n\"",
            "[]",
            "{}",
            "[1,[2,{\"a\":[null]}]]",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap().0, serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        assert_eq!(read(b" {\"a\": [1, 2]} ").unwrap().0, json!({"a": [1, 2]}));
        for bad in ["", "{", "[1,]", "{} {}", "{\"a\"}", "nul", "1e999"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read("[".repeat(100_000).as_bytes()).unwrap_err().to_string().starts_with("recursion limit"));
    }
}
