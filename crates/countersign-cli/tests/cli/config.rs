//! The configuration: its examples, its faults, its reference.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::command::{countersign, expect};

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn reference_and_schema_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let reference = countersign(folder.path(), &["config", "reference"], "");
    assert_eq!(reference.output, fs::read_to_string(docs().join("reference/configuration.md")).unwrap());
    let schema = countersign(folder.path(), &["config", "schema"], "");
    assert_eq!(schema.output, fs::read_to_string(docs().join("reference/countersign.schema.json")).unwrap());
    assert_eq!((reference.code, schema.code), (0, 0));
}

#[test]
fn every_example_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("kek"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    for name in ["gateway", "orders", "notes", "store"] {
        write_secret(&folder.path().join(name), &format!("{name}-secret-of-32-bytes-and-more-7f3a9c1e"));
    }
    for name in ["key.pem", "gateway-key.pem"] {
        write_secret(&folder.path().join(name), &rcgen::KeyPair::generate().unwrap().serialize_pem());
    }
    let reports = rcgen::KeyPair::generate().unwrap().public_key_pem();
    fs::write(folder.path().join("reports.pem"), reports).unwrap();
    for name in ["shop.pem", "store-ca.pem"] {
        write_secret(&folder.path().join(name), "-----BEGIN CERTIFICATE-----\n");
    }
    let mut checked = 0;
    for entry in fs::read_dir(docs().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("client_secret_env") {
            continue;
        }
        let text = text.replace("secret_env = \"NOTES_SECRET\"", "secret_file = \"notes\"");
        let text = text.replace("/etc/countersign/reports.pem", "reports.pem");
        // What the machine alone can give becomes the file it stands for.
        let text = text.replace("/run/secrets/", "");
        let text = text.replace("encryption_key_credential", "encryption_key_file");
        let text = text.replace("encryption_key_env = \"KEK\"", "encryption_key_file = \"kek\"");
        fs::write(folder.path().join("gateway.toml"), text).unwrap();
        let ran = countersign(folder.path(), &["check", "--offline", "--config", "gateway.toml"], "");
        assert_eq!(ran.code, 0, "{} {ran:?}", path.display());
        assert!(ran.output.contains("ready"));
        checked += 1;
    }
    assert!(checked >= 5);
}

#[test]
fn secrets_can_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(docs().join("examples/bearer-tokens.toml")).unwrap();
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    let ran = countersign(folder.path(), &["check", "--offline", "--config", "gateway.toml"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.complaint.contains("session.client_secret_env: names a variable that is not set"), "{ran:?}");
}

const FAULTY: &str = "\
issuer = \"https://shop.example/\"
listen = \"0.0.0.0:8080\"

[session]
cokie = \"SESSION\"
introspect = \"https://gateway:planted-password@sso.example/introspect\"
client_id = \"gateway\"
client_secret = \"planted-secret\"
recheck = \"30\"

[[route]]
path = \"/orders\"
upstream = \"http://orders.internal:9001\"
audience = \"orders\"
";

#[test]
fn all_faults_are_shown_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.toml"), FAULTY).unwrap();
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
    assert_eq!((ran.code, ran.output.as_str()), (2, ""));
    expect("faults.txt", &ran.complaint);
    assert!(!ran.complaint.contains("planted"));
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml", "--json"], "");
    assert_eq!((ran.code, ran.complaint.as_str()), (2, ""));
    expect("faults.json", &ran.output);
    assert!(!ran.output.contains("planted"));
}

#[test]
fn a_file_that_cannot_be_read_is_2() {
    let folder = tempfile::tempdir().unwrap();
    let ran = countersign(folder.path(), &["check", "--config", "none.toml"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.complaint.starts_with("none.toml: there is no such file\n"), "{ran:?}");
    fs::write(folder.path().join("bytes.toml"), [0xff, 0xfe, 0x00]).unwrap();
    let ran = countersign(folder.path(), &["check", "--config", "bytes.toml"], "");
    assert!(ran.code == 2 && ran.complaint.contains("is not UTF-8"), "{ran:?}");
    let ran = countersign(folder.path(), &["check", "--config", "."], "");
    assert!(ran.code == 2 && ran.complaint.contains("cannot be read (is a directory)"), "{ran:?}");
}
