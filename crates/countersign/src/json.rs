//! JSON read strictly: what two readers could understand differently is refused.
//!
//! 1. UTF-8 only, no byte order mark, no lone surrogate, nothing after the value (RFC 8259 §8.1).
//! 2. No object, at any depth, has two members of one name, however they are escaped (RFC 7515 §4, RFC 7519 §4).
//! 3. At most 128 levels deep; numbers are finite.
//!
//! A value is kept as what it is, so that the caller decides what a wrong type means: it is never "absent".

use std::{borrow::Cow, collections::HashSet, fmt, marker::PhantomData, sync::LazyLock};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::rule::Rule;

/// A JSON value that borrows its strings from the text where they hold no escape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
}

/// The members of an object, in their order, each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// The text is not JSON as rules 1 to 3 want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotStrictJson;

/// Reads one object.
pub(crate) fn object(text: &[u8]) -> Result<Object<'_>, NotStrictJson> {
    match read(text, PhantomData)? {
        Json::Object(members) => Ok(members),
        _ => Err(NotStrictJson),
    }
}

/// Reads one value with a seed that keeps rule 2.
pub(crate) fn read<'a, S: DeserializeSeed<'a>>(text: &'a [u8], seed: S) -> Result<S::Value, NotStrictJson> {
    // Once for the whole text is quicker than once for each string.
    read_text(std::str::from_utf8(text).map_err(|_| NotStrictJson)?, seed)
}

/// The same of a text that is known to be UTF-8.
pub(crate) fn read_text<'a, S: DeserializeSeed<'a>>(
    text: &'a str,
    seed: S,
) -> Result<S::Value, NotStrictJson> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut reader).map_err(|_| NotStrictJson)?;
    reader.end().map_err(|_| NotStrictJson)?;
    Ok(value)
}

impl<'a> Object<'a> {
    /// The member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Json<'a>> {
        self.0.iter().find_map(|(member, value)| (member == name).then_some(value))
    }

    /// The member, if there is exactly one.
    pub(crate) fn only(&self) -> Option<(&str, &Json<'a>)> {
        if let [(name, value)] = self.0.as_slice() { Some((name, value)) } else { None }
    }

    /// How many members there are.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// All members, in their order.
    pub(crate) fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        self.0.into_iter()
    }

    fn new(members: Vec<(Cow<'a, str>, Json<'a>)>) -> Option<Self> {
        // A few members are compared with each other; for many that would be a way to burn our time.
        const FEW: usize = 16;
        let all_different = if members.len() <= FEW {
            members
                .iter()
                .enumerate()
                .all(|(at, (name, _))| members.iter().skip(at + 1).all(|(other, _)| name != other))
        } else {
            let mut seen = HashSet::with_capacity(members.len());
            members.iter().all(|(name, _)| seen.insert(name))
        };
        (!Rule::DuplicateMember.is_broken_by(!all_different)).then_some(Self(members))
    }
}

impl<'a> Json<'a> {
    /// The string, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value as `serde_json` has it, for those who read claims of their own.
    pub(crate) fn into_value(self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Unsigned(value) => value.into(),
            Self::Negative(value) => value.into(),
            Self::Float(value) => value.into(),
            Self::Text(text) => Value::String(text.into_owned()),
            Self::Array(values) => values.into_iter().map(Json::into_value).collect(),
            Self::Object(object) => Value::Object(
                object.into_members().map(|(name, value)| (name.into_owned(), value.into_value())).collect(),
            ),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

/// A member name: borrowed where possible.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(StrictVisitor)? {
            Json::Text(name) => Ok(Self(name)),
            _ => Err(D::Error::custom("a member name is a string")),
        }
    }
}

/// Reads any value by the rules.
pub(crate) struct StrictVisitor;

/// How `serde_json` hands over a number when some crate in the build turned on its `arbitrary_precision`: as an
/// object with this one member.
const NUMBER_IN_DISGUISE: &str = "$serde_json::private::Number";

/// Whether this is such a build: only there is this text a number.
static NUMBERS_ARE_DISGUISED: LazyLock<bool> =
    LazyLock::new(|| serde_json::from_str::<serde_json::Number>("1e999").is_ok());

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(value).map_or(Json::Negative(value), Json::Unsigned))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.is_finite() { Ok(Json::Float(value)) } else { Err(E::custom("a number is finite")) }
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = access.next_key()? {
            if members.is_empty() {
                // Most payloads fit.
                members.reserve(16);
            }
            members.push((name, access.next_value::<Json<'de>>()?));
        }
        if let [(name, Json::Text(number))] = members.as_slice()
            && name == NUMBER_IN_DISGUISE
            && *NUMBERS_ARE_DISGUISED
        {
            return plain_number(number).ok_or_else(|| A::Error::custom("a number is finite"));
        }
        Object::new(members).map(Json::Object).ok_or_else(|| A::Error::custom("a member is there twice"))
    }
}

fn plain_number(text: &str) -> Option<Json<'static>> {
    if let Ok(value) = text.parse() {
        return Some(Json::Unsigned(value));
    }
    if let Ok(value) = text.parse() {
        return Some(Json::Negative(value));
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Json::Float)
}

#[cfg(test)]
mod tests {
    use super::{Json, NUMBER_IN_DISGUISE, NUMBERS_ARE_DISGUISED, Object, object, plain_number};

    fn members(text: &str) -> Option<Object<'_>> {
        object(text.as_bytes()).ok()
    }

    #[test]
    fn each_value_keeps_its_type() {
        let object =
            members(r#"{"n":null,"t":true,"u":7,"i":-7,"f":1.5,"s":"x","a":[1,"2"],"o":{}}"#).unwrap();
        assert_eq!(object.member("n"), Some(&Json::Null));
        assert_eq!(object.member("t"), Some(&Json::Bool(true)));
        assert_eq!(object.member("u"), Some(&Json::Unsigned(7)));
        assert_eq!(object.member("i"), Some(&Json::Negative(-7)));
        assert_eq!(object.member("f"), Some(&Json::Float(1.5)));
        assert_eq!(object.member("s").and_then(Json::text), Some("x"));
        assert_eq!(object.member("a"), Some(&Json::Array(vec![Json::Unsigned(1), Json::Text("2".into())])));
        assert_eq!(object.member("o"), Some(&Json::Object(Object::default())));
        assert_eq!(object.member("absent"), None);
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_at_every_depth() {
        let many: String = (0..40).map(|n| format!("\"m{n}\":0,")).collect();
        for bad in [
            r#"{"a":1,"a":1}"#.to_owned(),
            r#"{"a":1,"\u0061":2}"#.to_owned(),
            r#"{"o":{"a":1,"b":2,"a":3}}"#.to_owned(),
            r#"{"l":[{"a":1,"a":3}]}"#.to_owned(),
            format!("{{{many}\"m7\":1}}"),
        ] {
            assert!(members(&bad).is_none(), "{bad}");
        }
        assert!(members(&format!("{{{many}\"m40\":1}}")).is_some());
        assert!(members(r#"{"a":1,"A":1}"#).is_some());
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for bad in [
            "",
            "[]",
            "1",
            "\"a\"",
            "null",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "{'a':1}",
            "\u{feff}{}",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":1e9999}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":\"\\ud800\"}",
            "{\"\\udc00\":1}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":1",
            "// c\n{}",
            "{a:1}",
        ] {
            assert!(members(bad).is_none(), "{bad:?}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
        assert!(object(b"{\"a\":\"\xed\xa0\x80\"}").is_err());
        assert!(object(b"{\0\"\0a\0\"\0:\x001\0}\0").is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(110_000), "]".repeat(110_000));
        assert!(members(&deep).is_none());
        assert!(members(" {\"a\" : 1 }\n").is_some());
    }

    #[test]
    fn a_number_in_disguise_is_read_as_one() {
        assert_eq!(plain_number("-3"), Some(Json::Negative(-3)));
        assert_eq!(plain_number("18446744073709551615"), Some(Json::Unsigned(u64::MAX)));
        assert_eq!(plain_number("1.5e3"), Some(Json::Float(1500.0)));
        assert_eq!(plain_number("1e999"), None);
        // In a build without such numbers the name is a name like any other.
        let text = format!(r#"{{"a":{{"{NUMBER_IN_DISGUISE}":"-3"}}}}"#);
        let value = members(&text).unwrap().member("a").cloned();
        assert_eq!(value == Some(Json::Negative(-3)), *NUMBERS_ARE_DISGUISED);
    }
}
