//! The members of a payload, each put in its place while the text is read.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{judge::shared, plain};
use crate::{
    Role,
    json::{self, Json, Name, NotStrictJson, StrictVisitor},
    rule::Rule,
};

/// The claims with a meaning here, each with whatever value it has, and all others.
#[derive(Default)]
#[cfg_attr(test, derive(PartialEq))]
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
    pub(super) roles: Option<Roles>,
    pub(super) scope: Option<Json<'a>>,
    pub(super) sid: Option<Json<'a>>,
    pub(super) sub: Option<Json<'a>>,
    pub(super) others: Map<String, Value>,
    /// Roles of another token, which are kept once where they are the same.
    known_roles: &'a [Role],
    /// The issuer writes roles elsewhere: `roles` is a claim like any other.
    roles_elsewhere: bool,
}

impl<'a> Members<'a> {
    /// None yet.
    pub(super) fn knowing(known_roles: &'a [Role], roles_elsewhere: bool) -> Self {
        Self { known_roles, roles_elsewhere, ..Self::default() }
    }

    /// Whether a claim of that name says what roles there are.
    pub(super) fn is_roles(&self, name: &str) -> bool {
        name == "roles" && !self.roles_elsewhere
    }

    /// A role: the known one, where it is the same.
    pub(super) fn role(&self, name: &str) -> Role {
        // A few are compared, so that a token of many roles costs no more than that.
        let known = self.known_roles.iter().take(8).find(|known| **known == *name);
        shared(name, known)
    }

    /// Reads a payload into them, which are empty.
    pub(super) fn fill(&mut self, payload: &'a [u8]) -> Result<(), NotStrictJson> {
        // Once for the whole text is quicker than once for each string.
        let text = std::str::from_utf8(payload).map_err(|_| NotStrictJson)?;
        if plain::read(text, self).is_some() {
            return Ok(());
        }
        *self = Self::knowing(self.known_roles, self.roles_elsewhere);
        json::read_text(text, self)
    }

    /// Puts `roles` in its place; false if it was there.
    pub(super) fn put_roles(&mut self, roles: Roles) -> bool {
        self.roles.replace(roles).is_none()
    }

    /// Puts a value that [is not roles](Self::is_roles) in its place; false if there was one of that name.
    pub(super) fn put(&mut self, Name(name): Name<'a>, value: Json<'a>) -> bool {
        // In the order in which tokens mostly have them: names are compared one after the other.
        let place = match &*name {
            "iss" => &mut self.iss,
            "aud" => &mut self.aud,
            "sub" => &mut self.sub,
            "client_id" => &mut self.client_id,
            "iat" => &mut self.iat,
            "exp" => &mut self.exp,
            "jti" => &mut self.jti,
            "sid" => &mut self.sid,
            "organisation" => &mut self.organisation,
            "scope" => &mut self.scope,
            "nbf" => &mut self.nbf,
            "act" => &mut self.act,
            "cnf" => &mut self.cnf,
            "preferred_username" => &mut self.preferred_username,
            "email" => &mut self.email,
            "derived_from" => &mut self.derived_from,
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
        while let Some(name) = access.next_key::<Name<'_>>()? {
            let is_new = if self.is_roles(&name.0) {
                self.put_roles(access.next_value()?)
            } else {
                self.put(name, access.next_value()?)
            };
            if Rule::DuplicateMember.is_broken_by(!is_new) {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(())
    }
}

/// The value of `roles`, each role taken as it is read: a list of them needs no second one.
#[cfg_attr(test, derive(PartialEq))]
pub(super) enum Roles {
    Names(Vec<Role>),
    /// No array, or one with something else than strings in it.
    Other,
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RolesVisitor)
    }
}

struct RolesVisitor;

impl<'de> Visitor<'de> for RolesVisitor {
    type Value = Roles;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let (mut names, mut others) = (Vec::new(), false);
        while let Some(value) = access.next_element::<Json<'_>>()? {
            match value.text() {
                Some(name) => names.push(Role::from(name)),
                None => others = true,
            }
        }
        Ok(if others { Roles::Other } else { Roles::Names(names) })
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Roles::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Roles::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Roles::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Roles::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Roles::Other)
    }

    // What these two refuse is refused in every place.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        StrictVisitor.visit_f64(value).map(|_| Roles::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        StrictVisitor.visit_map(access).map(|_| Roles::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::{Members, Roles};
    use crate::json::NotStrictJson;

    fn read(text: &str) -> Result<Members<'_>, NotStrictJson> {
        let mut members = Members::default();
        members.fill(text.as_bytes()).map(|()| members)
    }

    #[test]
    fn no_name_is_there_twice() {
        for bad in [
            r#"{"sub":"a","sub":"a"}"#,
            r#"{"sub":null,"s\u0075b":"a"}"#,
            r#"{"x":1,"x":1}"#,
            r#"{"x":1,"\u0078":2}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            r#"{"roles":[],"roles":[]}"#,
            r#"{"roles":null,"\u0072oles":["a"]}"#,
            r#"{"roles":{"a":1,"a":1}}"#,
            r#"{"roles":["a",{"a":1,"a":1}]}"#,
            r#"{"roles":1e999}"#,
            r#"{"roles":[1e999]}"#,
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

    #[test]
    fn roles_are_names_or_something_else() {
        let roles = |value: &str| match read(&format!(r#"{{"roles":{value}}}"#)).unwrap().roles.unwrap() {
            Roles::Names(names) => {
                Some(names.iter().map(|role| role.as_str().to_owned()).collect::<Vec<_>>())
            }
            Roles::Other => None,
        };
        assert_eq!(roles(r#"["a","\u0062",""]"#), Some(vec!["a".to_owned(), "b".to_owned(), String::new()]));
        assert_eq!(roles("[]"), Some(vec![]));
        for other in ["null", "true", "1", "-1", "1.5", "\"a\"", "{}", "[\"a\",1]", "[[\"a\"]]", "[null]"] {
            assert_eq!(roles(other), None, "{other}");
        }
    }
}
