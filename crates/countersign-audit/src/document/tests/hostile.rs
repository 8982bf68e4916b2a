//! Documents that are meant to hang, fill or mislead a reader: each gets an error that says where and what.

use crate::document::{MAX_DOCUMENT_BYTES, parse_document};

const HEAD: &str = "openapi: 3.1.0\npaths:\n  /a:\n";

fn refused(text: &str) -> String {
    parse_document("a.yaml", text.as_bytes()).expect_err(text.get(..200).unwrap_or(text)).to_string()
}

#[test]
fn a_reference_to_itself() {
    assert_eq!(
        refused(&format!("{HEAD}    $ref: '#/paths/~1a'\n")),
        "a.yaml:3: `$ref` leads to itself, or over more than 32 others"
    );
}

#[test]
fn references_in_a_circle() {
    let text = format!(
        "{HEAD}    get:\n      requestBody: {{ $ref: '#/components/requestBodies/A' }}\ncomponents:\n  requestBodies:\n    A: {{ $ref: '#/components/requestBodies/B' }}\n    B: {{ $ref: '#/components/requestBodies/A' }}\n"
    );
    assert!(
        refused(&text).ends_with("`$ref` leads to itself, or over more than 32 others"),
        "{}",
        refused(&text)
    );
}

#[test]
fn a_schema_that_contains_itself_is_cut() {
    let text = "openapi: 3.0.0\ncomponents: {schemas: {T: {type: object, required: [t], properties: {t: {$ref: '#/components/schemas/T'}}}}}\npaths: {/a: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/T'}}}}}}}";
    let document = parse_document("a", text.as_bytes()).unwrap();
    assert!(document.operations[0].body.is_some());
}

/// Twenty members, each the schema itself: its example has 20^7 values.
#[test]
fn a_schema_that_contains_itself_many_times() {
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let members: Vec<String> =
        names.iter().map(|name| format!("{name}: {{$ref: '#/components/schemas/T'}}")).collect();
    let text = format!(
        "openapi: 3.0.0\ncomponents: {{schemas: {{T: {{type: object, required: [{}], properties: {{{}}}}}}}}}\npaths: {{/a: {{post: {{requestBody: {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/T'}}}}}}}}}}}}}}",
        names.join(","),
        members.join(",")
    );
    assert!(refused(&text).contains("more than 1000000 values"), "{}", refused(&text));
}

/// One example of half a megabyte in each of a thousand operations.
#[test]
fn a_big_example_that_is_used_often() {
    let mut text = format!(
        "openapi: 3.0.0\ncomponents: {{examples: {{E: {{value: {}}}}}}}\npaths:\n",
        "x".repeat(500_000)
    );
    for number in 0..1_000 {
        text.push_str(&format!(
            "  /{number}: {{post: {{requestBody: {{content: {{application/json: {{examples: {{e: {{$ref: '#/components/examples/E'}}}}}}}}}}}}}}\n"
        ));
    }
    assert!(refused(&text).contains("more than 1000000 values"), "{}", refused(&text));
}

#[test]
fn a_reference_to_another_host() {
    let told = refused(&format!("{HEAD}    $ref: https://evil.test/x.yaml\n"));
    assert_eq!(
        told,
        "a.yaml:4: `$ref` leads to another document, which is not fetched: `https://evil.test/x.yaml`; bundle them first"
    );
}

#[test]
fn a_reference_to_a_file() {
    let told = refused(&format!("{HEAD}    $ref: ../../../../etc/passwd\n"));
    assert!(told.contains("leads to another document, which is not fetched"), "{told}");
}

#[test]
fn a_reference_to_nothing() {
    let told = refused(&format!("{HEAD}    $ref: '#/nowhere'\n"));
    assert_eq!(told, "a.yaml:4: `$ref` leads nowhere: `#/nowhere`");
}

#[test]
fn operations_beside_a_reference() {
    let told = refused(&format!("{HEAD}    $ref: '#/paths/~1b'\n    delete: {{}}\n  /b: {{ get: {{}} }}\n"));
    assert!(told.contains("what stands beside a path's `$ref` may mean anything"), "{told}");
}

#[test]
fn fifty_megabytes() {
    let big = vec![b' '; 50 << 20];
    let error = parse_document("a.json", &big).unwrap_err().to_string();
    assert_eq!(error, "a.json:1: the document has 50 MiB; at most 16 MiB are read");
    let one_more = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    assert!(parse_document("a.json", &one_more).is_err());
}

/// Ten levels of nine aliases each: 9^10 values.
#[test]
fn a_bomb_of_yaml_aliases() {
    let mut text = "openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, last) in ('b'..='k').zip('a'..) {
        let nine = vec![format!("*{last}"); 9].join(",");
        text.push_str(&format!("{name}: &{name} [{nine}]\n"));
    }
    let told = refused(&(text + "paths: {}\n"));
    assert!(told.ends_with("more than 1000000 values (aliases count as often as they are used)"), "{told}");
}

/// A megabyte of text, and a hundred thousand aliases of it.
#[test]
fn a_bomb_of_one_long_text() {
    let text = format!("openapi: 3.0.0\na: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(100_000));
    assert!(refused(&text).contains("more than 1000000 values"));
}

#[test]
fn an_alias_inside_its_own_anchor() {
    assert_eq!(refused("openapi: 3.0.0\na: &a [*a]\n"), "a.yaml:2: an alias stands inside its own anchor");
}

#[test]
fn deep_nesting_in_yaml_and_json() {
    assert_eq!(refused(&"[".repeat(200)), "a.yaml:1: nested more than 100 deep");
    let deep = format!("{{\"openapi\":{}", "[".repeat(1_000_000));
    assert_eq!(refused(&deep), "a.yaml:1: nested more than 100 deep");
    let deep = format!("{{\"openapi\":{}", "{\"a\":".repeat(200_000));
    assert_eq!(refused(&deep), "a.yaml:1: nested more than 100 deep");
    let mut indented = "openapi: 3.0.0\n".to_owned();
    for level in 0..2_000 {
        indented.push_str(&format!("{}a:\n", " ".repeat(level)));
    }
    assert!(refused(&indented).ends_with("nested more than 100 deep"), "{}", refused(&indented));
}

#[test]
fn bytes_that_are_no_utf_8() {
    let told = |bytes: &[u8]| parse_document("a", bytes).unwrap_err().to_string();
    assert_eq!(told(b"openapi: 3\n\xff"), "a:2: the document is not UTF-8");
    assert_eq!(told(b"\xff\xfeo\0p\0e\0n\0a\0p\0i\0"), "a:1: the document is not UTF-8");
    assert_eq!(told(b"{\"openapi\": \"3.0.0\", \"\xc3\x28\": 1}"), "a:1: the document is not UTF-8");
}

#[test]
fn a_name_that_stands_twice() {
    assert_eq!(
        refused(&format!("{HEAD}    get: {{ security: [] }}\n    get: {{}}\n")),
        "a.yaml:5: `get` stands twice"
    );
    assert_eq!(
        refused("{\"openapi\": \"3.0.0\",\n\"paths\": {},\n\"paths\": {}}"),
        "a.yaml:3: `paths` stands twice"
    );
    assert_eq!(
        refused("{\"openapi\": \"3.0.0\",\n\"paths\": {},\n\"p\\u0061ths\": {}}"),
        "a.yaml:3: `paths` stands twice"
    );
}

#[test]
fn a_merge_that_yaml_1_2_does_not_know() {
    let told =
        refused("openapi: 3.0.0\nbase: &base { security: [] }\npaths:\n  /a:\n    get:\n      <<: *base\n");
    assert_eq!(told, "a.yaml:6: YAML 1.2 has no merge (`<<`): write the members out");
}

#[test]
fn a_second_document_in_the_file() {
    let told = refused("openapi: 3.0.0\npaths: {}\n---\nopenapi: 3.0.0\npaths: {/hidden: {get: {}}}\n");
    assert!(told.ends_with("a second document begins: one file holds one"), "{told}");
}

#[test]
fn versions() {
    assert!(
        refused("swagger: '2.0'\npaths: {}\n")
            .contains("Swagger 2 is not read: convert the document to OpenAPI 3")
    );
    for version in ["2.0", "4.0.0", "'31'", "true", "[3]"] {
        let told = refused(&format!("openapi: {version}\npaths: {{}}\n"));
        assert!(told.ends_with("OpenAPI 3.0, 3.1 or 3.2 is needed"), "{version}: {told}");
    }
    assert!(refused("info: {}\n").ends_with("`openapi` is missing: this is no OpenAPI document"));
    assert!(refused("").contains("the document is empty"));
    assert!(refused("<html>no</html>").ends_with("`openapi` is missing: this is no OpenAPI document"));
    for version in ["3.0.3", "'3.0'", "3.1", "3.1.1", "3.2.0"] {
        let text = format!("openapi: {version}\npaths: {{/a: {{get: {{}}}}}}\n");
        assert_eq!(parse_document("a", text.as_bytes()).unwrap().operations.len(), 1, "{version}");
    }
}

/// OpenAPI 3.2 has `query`, and any other method below `additionalOperations`: none may be left out.
#[test]
fn methods_of_3_2_are_read() {
    let text = "openapi: 3.2.0\npaths:\n  /a:\n    query: {}\n    additionalOperations:\n      COPY: {}\n      LINK: {}\n";
    let document = parse_document("a", text.as_bytes()).unwrap();
    let names: Vec<String> = document.operations.iter().map(|operation| operation.name()).collect();
    assert_eq!(names, ["QUERY /a", "COPY /a", "LINK /a"]);
}

#[test]
fn a_method_that_would_be_overlooked() {
    assert_eq!(
        refused(&format!("{HEAD}    GET: {{}}\n")),
        "a.yaml:4: `GET` is no method: they are in small letters"
    );
    assert!(refused(&format!("{HEAD}    delte: {{}}\n")).contains("`delte` is no method"));
    assert!(refused("openapi: 3.0.0\npaths: {a: {}}").contains("begins with `/`"));
}

#[test]
fn many_parameters_and_long_paths() {
    let many = "{ name: a, in: query },".repeat(501);
    assert!(
        refused(&format!("{HEAD}    parameters: [{many}]\n    get: {{}}\n"))
            .ends_with("more than 500 parameters")
    );
    let long = format!("openapi: 3.0.0\npaths: {{'/{}': {{get: {{}}}}}}", "{a}".repeat(2_000));
    assert!(refused(&long).ends_with("a path has more than 4096 bytes"));
    let operations: String = (0..5_001).map(|number| format!("  /{number}: {{ get: {{}} }}\n")).collect();
    assert!(refused(&format!("openapi: 3.0.0\npaths:\n{operations}")).ends_with("more than 5000 operations"));
}

#[test]
fn text_that_is_neither() {
    for text in [
        "{",
        "{\"openapi\"",
        "{\"openapi\": \"3.0.0\"} x",
        "{\"openapi\": 3.0.0}",
        "a: [",
        "\u{0}",
        "{\"a\": \"\\ud800\"}",
    ] {
        let told = refused(text);
        assert!(told.starts_with("a.yaml:1") || told.starts_with("a.yaml:2"), "{text}: {told}");
    }
}
