//! Values and conditions: typed, always bound, never SQL text.

use std::{
    fmt::{self, Write as _},
    marker::PhantomData,
};

use super::{Column, OrganisationTable};

/// One value that is bound to a statement.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A whole number.
    Integer(i64),
    /// A JSON value: `jsonb` on `PostgreSQL`, text on `SQLite`.
    Json(serde_json::Value),
    /// No value.
    Null,
    /// A floating point number.
    Real(f64),
    /// Text.
    Text(String),
    /// A moment, in microseconds since 1970-01-01T00:00:00Z: `timestamptz` on `PostgreSQL`, a whole number on
    /// `SQLite`.
    Timestamp(i64),
    /// A UUID (RFC 9562), its 16 bytes: `uuid` on `PostgreSQL`, on `SQLite` its text in lower case.
    Uuid([u8; 16]),
}

/// The text of a UUID: `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub(super) fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl fmt::Debug for Value {
    /// Prints the kind and not the value: rows hold what logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean(_) => "Boolean",
            Self::Bytes(_) => "Bytes",
            Self::Integer(_) => "Integer",
            Self::Json(_) => "Json",
            Self::Null => "Null",
            Self::Real(_) => "Real",
            Self::Text(_) => "Text",
            Self::Timestamp(_) => "Timestamp",
            Self::Uuid(_) => "Uuid",
        })
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

value_from! {
    bool => Boolean,
    Vec<u8> => Bytes,
    &[u8] => Bytes,
    i64 => Integer,
    i32 => Integer,
    u32 => Integer,
    f64 => Real,
    String => Text,
    &str => Text,
    &String => Text,
    serde_json::Value => Json,
    [u8; 16] => Uuid,
}

impl From<crate::UnixTime> for Value {
    fn from(moment: crate::UnixTime) -> Self {
        Self::Timestamp(i64::try_from(moment.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    }
}

impl<V: Into<Self>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a row of `T` must satisfy, besides being the caller's organisation's.
///
/// It can only narrow: each condition stands in its own parentheses behind the organisation's.
pub struct Condition<T> {
    pub(super) term: Term,
    table: PhantomData<fn() -> T>,
}

impl<T> Condition<T> {
    const fn new(term: Term) -> Self {
        Self { term, table: PhantomData }
    }

    /// Every one of these; true if there are none.
    #[must_use]
    pub fn all_of(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::new(Term::All(conditions.into_iter().map(|condition| condition.term).collect()))
    }

    /// At least one of these; false if there are none.
    #[must_use]
    pub fn any_of(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::new(Term::Any(conditions.into_iter().map(|condition| condition.term).collect()))
    }

    /// Not this one. As always in SQL, a comparison with a missing value is neither true nor false.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::new(Term::Not(Box::new(self.term)))
    }
}

impl<T> Clone for Condition<T> {
    fn clone(&self) -> Self {
        Self::new(self.term.clone())
    }
}

impl<T> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.term.fmt(f)
    }
}

#[derive(Debug, Clone)]
pub(super) enum Term {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare(&'static str, &'static str, Value),
    IsNull(&'static str),
    Not(Box<Self>),
    OneOf(&'static str, Vec<Value>),
}

impl<T: OrganisationTable> Column<T> {
    fn compare(self, operator: &'static str, value: impl Into<Value>) -> Condition<T> {
        Condition::new(Term::Compare(self.name, operator, value.into()))
    }

    /// The column has this value; with [`Value::Null`], it has none.
    #[must_use]
    pub fn equals(self, value: impl Into<Value>) -> Condition<T> {
        match value.into() {
            Value::Null => self.is_null(),
            value => self.compare("=", value),
        }
    }

    /// The column's value is greater.
    #[must_use]
    pub fn greater_than(self, value: impl Into<Value>) -> Condition<T> {
        self.compare(">", value)
    }

    /// The column's value is this or greater.
    #[must_use]
    pub fn at_least(self, value: impl Into<Value>) -> Condition<T> {
        self.compare(">=", value)
    }

    /// The column's value is less.
    #[must_use]
    pub fn less_than(self, value: impl Into<Value>) -> Condition<T> {
        self.compare("<", value)
    }

    /// The column's value is this or less.
    #[must_use]
    pub fn at_most(self, value: impl Into<Value>) -> Condition<T> {
        self.compare("<=", value)
    }

    /// The column's text matches, `%` standing for any text and `_` for any character.
    #[must_use]
    pub fn like(self, pattern: impl Into<String>) -> Condition<T> {
        self.compare("LIKE", pattern.into())
    }

    /// The column has no value.
    #[must_use]
    pub const fn is_null(self) -> Condition<T> {
        Condition::new(Term::IsNull(self.name))
    }

    /// The column has one of these values; false if there are none.
    #[must_use]
    pub fn one_of<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Condition<T> {
        Condition::new(Term::OneOf(self.name, values.into_iter().map(Into::into).collect()))
    }
}
