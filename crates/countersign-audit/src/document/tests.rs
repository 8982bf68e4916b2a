use super::{Access, Demand, MAX_DOCUMENT_BYTES, parse_document, parse_routes};

const YAML: &str = r##"
openapi: 3.1.0
info: { title: t, version: "1" }
security: [{ token: [] }]
components:
  securitySchemes:
    token: { type: http, scheme: bearer }
    login: { type: oauth2 }
  parameters:
    Id: { name: id, in: path, required: true, schema: { type: integer } }
paths:
  /health:
    get: { security: [] }
  /orders/{id}:
    parameters: [{ $ref: "#/components/parameters/Id" }]
    get: {}
    delete:
      security: [{ token: [admin] }, { login: ["orders:write"] }]
"##;

#[test]
fn operations_lines_and_demands_are_read() {
    let document = parse_document("a.yaml", YAML.as_bytes()).unwrap();
    let names: Vec<_> =
        document.operations.iter().map(|operation| (operation.name(), operation.line)).collect();
    assert_eq!(
        names,
        [
            ("GET /health".to_owned(), 13),
            ("GET /orders/{id}".to_owned(), 16),
            ("DELETE /orders/{id}".to_owned(), 17)
        ]
    );
    let [health, read, remove] = &document.operations[..] else { panic!() };
    assert_eq!(health.access, Access::Public);
    assert_eq!(read.access, Access::Demands(vec![Demand::default()]));
    assert!(read.parameters[0].number);
    assert_eq!(
        remove.access,
        Access::Demands(vec![
            Demand { roles: vec!["admin".to_owned()], scopes: vec![] },
            Demand { roles: vec![], scopes: vec!["orders:write".to_owned()] }
        ])
    );
}

#[test]
fn json_says_the_same_and_keeps_lines() {
    let text = "{\n \"openapi\": \"3.0.3\",\n \"paths\": {\n  \"/a\": {\n   \"get\": {},\n   \"post\": {\"requestBody\": {\"content\": {\"application/json\": {\"schema\": {\"type\": \"object\", \"required\": [\"n\"], \"properties\": {\"n\": {\"type\": \"integer\"}, \"m\": {}}}}}}}}}}";
    let document = parse_document("a.json", text.as_bytes()).unwrap();
    assert_eq!(document.operations[0].line, 5);
    assert_eq!(document.operations[0].access, Access::Undeclared);
    assert_eq!(document.operations[1].body.as_ref().unwrap().sample, serde_json::json!({"n": 1}));
}

fn refused(text: &str) -> String {
    parse_document("a.yaml", text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn hostile_documents_get_a_clear_error() {
    let bomb = {
        let mut text = "openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, last) in ('b'..='k').zip('a'..) {
            text.push_str(&format!(
                "{name}: &{name} [*{last},*{last},*{last},*{last},*{last},*{last},*{last},*{last},*{last}]\n"
            ));
        }
        text + "paths: {}\n"
    };
    assert!(refused(&bomb).contains("more than 1000000 values"), "{}", refused(&bomb));
    assert_eq!(refused(&"[".repeat(200)).split(": ").last(), Some("nested more than 100 deep"));
    let deep = format!("{{\"openapi\":{}", "[".repeat(100_000));
    assert_eq!(refused(&deep), "a.yaml:1: nested more than 100 deep");
    let head = "openapi: 3.0.0\npaths:\n  /a:\n    ";
    assert_eq!(
        refused(&format!("{head}$ref: https://evil.test/x.yaml")).split_once(": ").unwrap().0,
        "a.yaml:4"
    );
    assert!(refused(&format!("{head}$ref: ../x.yaml")).contains("leads to another document"));
    assert!(
        refused(&format!("{head}$ref: '#/x'\nx: {{ $ref: '#/y' }}\ny: {{ $ref: '#/x' }}"))
            .contains("leads to itself")
    );
    assert!(refused(&format!("{head}$ref: '#/nowhere'")).contains("leads nowhere"));
    assert!(refused("swagger: '2.0'").contains("Swagger 2"));
    assert!(refused("openapi: 2.0").contains("3.0 or 3.1"));
    assert!(refused("").contains("empty"));
    assert!(refused("openapi: 3.0.0\npaths: {a: {}}").contains("begins with `/`"));
    let big = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    let error = parse_document("a.json", &big).unwrap_err().to_string();
    assert_eq!(error, "a.json:1: the document has 16 MiB; at most 16 MiB are read");
    assert_eq!(parse_document("a", b"openapi: 3\n\xff").unwrap_err().line, 2);
}

#[test]
fn a_schema_that_contains_itself_is_cut() {
    let text = "openapi: 3.0.0\ncomponents: {schemas: {T: {type: object, required: [t], properties: {t: {$ref: '#/components/schemas/T'}}}}}\npaths: {/a: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/T'}}}}}}}";
    let document = parse_document("a", text.as_bytes()).unwrap();
    assert!(document.operations[0].body.is_some());
}

#[test]
fn routes_are_read() {
    let document =
        parse_routes("r", "# ours\nGET /a public\nDELETE /a/{id} admin|support # why\nPOST /a\n").unwrap();
    assert_eq!(document.operations.len(), 3);
    assert_eq!(document.operations[1].line, 3);
    assert!(matches!(&document.operations[1].access, Access::Demands(demands) if demands.len() == 2));
    assert_eq!(parse_routes("r", "get /a").unwrap_err().line, 1);
    assert_eq!(parse_routes("r", "\nGET a").unwrap_err().line, 2);
}
