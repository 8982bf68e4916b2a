//! What holds for any plan.

use proptest::prelude::*;

use super::{Content, Credential, Ground, Rule, Whose};
use crate::{Destructive, Settings, document::Access, parse_routes};

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "v2", "{id}", "{org}"]), 1..4)
        .prop_map(|parts| format!("/{}", parts.join("/")))
}

fn roles() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "public", "admin", "admin|editor"])
}

const ORGANISATIONS: &str = "[organisations.a]\nid = \"acme\"\n[organisations.b]\nid = \"globex\"\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_is_not_ours_is_changed(routes in prop::collection::vec((method(), path(), roles()), 1..6)) {
        let text: String = routes.iter().map(|(method, path, roles)| format!("{method} {path} {roles}\n")).collect();
        let document = parse_routes("routes.txt", &text).unwrap();
        let settings = Settings::parse("audit.toml", ORGANISATIONS).unwrap();
        let ground = Ground::new(&document, &settings, Destructive::OwnOnly);
        for operation in &document.operations {
            for case in ground.cases(operation, &[]) {
                let safe = matches!(case.call.method.as_str(), "GET" | "HEAD" | "OPTIONS");
                let with_power = matches!(case.call.credential, Credential::Good(_));
                // No object is described: a good token goes out only where it cannot do anything.
                let harmless = safe
                    || matches!(case.call.content, Content::Broken | Content::Empty)
                    || case.call.whose == Whose::Absent;
                prop_assert!(harmless || !with_power, "{case:?}");
            }
        }
    }

    #[test]
    fn whatever_is_not_public_is_asked_without_a_token_first(method in method(), path in path(), roles in roles()) {
        let document = parse_routes("routes.txt", &format!("{method} {path} {roles}")).unwrap();
        let settings = Settings::default();
        let ground = Ground::new(&document, &settings, Destructive::OwnOnly);
        let operation = &document.operations[0];
        let cases = ground.cases(operation, &[]);
        if ground.access(operation) == Access::Public {
            prop_assert!(cases.iter().all(|case| case.rule != Rule::Refused));
        } else {
            prop_assert_eq!(&*cases[0].cell, super::NO_TOKEN_CELL);
            prop_assert!(matches!(cases[0].call.credential, Credential::Absent));
        }
    }

    #[test]
    fn no_unsafe_method_is_used_if_it_is_forbidden(method in method(), path in path()) {
        let document = parse_routes("routes.txt", &format!("{method} {path} admin")).unwrap();
        let settings = Settings::default();
        let ground = Ground::new(&document, &settings, Destructive::Off);
        let operation = &document.operations[0];
        if !ground.is_skipped(operation) {
            for case in ground.cases(operation, &[]) {
                prop_assert!(matches!(case.call.method.as_str(), "GET" | "HEAD" | "OPTIONS"), "{case:?}");
            }
        }
    }
}
