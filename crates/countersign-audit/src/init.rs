//! A first `audit.toml`, made from the document: what is known is filled in, what is not is a comment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::Value;

use crate::{
    Document, Operation,
    document::{Access, placeholders},
};

/// A first `audit.toml`. It is accepted as it is; a person looks through what is marked `# ?`.
#[must_use]
pub fn first_settings(document: &Document) -> String {
    let mut text = String::from(
        "# What `countersign audit` has to be told besides the document. Look through the lines with `# ?`.\n\n\
",
    );
    let _ = writeln!(
        text,
        "base = {}  # ? where the service under test listens, with what stands before every path",
        quoted(&format!("http://127.0.0.1:8080{}", document.prefix))
    );
    let _ = writeln!(
        text,
        "{} = {}",
        if document.file.ends_with(".txt") { "routes" } else { "spec" },
        quoted(&document.file)
    );
    text.push_str(
        "audience = \"service\"  # ? what the service expects in `aud`\n\n\
         [token]\nsupply = \"own-key\"  # or \"shared-secret\" with secret_file, or \"gateway\" with [gateway]\n\
         listen = \"127.0.0.1:9310\"  # the service takes its key set from http://127.0.0.1:9310/jwks.json\n\
         roles = \"roles\"  # where the service reads roles: a claim, or a path as \"realm_access.roles\"\n\
         organisation = \"organisation\"\n\n\
         # Two organisations whose callers must not see each other's things.\n\
         [organisations.a]\nid = \"audit-a\"  # ?\n\n[organisations.b]\nid = \"audit-b\"  # ?\n",
    );
    let kinds = kinds(document);
    for (kind, create) in &kinds {
        let _ = write!(text, "\n[objects.{kind}]\ncreate = {}\n", quoted(&create.name()));
        if let Some(body) = &create.body {
            let _ = writeln!(
                text,
                "body = {}  # ? one string with {{canary}} shows whose it is",
                toml_value(&with_canary(&body.sample))
            );
        }
        text.push_str("id = \"$.id\"\n");
    }
    paths(&mut text, document, &kinds);
    access(&mut text, document);
    text
}

/// A kind for each path that ends with a parameter and has a POST on what stands before it.
fn kinds(document: &Document) -> BTreeMap<String, &Operation> {
    let mut kinds = BTreeMap::new();
    for operation in &document.operations {
        let Some(collection) = collection(&operation.path) else { continue };
        let create = document.operations.iter().find(|other| {
            other.method == "POST" && other.path.trim_end_matches('/') == collection.trim_end_matches('/')
        });
        if let Some(create) = create {
            kinds.entry(kind(collection)).or_insert(create);
        }
    }
    kinds
}

/// `/orders` of `/orders/{id}`.
fn collection(path: &str) -> Option<&str> {
    path.ends_with('}').then(|| path.rsplit_once("/{").map(|(before, _)| before)).flatten()
}

/// `order` of `/v1/orders`.
fn kind(collection: &str) -> String {
    let name =
        collection.rsplit('/').find(|part| !part.is_empty() && !part.starts_with('{')).unwrap_or("object");
    let name: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    match name.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => name.strip_suffix('s').unwrap_or(&name).to_owned(),
    }
}

fn paths(text: &mut String, document: &Document, kinds: &BTreeMap<String, &Operation>) {
    let mut seen = BTreeSet::new();
    for operation in document.operations.iter().filter(|operation| operation.path.contains('{')) {
        if !seen.insert(operation.path.as_str()) {
            continue;
        }
        let _ = write!(text, "\n[paths.{}]\n", quoted(&operation.path));
        for name in placeholders(&operation.path) {
            let before = operation.path.split(&format!("/{{{name}}}")).next().unwrap_or_default();
            let known = kind(before);
            let sample = operation.path_parameters().find(|parameter| parameter.name == name);
            let _ = match kinds.contains_key(&known) {
                true => writeln!(text, "{} = {}", key(&name), quoted(&known)),
                false if is_organisation(&name) => writeln!(text, "{} = \"organisation\"", key(&name)),
                false => writeln!(
                    text,
                    "{} = {{ value = {} }}  # ? or a kind of object",
                    key(&name),
                    quoted(sample.map_or("1", |parameter| parameter.sample.as_str()))
                ),
            };
        }
    }
}

fn is_organisation(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["org", "tenant", "company"].iter().any(|word| name.starts_with(word))
}

fn access(text: &mut String, document: &Document) {
    let of = |wanted: &Access| -> Vec<&Operation> {
        document.operations.iter().filter(|operation| operation.access == *wanted).collect()
    };
    let undeclared = of(&Access::Undeclared);
    text.push_str("\n# Roles of which one is needed, where the document does not say it; [] means that any good token is enough.\n[expect]\n");
    for operation in undeclared {
        let _ = writeln!(text, "{} = []  # ?", quoted(&operation.name()));
    }
    text.push_str("\n# Operations that everybody may call.\n[allow]\n");
    for operation in of(&Access::Public) {
        let _ = writeln!(text, "{} = \"public\"  # ?", quoted(&operation.name()));
    }
}

/// The first text of a body becomes the canary.
fn with_canary(body: &Value) -> Value {
    let Value::Object(members) = body else { return body.clone() };
    let mut members = members.clone();
    if let Some((_, value)) =
        members.iter_mut().find(|(_, value)| matches!(value, Value::String(text) if text == "audit"))
    {
        *value = Value::String("{canary}".to_owned());
    }
    Value::Object(members)
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), toml_value(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

/// A JSON string is a basic string of TOML but for what no name has.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::first_settings;
    use crate::{Settings, parse_document};

    #[test]
    fn what_is_written_is_accepted_and_fits_the_document() {
        let text = r##"{"openapi": "3.1.0", "paths": {
            "/health": {"get": {"security": []}},
            "/orgs/{orgId}/companies": {"get": {}, "post": {"requestBody": {"content": {"application/json": {"schema":
                {"type": "object", "required": ["name", "tags"], "properties": {"name": {"type": "string"}, "tags": {"type": "array"}}}}}}}},
            "/orgs/{orgId}/companies/{company.id}": {"get": {}, "delete": {}},
            "/reports/{day}": {"get": {}}}}"##;
        let document = parse_document("openapi.json", text.as_bytes()).unwrap();
        let written = first_settings(&document);
        let settings =
            Settings::parse("audit.toml", &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        settings
            .check_against(&document, "audit.toml", &written)
            .unwrap_or_else(|error| panic!("{error}\n{written}"));
        for line in [
            "[objects.company]",
            "create = \"POST /orgs/{orgId}/companies\"",
            "orgId = \"organisation\"",
            "\"company.id\" = \"company\"",
            "day = { value = \"1\" }",
            "\"GET /health\" = \"public\"",
            "\"GET /reports/{day}\" = []",
            "name = \"{canary}\"",
        ] {
            assert!(written.contains(line), "{line}\n{written}");
        }
    }
}
