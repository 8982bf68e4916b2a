//! `countersign audit` runs clean on the demo's services.

use std::process::Command;

use countersign_demo::audited::Services;
use serde_json::Value;

use crate::port::Port;

const ISSUER: &str = "https://countersign-audit.invalid";

/// What the documents cannot say.
fn settings(service: &str, object: &str, body: &str) -> String {
    let across = if service == "orders" { "across = [\"GET /orders/everywhere\"]\n" } else { "" };
    format!(
        "audience = \"{service}\"\n{across}\
         [organisations.a]\nid = \"acme\"\n[organisations.b]\nid = \"globex\"\n\
         [objects.{object}]\ncreate = \"POST /{service}/\"\nbody = {body}\n\
         [paths.\"/{service}/{{id}}\"]\nid = \"{object}\"\n\
         [allow]\n\"GET /openapi.json\" = \"public\"\n"
    )
}

#[tokio::test]
async fn orders_and_notes_are_clean() {
    let port = Port::reserved();
    let keys = port.address.to_string();
    let services = Services::start(ISSUER, &format!("http://{keys}/jwks.json")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let asked = [
        (services.orders().to_owned(), settings("orders", "order", "{ item = \"{canary}\", quantity = 1 }")),
        (services.notes().to_owned(), settings("notes", "note", "{ title = \"{canary}\", text = \"x\" }")),
    ];
    for (target, settings) in asked {
        let (config, json) = (folder.path().join("audit.toml"), folder.path().join("audit.json"));
        std::fs::write(&config, settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["audit", "--spec", &format!("{target}/openapi.json"), "--target", &target]);
        command.args(["--serve-jwks", &keys, "--wait", "60", "--fail-on", "note"]);
        command.arg("--config").arg(&config).arg("--json").arg(&json);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{target}: {}\n{told}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{told}");
        let (decided, cells) =
            (report["coverage"]["decided"].as_u64().unwrap(), report["coverage"]["cells"].as_u64().unwrap());
        assert!(cells > 1_500 && decided * 100 >= cells * 98, "{decided} of {cells}\n{told}");
    }
}
