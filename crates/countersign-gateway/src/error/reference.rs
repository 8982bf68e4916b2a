//! The public page of codes, made from the tables themselves.

use std::fmt::Write as _;

use countersign::TokenRefusal;

use super::{Challenge, Refusal};

/// The page, in Markdown: what the gateway refuses, and what the library refuses in a service.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Refusals\n\n\
         <!-- Made from the tables in the source; UPDATE_REFERENCE=1 cargo test writes it. -->\n\n\
         Every refusal has a code that never changes its meaning. It stands in the body\n\
         (`application/problem+json`, RFC 9457: `type` is `urn:countersign:refusal:` and the code), in logs and in\n\
         metrics; the gateway also puts it in the header `Countersign-Refused`. A challenge is the\n\
         `WWW-Authenticate` header of RFC 6750 §3.\n\n\
         An outage is never a 401: a client that gets a 503 still has its session.\n\n\
         ## By the gateway\n\n\
         `Countersign-Forwarded: 0` says that nothing of the request reached a service, so that it may be sent\n\
         again; `1` that some of it may have. `Countersign-Decision` names the request in the log.\n\n\
         | code | status | challenge | retry after | meaning |\n|---|---|---|---|---|\n",
    );
    for refusal in Refusal::ALL {
        let row = refusal.row();
        let challenge = match row.challenge {
            Challenge::Bare => "`Bearer`".to_owned(),
            Challenge::Error(error) => format!("`error=\"{error}\"`"),
            Challenge::None => String::new(),
            Challenge::Proof(error) => format!("`DPoP error=\"{error}\"`"),
        };
        let retry = row.retry_after.map_or_else(String::new, |after| format!("{} s", after.as_secs()));
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {challenge} | {retry} | {} |",
            row.code,
            row.status.as_u16(),
            row.text
        );
    }
    page.push_str(
        "\n## By a service that uses the library\n\n\
         The client learns the code and this text; the precise reason is for the service's log.\n\n\
         | code | status | meaning |\n|---|---|---|\n",
    );
    for refusal in TokenRefusal::ALL {
        let _ =
            writeln!(page, "| `{}` | {} | {} |", refusal.code(), refusal.status().as_u16(), refusal.text());
    }
    page
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::markdown;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that writes the page when it is told to")]
    fn the_page_is_the_one_of_the_tables() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/refusals.md");
        if std::env::var("UPDATE_REFERENCE").is_ok() {
            fs::write(&path, markdown()).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == markdown(), "{} is old: run the tests with UPDATE_REFERENCE=1", path.display());
    }
}
