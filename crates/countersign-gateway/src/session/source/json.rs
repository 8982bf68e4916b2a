//! JSON from outside, read strictly: an object whose members appear twice, or that nests too deep, is no answer.
//!
//! Two readers that pick different members of a doubled name see two different users (RFC 8259 §4), so such text
//! is refused as a whole.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may nest: real answers stay below 8.
pub(super) const MAX_DEPTH: usize = 32;

/// Why a text is not JSON we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JsonFault {
    /// The same member name twice in one object.
    #[error("a member appears twice")]
    Duplicate,
    /// More than [`MAX_DEPTH`] levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Not JSON, not UTF-8, or something behind it.
    #[error("not JSON")]
    Syntax,
}

/// Reads one JSON value and nothing behind it.
pub(super) fn parse(text: &[u8]) -> Result<Value, JsonFault> {
    let fault = Cell::new(JsonFault::Syntax);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Strict { depth: 0, fault: &fault };
    let value = seed.deserialize(&mut deserializer).map_err(|_| fault.get())?;
    deserializer.end().map_err(|_| JsonFault::Syntax)?;
    Ok(value)
}

/// One value at a depth; says in `fault` why it gave up.
#[derive(Clone, Copy)]
struct Strict<'f> {
    depth: usize,
    fault: &'f Cell<JsonFault>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            self.fault.set(JsonFault::Depth);
            return Err(E::custom(JsonFault::Depth));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(JsonFault::Syntax))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                self.fault.set(JsonFault::Duplicate);
                return Err(A::Error::custom(JsonFault::Duplicate));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{JsonFault, MAX_DEPTH, parse};

    #[test]
    fn a_member_that_appears_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"a":{"b":[{"c":1,"c":1}]}}"#,
            r#"{"active":true,"active":false}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Err(JsonFault::Duplicate), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonFault::Depth));
        assert_eq!(parse(nested(30_000).as_bytes()), Err(JsonFault::Depth));
    }

    #[test]
    fn only_whole_json_is_json() {
        for text in ["", "{", "{}x", "{} {}", "<html>", "NaN", "{'a':1}", "{\"a\":1e999}", "\u{feff}{}"] {
            assert_eq!(parse(text.as_bytes()), Err(JsonFault::Syntax), "{text}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(JsonFault::Syntax));
        assert_eq!(parse(br#"{"a":"\ud800"}"#), Err(JsonFault::Syntax));
    }

    #[test]
    fn values_are_kept_as_they_are() {
        let text = r#" {"a":[1,-1,18446744073709551615,1.5,true,null,"\n"],"b":{}} "#;
        let expected = json!({"a": [1, -1, u64::MAX, 1.5, true, null, "\n"], "b": {}});
        assert_eq!(parse(text.as_bytes()), Ok(expected));
    }
}
