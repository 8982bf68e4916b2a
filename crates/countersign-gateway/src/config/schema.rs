//! The JSON schema of the configuration (draft 7, which editors read), from the table of keys.
//!
//! It describes each key alone. What depends on two keys, the parser tells.

use serde_json::{Map, Value, json};

use crate::config::{
    key::{Absent, Key, Kind},
    keys,
    reference::path_inside,
};

/// The schema, indented, with a line end.
#[must_use]
pub fn json() -> String {
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of countersign",
    });
    if let Some(object) = schema.as_object_mut() {
        object.extend(table(""));
    }
    format!("{schema:#}\n")
}

/// The members of an object schema for one table.
fn table(path: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for name in keys::names_in(path) {
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some(key) = keys::find(&inner) else { continue };
        if key.absent == Absent::Required {
            required.push(Value::from(name));
        }
        properties.insert(name.to_owned(), property(key));
    }
    let mut object = Map::new();
    object.insert("type".to_owned(), "object".into());
    object.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
    object.insert("properties".to_owned(), properties.into());
    object
}

fn property(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Table => table(&path_inside(key)),
        Kind::Tables => {
            let mut array = Map::new();
            array.insert("type".to_owned(), "array".into());
            if key.absent == Absent::Required {
                array.insert("minItems".to_owned(), 1.into());
            }
            array.insert("items".to_owned(), table(&path_inside(key)).into());
            array
        }
        kind => match form(kind) {
            Value::Object(object) => object,
            _ => Map::new(),
        },
    };
    let mut description = key.meaning.to_owned();
    if let Absent::Described(text) = key.absent {
        description.push_str(" Without it: ");
        description.push_str(text);
        description.push('.');
    }
    schema.insert("description".to_owned(), description.into());
    if let Some(default) = default(key) {
        schema.insert("default".to_owned(), default);
    }
    Value::Object(schema)
}

/// The default as JSON: the TOML of the table is JSON but for `_` in numbers.
fn default(key: &Key) -> Option<Value> {
    let Absent::Default(text) = key.absent else { return None };
    let text =
        if text.starts_with(|c: char| c.is_ascii_digit()) { text.replace('_', "") } else { text.to_owned() };
    serde_json::from_str(&text).ok()
}

fn form(kind: Kind) -> Value {
    match kind {
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::List(of) => json!({ "type": "array", "items": form(*of) }),
        Kind::OneOrList(of) => {
            json!({ "anyOf": [form(*of), { "type": "array", "minItems": 1, "items": form(*of) }] })
        }
        Kind::Size { .. } => json!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" },
            { "type": "integer", "minimum": 0 },
        ] }),
        Kind::Status => {
            json!({ "type": "integer", "minimum": 400, "maximum": 499, "not": { "enum": [408, 429] } })
        }
        kind => match pattern(kind) {
            Some(pattern) => json!({ "type": "string", "pattern": pattern }),
            None => json!({ "type": "string", "minLength": 1 }),
        },
    }
}

const fn pattern(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Address => "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$",
        Kind::Audience => "^[!-~]{1,255}$",
        Kind::ClaimPath => "^(session|userinfo)(\\.[^.]+){1,16}$",
        Kind::ClientId => "^[ -~]{1,255}$",
        Kind::CookieName => "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$",
        Kind::Duration { .. } => "^[0-9]+(ms|s|m|h|d)$",
        Kind::Endpoint => "^(discover|https?://[!-~]+)$",
        Kind::Host => "^[^A-Z/*]+$",
        Kind::IdentityHeader => "^[A-Za-z][0-9A-Za-z-]{0,63}$",
        Kind::Issuer | Kind::Origin => "^https?://[^/?#A-Z]+$",
        Kind::LoginPage => "^(https?://[^/?#{}]+|/)[!-~]*\\{return\\}[!-~]*$",
        Kind::Method => "^[A-Z-]+$",
        Kind::Page => "^(https?://|/)[!-~]*$",
        Kind::PathPrefix => "^/([A-Za-z0-9._~/-]*/)?$",
        Kind::RedirectPath => "^/",
        Kind::HeaderName | Kind::RemovedHeader => "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        Kind::SecretVariable => "^[A-Za-z_][0-9A-Za-z_]*$",
        Kind::StoreName => "^[0-9A-Za-z._:-]{1,64}$",
        Kind::StoreUrl => "^valkeys?://[^@ ]+$",
        Kind::Upstream => "^(http|https|h2c)://[^/?#]+/?$",
        Kind::Url => "^https?://[!-~]+$",
        _ => return None,
    })
}
