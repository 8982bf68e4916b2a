//! A plain list of routes: `METHOD PATH [role|role…]`, one a line, `#` begins a comment.

use super::{
    Access, Demand, Document, DocumentError, MAX_DOCUMENT_BYTES, MAX_OPERATIONS, Operation,
    openapi::path_parameter, placeholders,
};

/// Reads a list of routes. After the path stands `public`, or the roles of which one is needed; nothing means that any
/// good token is enough.
///
/// # Errors
/// [`DocumentError`] with the line.
pub fn parse_routes(file: &str, text: &str) -> Result<Document, DocumentError> {
    let wrong = |line: usize, problem: String| DocumentError { file: file.to_owned(), line, problem };
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(wrong(1, format!("at most {} MiB are read", MAX_DOCUMENT_BYTES >> 20)));
    }
    let mut operations = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let mut words = text.split('#').next().unwrap_or_default().split_whitespace();
        let Some(method) = words.next() else { continue };
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong(
                line,
                format!("a line is `METHOD PATH roles`; `{method}` is no method in capitals"),
            ));
        }
        let Some(path) = words.next().filter(|path| path.starts_with('/')) else {
            return Err(wrong(line, "a path that begins with `/` is missing".to_owned()));
        };
        let roles: Vec<&str> =
            words.flat_map(|word| word.split([',', '|'])).filter(|role| !role.is_empty()).collect();
        let access = match roles.as_slice() {
            ["public"] => Access::Public,
            [] => Access::Demands(vec![Demand::default()]),
            roles => Access::Demands(
                roles
                    .iter()
                    .map(|role| Demand { roles: vec![(*role).to_owned()], scopes: Vec::new() })
                    .collect(),
            ),
        };
        if operations.len() == MAX_OPERATIONS {
            return Err(wrong(line, format!("more than {MAX_OPERATIONS} operations")));
        }
        operations.push(Operation {
            method: method.to_owned(),
            path: path.to_owned(),
            line,
            parameters: placeholders(path).into_iter().map(path_parameter).collect(),
            body: None,
            access,
        });
    }
    Ok(Document { file: file.to_owned(), operations, prefix: String::new() })
}
