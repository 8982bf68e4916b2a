mod hostile;

use super::{Access, Demand, parse_document, parse_routes};

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
