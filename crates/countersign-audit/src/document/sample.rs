//! Example values: those that the document gives, else the smallest that its schemas allow.

use serde_json::{Map, Value, json};

use super::{
    node::{Fault, Node},
    openapi::Reader,
};

/// Schemas may contain themselves: what is deeper is left out.
const MAX_SCHEMA_DEPTH: usize = 6;

/// `example`, or the first of `examples`.
pub(super) fn given<'a>(reader: &Reader<'a>, of: &'a Node) -> Result<Option<Value>, Fault> {
    if let Some(example) = of.member("example") {
        return reader.value(example).map(Some);
    }
    let Some(examples) = of.member("examples") else { return Ok(None) };
    if let Some(first) = examples.items().first() {
        return reader.value(first).map(Some);
    }
    let Some((_, first)) = examples.members().first() else { return Ok(None) };
    reader.follow(first)?.member("value").map(|value| reader.value(value)).transpose()
}

/// A value that fits the schema.
pub(super) fn of_schema<'a>(reader: &Reader<'a>, schema: &'a Node, depth: usize) -> Result<Value, Fault> {
    let schema = reader.follow(schema)?;
    reader.make(1, schema.line)?;
    for name in ["example", "default", "const"] {
        if let Some(value) = schema.member(name) {
            return reader.value(value);
        }
    }
    for name in ["examples", "enum"] {
        if let Some(first) = schema.member(name).and_then(|list| list.items().first()) {
            return reader.value(first);
        }
    }
    if depth > MAX_SCHEMA_DEPTH {
        return Ok(Value::Null);
    }
    for name in ["oneOf", "anyOf"] {
        if let Some(first) = schema.member(name).and_then(|list| list.items().first()) {
            return of_schema(reader, first, depth + 1);
        }
    }
    if let Some(parts) = schema.member("allOf") {
        let mut whole = Map::new();
        for part in parts.items() {
            if let Value::Object(members) = of_schema(reader, part, depth + 1)? {
                whole.extend(members);
            }
        }
        return Ok(Value::Object(whole));
    }
    typed(reader, schema, depth)
}

fn typed<'a>(reader: &Reader<'a>, schema: &'a Node, depth: usize) -> Result<Value, Fault> {
    let declared = schema.member("type");
    let first = declared.and_then(|kind| kind.text().or_else(|| kind.items().first().and_then(Node::text)));
    Ok(match first {
        Some("integer") | Some("number") => {
            schema.member("minimum").map_or_else(|| Ok(json!(1)), |least| reader.value(least))?
        }
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        Some("array") => match (schema.member("items"), schema.member("minItems")) {
            (Some(items), Some(_)) => json!([of_schema(reader, items, depth + 1)?]),
            _ => json!([]),
        },
        Some("string") => json!(string(schema)),
        _ if schema.member("properties").is_some() || first == Some("object") => {
            object(reader, schema, depth)?
        }
        _ => json!("audit"),
    })
}

fn object<'a>(reader: &Reader<'a>, schema: &'a Node, depth: usize) -> Result<Value, Fault> {
    let required: Vec<&str> =
        schema.member("required").map_or(&[][..], Node::items).iter().filter_map(Node::text).collect();
    let mut members = Map::new();
    for (name, property) in schema.member("properties").map_or(&[][..], Node::members) {
        if required.contains(&name.as_str()) {
            members.insert(name.clone(), of_schema(reader, property, depth + 1)?);
        }
    }
    Ok(Value::Object(members))
}

fn string(schema: &Node) -> &'static str {
    match schema.member("format").and_then(Node::text) {
        Some("uuid") => "00000000-0000-4000-8000-000000000001",
        Some("date") => "2026-01-01",
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("email") => "audit@countersign-audit.invalid",
        Some("uri" | "url") => "https://countersign-audit.invalid/",
        Some("ipv4") => "192.0.2.1",
        _ => "audit",
    }
}
