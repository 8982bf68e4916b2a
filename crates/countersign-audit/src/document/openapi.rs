//! OpenAPI 3.0, 3.1 and 3.2, in JSON or YAML.

use std::cell::RefCell;

use super::{
    Body, Document, DocumentError, MAX_DOCUMENT_BYTES, MAX_HOPS, MAX_OPERATIONS, MAX_PARAMETERS,
    MAX_PATH_BYTES, Operation, Parameter, Place, access, json,
    node::{Budget, Fault, Kind, Node},
    placeholders, sample, yaml,
};

const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
/// What else a path has. `additionalOperations` is of OpenAPI 3.2.
const BESIDE: &[&str] = &["$ref", "summary", "description", "servers", "parameters", "additionalOperations"];

/// Reads a document. `file` is its name in messages and reports.
///
/// # Errors
/// [`DocumentError`] with the line: not UTF-8, over [`MAX_DOCUMENT_BYTES`], more than a million values, nested more
/// than 100 deep, not OpenAPI 3, a `$ref` that leads nowhere, into itself or to another document.
pub fn parse_document(file: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    let wrong = |(line, problem): Fault| DocumentError { file: file.to_owned(), line, problem };
    if bytes.len() > MAX_DOCUMENT_BYTES {
        let size = bytes.len() >> 20;
        return Err(wrong((
            1,
            format!("the document has {size} MiB; at most {} MiB are read", MAX_DOCUMENT_BYTES >> 20),
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        wrong((
            1 + before.iter().filter(|byte| **byte == b'\n').count(),
            "the document is not UTF-8".to_owned(),
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = if text.trim_start().starts_with('{') { json::parse(text) } else { yaml::parse(text) };
    let root = root.map_err(wrong)?;
    version(&root).map_err(wrong)?;
    let operations = Reader { root: &root, made: RefCell::default() }.operations().map_err(wrong)?;
    Ok(Document { file: file.to_owned(), operations, prefix: prefix(&root) })
}

fn version(root: &Node) -> Result<(), Fault> {
    match root.member("openapi").map(|node| (&node.kind, node.line)) {
        Some((Kind::Text(version), _)) if version.starts_with("3.") => Ok(()),
        Some((Kind::Number(version), _)) if version.starts_with("3.") => Ok(()),
        Some((_, line)) => Err((line, "OpenAPI 3.0, 3.1 or 3.2 is needed".to_owned())),
        None if root.member("swagger").is_some() => {
            Err((root.line, "Swagger 2 is not read: convert the document to OpenAPI 3".to_owned()))
        }
        None => Err((root.line, "`openapi` is missing: this is no OpenAPI document".to_owned())),
    }
}

/// The path of the first server, if it is one without variables.
fn prefix(root: &Node) -> String {
    let server = root.member("servers").and_then(|servers| servers.items().first());
    let url = server.and_then(|server| server.member("url")).and_then(Node::text).unwrap_or_default();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default(),
        None => url.to_owned(),
    };
    let path = path.trim_end_matches('/');
    if path.starts_with('/') && !path.contains(['{', '?', '#']) { path.to_owned() } else { String::new() }
}

pub(super) struct Reader<'a> {
    pub(super) root: &'a Node,
    /// What is made from the document: `$ref`s count as often as they are used.
    made: RefCell<Budget>,
}

impl<'a> Reader<'a> {
    fn operations(&self) -> Result<Vec<Operation>, Fault> {
        let mut operations = Vec::new();
        let Some(paths) = self.root.member("paths") else {
            return Err((self.root.line, "`paths` is missing".to_owned()));
        };
        for (path, item) in paths.members() {
            if path.starts_with("x-") {
                continue;
            }
            if path.len() > MAX_PATH_BYTES {
                return Err((item.line, format!("a path has more than {MAX_PATH_BYTES} bytes")));
            }
            if !path.starts_with('/') || path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
                return Err((item.line, format!("a path begins with `/` and has no space: `{path}`")));
            }
            let line = item.line;
            if item.member("$ref").is_some() && item.members().len() > 1 {
                let problem = "what stands beside a path's `$ref` may mean anything (OpenAPI 3.1 §4.8.9.1): put it where the `$ref` leads";
                return Err((line, problem.to_owned()));
            }
            let item = self.follow(item)?;
            let shared = self.parameters(item)?;
            let more = item.member("additionalOperations").map_or(&[][..], Node::members);
            for (method, operation) in item.members().iter().chain(more) {
                if BESIDE.contains(&method.as_str()) || method.starts_with("x-") {
                    continue;
                }
                let is_further = more.iter().any(|(name, _)| name == method) && !method.is_empty();
                let fits =
                    is_further && method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
                if !METHODS.contains(&method.as_str()) && !fits {
                    return Err((
                        operation.line,
                        format!("`{method}` is no method: they are in small letters"),
                    ));
                }
                if operations.len() == MAX_OPERATIONS {
                    return Err((operation.line, format!("more than {MAX_OPERATIONS} operations")));
                }
                let line = if operation.line == 0 { line } else { operation.line };
                operations.push(self.operation(method, path, line, self.follow(operation)?, &shared)?);
            }
        }
        Ok(operations)
    }

    fn operation(
        &self,
        method: &str,
        path: &str,
        line: usize,
        operation: &'a Node,
        shared: &[Parameter],
    ) -> Result<Operation, Fault> {
        let mut parameters = self.parameters(operation)?;
        self.make(shared.len(), line)?;
        for parameter in shared {
            if !parameters.iter().any(|own| own.name == parameter.name && own.place == parameter.place) {
                parameters.push(parameter.clone());
            }
        }
        let names = placeholders(path);
        if parameters.len().saturating_add(names.len()) > 2 * MAX_PARAMETERS {
            return Err((line, format!("more than {MAX_PARAMETERS} parameters")));
        }
        for name in names {
            if !parameters.iter().any(|parameter| parameter.place == Place::Path && parameter.name == name) {
                parameters.push(path_parameter(name));
            }
        }
        Ok(Operation {
            method: if METHODS.contains(&method) { method.to_ascii_uppercase() } else { method.to_owned() },
            path: path.to_owned(),
            line,
            parameters,
            body: self.body(operation)?,
            access: access::of(self, operation)?,
        })
    }

    fn parameters(&self, of: &'a Node) -> Result<Vec<Parameter>, Fault> {
        let mut parameters = Vec::new();
        let given = of.member("parameters").map_or(&[][..], Node::items);
        if given.len() > MAX_PARAMETERS {
            return Err((of.line, format!("more than {MAX_PARAMETERS} parameters")));
        }
        for parameter in given {
            let parameter = self.follow(parameter)?;
            let place = match parameter.member("in").and_then(Node::text) {
                Some("path") => Place::Path,
                Some("query") => Place::Query,
                Some("header") => Place::Header,
                _ => continue,
            };
            let Some(name) = parameter.member("name").and_then(Node::text) else {
                return Err((parameter.line, "a parameter has no name".to_owned()));
            };
            let schema = parameter.member("schema").map(|schema| self.follow(schema)).transpose()?;
            let given = sample::given(self, parameter)?;
            let value = match (given, schema) {
                (Some(value), _) => value,
                (None, Some(schema)) => sample::of_schema(self, schema, 0)?,
                (None, None) => serde_json::Value::Null,
            };
            let of_type = schema.and_then(|schema| schema.member("type")).and_then(Node::text);
            parameters.push(Parameter {
                name: name.to_owned(),
                place,
                required: place == Place::Path || parameter.member("required").is_some_and(Node::is_true),
                sample: in_url(&value),
                number: matches!(of_type, Some("integer" | "number")),
            });
        }
        Ok(parameters)
    }

    fn body(&self, operation: &'a Node) -> Result<Option<Body>, Fault> {
        let Some(body) = operation.member("requestBody") else { return Ok(None) };
        let content = self.follow(body)?.member("content").map_or(&[][..], Node::members);
        let json = content.iter().find(|(kind, _)| kind.contains("json"));
        let Some((content_type, media)) = json.or_else(|| content.first()) else { return Ok(None) };
        let value = match (sample::given(self, media)?, media.member("schema")) {
            (Some(value), _) => value,
            (None, Some(schema)) => sample::of_schema(self, schema, 0)?,
            (None, None) => serde_json::json!({}),
        };
        Ok(Some(Body { content_type: content_type.clone(), sample: value }))
    }

    /// The value of an example.
    pub(super) fn value(&self, node: &Node) -> Result<serde_json::Value, Fault> {
        self.make(node.weight(), node.line)?;
        Ok(node.to_value())
    }

    /// Counts what is made from the document.
    pub(super) fn make(&self, weight: usize, line: usize) -> Result<(), Fault> {
        self.made.borrow_mut().spend(weight, line)
    }

    /// Follows `$ref` inside the document.
    pub(super) fn follow(&self, node: &'a Node) -> Result<&'a Node, Fault> {
        let mut node = node;
        for _ in 0..MAX_HOPS {
            let Some(reference) = node.member("$ref") else { return Ok(node) };
            let line = reference.line;
            let Some(reference) = reference.text() else { return Ok(node) };
            let Some(pointer) = reference.strip_prefix('#') else {
                return Err((
                    line,
                    format!(
                        "`$ref` leads to another document, which is not fetched: `{reference}`; bundle them first"
                    ),
                ));
            };
            node = self.at(pointer).ok_or_else(|| (line, format!("`$ref` leads nowhere: `{reference}`")))?;
        }
        Err((node.line, format!("`$ref` leads to itself, or over more than {MAX_HOPS} others")))
    }

    /// RFC 6901.
    fn at(&self, pointer: &str) -> Option<&'a Node> {
        let mut node = self.root;
        for part in pointer.split('/').skip(1) {
            let part = percent_decoded(part).replace("~1", "/").replace("~0", "~");
            node = match &node.kind {
                Kind::List(items) => items.get(part.parse::<usize>().ok()?)?,
                _ => node.member(&part)?,
            };
        }
        Some(node)
    }
}

pub(super) fn path_parameter(name: String) -> Parameter {
    Parameter { name, place: Place::Path, required: true, sample: "1".to_owned(), number: false }
}

fn in_url(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "1".to_owned(),
        serde_json::Value::Array(items) => items.first().map_or_else(|| "1".to_owned(), in_url),
        serde_json::Value::Object(_) => "1".to_owned(),
        other => other.to_string(),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let pair = (byte == b'%').then(|| Some([ahead.next()?, ahead.next()?])).flatten();
        let decoded = pair.and_then(|pair| {
            std::str::from_utf8(&pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        if decoded.is_some() {
            rest = ahead;
        }
        bytes.push(decoded.unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
