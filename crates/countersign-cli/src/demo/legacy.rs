//! `countersign demo --legacy`: a service with faults to order, for `countersign audit` to find.

use std::path::Path;

use countersign_demo::legacy::{self, AUDIT_CONFIG, Fault, Faults, JwksSource, NoSuchFault, Trust};

use super::{fail, with_sources};
use crate::{arguments::DemoArguments, exit::Exit, fetch, screen};

/// The issuer of every token of the audit.
const ISSUER: &str = "https://countersign-audit.invalid";
/// What the service is called.
const AUDIENCE: &str = "legacy";

/// Runs it until somebody ends it.
pub(super) fn run(arguments: &DemoArguments) -> Exit {
    if arguments.faults.iter().any(|name| name == "list") {
        screen::print(&list());
        return Exit::Good;
    }
    let faults: Result<Faults, NoSuchFault> = arguments.faults.iter().map(|name| name.parse()).collect();
    let faults = match faults {
        Ok(faults) => faults,
        Err(unknown) => return fail(&format!("{unknown}: `--fault list` prints them all")),
    };
    match fetch::wait(stay(arguments, faults)) {
        Ok(Ok(())) => Exit::Good,
        Ok(Err(problem)) => fail(&problem),
        Err(error) => fail(&error.to_string()),
    }
}

fn list() -> String {
    let widest = Fault::ALL.iter().map(|fault| fault.name().len()).max().unwrap_or_default();
    Fault::ALL.iter().map(|fault| format!("{:widest$}  {}\n", fault.name(), fault.sentence())).collect()
}

async fn stay(arguments: &DemoArguments, faults: Faults) -> Result<(), String> {
    let source = match &arguments.key_set {
        url if url.starts_with("http://") => JwksSource::Url(url.clone()),
        file => JwksSource::File(file.into()),
    };
    let on: Vec<&str> = faults.iter().map(Fault::name).collect();
    let trust = Trust::new(ISSUER, AUDIENCE, source);
    let running =
        legacy::start_at(arguments.listen, faults, trust).await.map_err(|error| with_sources(&error))?;
    let config = running.folder().join("audit.toml");
    std::fs::write(&config, audit_config(&arguments.key_set)).map_err(|error| error.to_string())?;
    screen::print(&introduction(&running.url(), &config, &arguments.key_set, &on));
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}

/// With the address at which the audit has to serve its key set, if the service fetches it.
fn audit_config(key_set: &str) -> String {
    let address = key_set.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    match address {
        Some(address) => format!("{AUDIT_CONFIG}\n[token]\nlisten = \"{address}\"\n"),
        None => AUDIT_CONFIG.to_owned(),
    }
}

fn introduction(url: &str, config: &Path, key_set: &str, on: &[&str]) -> String {
    // The service looks into the file when it meets a key that it does not know.
    let write =
        if key_set.starts_with("http://") { String::new() } else { format!(" --write-jwks {key_set}") };
    let faults = if on.is_empty() { "none".to_owned() } else { on.join(", ") };
    format!(
        "The legacy service is at {url}\n\
         Its document: {url}/openapi.json\n\
         Its faults: {faults}\n\n\
         In another terminal:\n\n    \
         countersign audit --target {url} --spec {url}/openapi.json --config {}{write}\n\n\
         Ctrl-C ends it and removes all its files.\n",
        config.display()
    )
}

#[cfg(test)]
mod tests {
    use super::{AUDIT_CONFIG, audit_config, introduction, list};

    #[test]
    fn the_audit_serves_its_keys_where_the_service_looks_for_them() {
        let config = audit_config("http://127.0.0.1:8089/jwks.json");
        assert!(config.ends_with("[token]\nlisten = \"127.0.0.1:8089\"\n"), "{config}");
        assert_eq!(audit_config("keys.json"), AUDIT_CONFIG);
    }

    #[test]
    fn the_line_that_is_printed_gives_the_service_its_keys() {
        let told = |key_set| introduction("http://127.0.0.1:1", "a.toml".as_ref(), key_set, &[]);
        assert!(told("keys.json").contains("--config a.toml --write-jwks keys.json\n"));
        assert!(told("http://127.0.0.1:8089/jwks.json").contains("--config a.toml\n"));
    }

    #[test]
    fn each_fault_is_a_line() {
        assert!(list().lines().count() >= 40);
        assert!(list().contains("list-not-filtered"));
    }
}
