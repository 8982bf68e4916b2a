use super::Settings;
use crate::parse_routes;

fn refused(text: &str) -> String {
    match Settings::parse("audit.toml", text) {
        Err(error) => error.to_string(),
        Ok(settings) => {
            let document =
                parse_routes("routes.txt", "GET /orders\nPOST /orders\nGET /orders/{id}\n").unwrap();
            settings.check_against(&document, "audit.toml", text).unwrap_err().to_string()
        }
    }
}

#[test]
fn errors_have_line_and_nearest_name() {
    assert_eq!(
        refused("base = \"x\"\naudiance = \"orders\"\n"),
        "audit.toml:2: unknown field `audiance`; did you mean `audience`?"
    );
    assert_eq!(
        refused("[expect]\n\"GET /order\" = [\"admin\"]\n"),
        "audit.toml:2: routes.txt has no operation `GET /order`; did you mean `GET /orders`?"
    );
    assert_eq!(
        refused("[paths.\"/orders/{id}\"]\nidd = \"order\"\n"),
        "audit.toml:1: `/orders/{id}` has no parameter `idd`; did you mean `id`?"
    );
    assert!(
        refused("[objects.order]\ncreate = \"POST /orders\"\n[paths.\"/orders/{id}\"]\nid = \"ordr\"\n")
            .ends_with("did you mean `order`?")
    );
    assert_eq!(
        refused("[token]\nkey = \"es255\"\n"),
        "audit.toml:2: there is no key `es255`; did you mean `es256`?"
    );
    assert!(refused("[organisations.a]\nid = \"x\"\n[organisations.b]\nid = \"x\"\n").contains("same id"));
    assert!(
        refused("[allow]\n\"GET /orders\" = \"everybody\"\n").starts_with("audit.toml:2: unknown variant")
    );
    assert!(refused("a = [\n").starts_with("audit.toml:"));
}
