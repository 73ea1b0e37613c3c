//! A JSON value as what it must be, more strictly than serde reads one by itself.
//!
//! serde's derive also takes a list for an object, field after field in the order of the source: a body `[null, null]`
//! would be a change of nothing. And `30.0` is as good a whole number as `30` (RFC 8259 §6). Invariant: an object is
//! made of an object alone.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Number, Value};

/// The greatest number to which all whole numbers are exact in a JSON reader of doubles (RFC 8259 §6).
const EXACT: f64 = 9_007_199_254_740_991.0;

/// A value to be read as something.
pub(super) struct Shaped(pub(super) Value);

impl<'de> IntoDeserializer<'de, Error> for Shaped {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn whole(number: Number) -> Number {
    match number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() <= EXACT) {
        Some(value) => Number::from(value as i64),
        None => number,
    }
}

impl<'de> Deserializer<'de> for Shaped {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => whole(number).deserialize_any(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => SeqDeserializer::new(items.into_iter().map(Shaped)).deserialize_any(visitor),
            Value::Object(members) => {
                MapDeserializer::new(members.into_iter().map(|(name, value)| (name, Shaped(value))))
                    .deserialize_any(visitor)
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        days: Option<u16>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: Option<String>,
        #[serde(default)]
        inner: Vec<Inner>,
        ratio: Option<f64>,
    }

    fn read(value: Value) -> Result<Outer, Error> {
        serde::Deserialize::deserialize(Shaped(value))
    }

    #[test]
    fn a_list_is_no_object() {
        assert!(read(json!([null, []])).is_err());
        assert!(read(json!({"inner": [[3]]})).is_err());
        assert!(read(json!({"inner": {"days": 3}})).is_err());
        assert!(read(json!({"inner": [{"days": 3}], "x": 1})).is_err());
        let right = read(json!({"name": "a", "inner": [{"days": 3}, {}]})).unwrap();
        assert_eq!(right.inner, [Inner { days: Some(3) }, Inner { days: None }]);
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        assert_eq!(read(json!({"inner": [{"days": 30.0}]})).unwrap().inner[0].days, Some(30));
        assert_eq!(read(json!({"ratio": 2.5})).unwrap().ratio, Some(2.5));
        assert_eq!(read(json!({"ratio": 2.0})).unwrap().ratio, Some(2.0));
        for wrong in [json!(30.5), json!(1e300), json!(-1.0), json!("30")] {
            assert!(read(json!({"inner": [{"days": wrong}]})).is_err(), "{wrong}");
        }
    }
}
