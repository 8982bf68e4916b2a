//! What cannot be asked, for want of something that only a person can say.

use super::{Ground, Shape};
use crate::{Destructive, Operation, document::Access};

/// Most operations that one line names.
const NAMED: usize = 4;

impl Ground<'_> {
    /// One line for each gap: what is not checked, and what would change that.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let asked = || {
            let operations = self.document.operations.iter();
            operations
                .filter(|operation| !self.is_skipped(operation) && self.access(operation) != Access::Public)
        };
        if !self.organisations {
            gaps.push(
                "whether one organisation sees another's data: [organisations.a] and [organisations.b] say who they are \
                 (`countersign audit init` writes a first audit.toml)"
                    .to_owned(),
            );
        } else {
            let unknown = |operation: &&Operation| {
                operation.path_parameters().next().is_some() && self.kinds(operation).is_empty()
            };
            gaps.extend(listed("foreign objects of", asked().filter(unknown), "[paths] says what they name"));
        }
        if self.roles.is_empty() {
            gaps.push("roles: neither the document nor [expect] names any".to_owned());
        }
        let kept = |operation: &&Operation| !operation.is_safe() && !Shape::of(self, operation).control;
        gaps.extend(listed(
            "good requests of",
            asked().filter(kept),
            "[objects] says what may be changed, or --allow-destructive",
        ));
        if self.destructive == Destructive::Off {
            gaps.push("unsafe methods: --safe-only".to_owned());
        }
        gaps.extend(listed(
            "anything of",
            self.document
                .operations
                .iter()
                .filter(|operation| self.settings.skip.contains(&operation.name())),
            "they are in `skip`",
        ));
        gaps
    }
}

fn listed<'a>(what: &str, operations: impl Iterator<Item = &'a Operation>, why: &str) -> Option<String> {
    let names: Vec<String> = operations.map(Operation::name).collect();
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    (!shown.is_empty()).then(|| format!("{what} {}{more}: {why}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use crate::{Destructive, Settings, parse_routes, plan::Ground};

    fn gaps(routes: &str, settings: &str) -> Vec<String> {
        let document = parse_routes("routes.txt", routes).unwrap();
        let settings = Settings::parse("audit.toml", settings).unwrap();
        Ground::new(&document, &settings, Destructive::OwnOnly).gaps()
    }

    const TWO: &str = "[organisations.a]\nid = \"a\"\n[organisations.b]\nid = \"b\"\n";

    #[test]
    fn without_settings_it_is_said_what_is_missing() {
        let gaps = gaps("GET /a\nGET /a/{id}\nPOST /a\n", "");
        assert!(gaps[0].starts_with("whether one organisation sees another's data"), "{gaps:?}");
        assert!(gaps[1].starts_with("roles: "), "{gaps:?}");
    }

    #[test]
    fn with_everything_said_there_is_no_gap() {
        let settings = format!(
            "{TWO}[objects.thing]\ncreate = \"POST /a\"\nbody = {{ name = \"{{canary}}\" }}\n[paths.\"/a/{{id}}\"]\nid = \"thing\"\n"
        );
        assert_eq!(gaps("GET /a\nGET /a/{id}\nPOST /a editor\n", &settings), Vec::<String>::new());
        let skipped = format!("skip = [\"GET /b\"]\n{settings}");
        assert_eq!(
            gaps("GET /a\nGET /b\nGET /a/{id}\nPOST /a editor\n", &skipped),
            ["anything of GET /b: they are in `skip`"]
        );
    }

    #[test]
    fn an_object_that_nothing_is_known_of_is_named() {
        let gaps = gaps("GET /a/{id} editor\nGET /b/{id}\nGET /c public\n", TWO);
        assert_eq!(gaps, ["foreign objects of GET /a/{id}, GET /b/{id}: [paths] says what they name"]);
    }
}
