//! `countersign check` in front of a server that answers as it is told.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread,
};

use serde_json::Value;

use crate::command::{countersign, expect};

const LIVE: &str = "planted-live-cookie-7f3a9c1e5b2d8064";

/// An authorization server with introspection at `/introspect` and a login page at every other path. Its thread ends
/// with the test's process.
fn server(live: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || while answer(&stream, live).is_some() {});
        }
    });
    port
}

fn answer(stream: &TcpStream, live: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let (headers, text) = if line.starts_with("POST /introspect") {
        let text = if body.contains(LIVE) { live } else { "{\"active\":false}" };
        ("Content-Type: application/json\r\n", text)
    } else {
        (
            "Set-Cookie: SESSION=7f3a9c1e5b2d8064f1a3c5e7092b4d6f; Path=/; Secure; HttpOnly; Domain=shop.example\r\n",
            "",
        )
    };
    let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{text}", text.len());
    (&mut &*stream).write_all(answer.as_bytes()).ok()
}

fn prepare(folder: &Path, port: u16) {
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("secret", "planted-client-secret\n");
    write("cookie", LIVE);
    write(
        "gateway.toml",
        &format!(
            "issuer = \"https://shop.example\"\n[session]\ncookie = \"SESSION\"\nintrospect = \"http://127.0.0.1:{port}/introspect\"\n\
             client_id = \"gateway\"\nclient_secret_file = \"secret\"\n[claims]\nroles = \"session.authorities\"\n\
             organisation = \"session.org.id\"\n[[route]]\npath = \"/orders/\"\nupstream = \"http://127.0.0.1:9001\"\n\
             audience = \"orders\"\nrequire = {{ roles = [\"editor\"] }}\n"
        ),
    );
}

const GOOD: &str = r#"{"active":true,"sub":"u-1001","client_id":"shop-web","username":"alice","authorities":["editor"],"org":{"id":"acme"}}"#;

#[test]
fn a_live_cookie_shows_what_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let port = server(GOOD);
    prepare(folder.path(), port);
    let login = format!("http://127.0.0.1:{port}/login");
    let arguments = ["check", "--config", "gateway.toml", "--cookie-file", "cookie", "--login-url", &login];
    let ran = countersign(folder.path(), &arguments, "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains("planted") && !ran.output.contains("7f3a9c1e"), "{ran:?}");
    expect("check.txt", &stable(&ran.output, port));
    let ran = countersign(folder.path(), &[&arguments[..], &["--json"]].concat(), "");
    let printed: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(printed["cookie"]["grade"], "C", "{ran:?}");
    assert!(!ran.output.contains("planted"));
}

/// Without what differs from run to run.
fn stable(output: &str, port: u16) -> String {
    output.replace(&port.to_string(), "PORT")
}

#[test]
fn a_dead_cookie_fails_and_says_what_it_can_mean() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), server("{\"active\":false}"));
    let ran =
        countersign(folder.path(), &["check", "--config", "gateway.toml", "--cookie-file", "cookie"], "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.output.contains("FAIL  the token you gave is called dead")
            && ran.output.contains("not ready: 1 fault"),
        "{ran:?}"
    );
}

#[test]
fn an_answer_that_cannot_be_used_names_its_members_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), server(r#"{"active":true,"sub":"planted-subject","roles":["planted-role"]}"#));
    let ran =
        countersign(folder.path(), &["check", "--config", "gateway.toml", "--cookie-file", "cookie"], "");
    assert_eq!(ran.code, 1);
    let flat = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains(
            "the organisation is not in the answer; it has session.active, session.roles, session.sub"
        ),
        "{ran:?}"
    );
    assert!(!ran.output.contains("planted"));
}

#[test]
fn a_server_that_is_not_there_fails() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    prepare(folder.path(), port);
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
    assert_eq!(ran.code, 1);
    assert!(ran.output.contains("FAIL  the authorization server cannot be asked"), "{ran:?}");
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml", "--offline"], "");
    assert_eq!(ran.code, 0);
}

#[test]
fn files_of_the_command_line_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), 9);
    fs::write(folder.path().join("two"), "planted one\nplanted two").unwrap();
    fs::write(folder.path().join("other"), "Set-Cookie: other=1").unwrap();
    for (arguments, words) in [
        (["--cookie-file", "none"], "cannot be read"),
        (["--cookie-file", "two"], "holds no credential"),
        (["--token-file", "cookie"], "accepts no bearer tokens"),
        (["--set-cookie-file", "other"], "holds no `Set-Cookie` of `SESSION`"),
        (["--login-url", "ftp://a/"], "no http or https URL"),
    ] {
        let ran = countersign(
            folder.path(),
            &[&["check", "--config", "gateway.toml"][..], &arguments].concat(),
            "",
        );
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.complaint.contains(words) && !ran.complaint.contains("planted"), "{ran:?}");
    }
}
