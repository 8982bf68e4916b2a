//! The members of a payload, each put in its place while the text is read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::{
    json::{Json, Name},
    rule::Rule,
};

/// The claims with a meaning here, each with whatever value it has, and all others.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) act: Option<Json<'a>>,
    pub(super) aud: Option<Json<'a>>,
    pub(super) client_id: Option<Json<'a>>,
    pub(super) cnf: Option<Json<'a>>,
    pub(super) derived_from: Option<Json<'a>>,
    pub(super) email: Option<Json<'a>>,
    pub(super) exp: Option<Json<'a>>,
    pub(super) iat: Option<Json<'a>>,
    pub(super) iss: Option<Json<'a>>,
    pub(super) jti: Option<Json<'a>>,
    pub(super) nbf: Option<Json<'a>>,
    pub(super) organisation: Option<Json<'a>>,
    pub(super) preferred_username: Option<Json<'a>>,
    pub(super) roles: Option<Json<'a>>,
    pub(super) scope: Option<Json<'a>>,
    pub(super) sid: Option<Json<'a>>,
    pub(super) sub: Option<Json<'a>>,
    pub(super) others: Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Puts a value in its place; false if there was one of that name.
    fn put(&mut self, Name(name): Name<'a>, value: Json<'a>) -> bool {
        let place = match &*name {
            "act" => &mut self.act,
            "aud" => &mut self.aud,
            "client_id" => &mut self.client_id,
            "cnf" => &mut self.cnf,
            "derived_from" => &mut self.derived_from,
            "email" => &mut self.email,
            "exp" => &mut self.exp,
            "iat" => &mut self.iat,
            "iss" => &mut self.iss,
            "jti" => &mut self.jti,
            "nbf" => &mut self.nbf,
            "organisation" => &mut self.organisation,
            "preferred_username" => &mut self.preferred_username,
            "roles" => &mut self.roles,
            "scope" => &mut self.scope,
            "sid" => &mut self.sid,
            "sub" => &mut self.sub,
            _ => return self.others.insert(name.into_owned(), value.into_value()).is_none(),
        };
        place.replace(value).is_none()
    }

    /// Puts a claim that has no meaning here after all beside the others.
    pub(super) fn keep(&mut self, name: &str, value: Option<Json<'a>>) {
        if let Some(value) = value {
            self.others.insert(name.to_owned(), value.into_value());
        }
    }
}

/// Fills them from an object; they are too large to be handed from one function to the next.
impl<'de> DeserializeSeed<'de> for &mut Members<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Members<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(name) = access.next_key()? {
            let is_new = self.put(name, access.next_value()?);
            if Rule::DuplicateMember.is_broken_by(!is_new) {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Members;
    use crate::json::{self, NotStrictJson};

    fn read(text: &str) -> Result<Members<'_>, NotStrictJson> {
        let mut members = Members::default();
        json::read(text.as_bytes(), &mut members).map(|()| members)
    }

    #[test]
    fn no_name_is_there_twice() {
        for bad in [
            r#"{"sub":"a","sub":"a"}"#,
            r#"{"sub":null,"s\u0075b":"a"}"#,
            r#"{"x":1,"x":1}"#,
            r#"{"x":1,"\u0078":2}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            "[]",
            "\"sub\"",
            "{} {}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let members = read(r#"{"s\u0075b":"a","x":1,"y":null}"#).unwrap();
        assert_eq!(members.sub.as_ref().and_then(|sub| sub.text()), Some("a"));
        assert_eq!(members.others.len(), 2);
    }
}
