//! An authorization server that answers as it is told, and a folder with a configuration for it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Mutex,
    thread,
};

/// The value of the one live cookie.
pub(crate) const LIVE: &str = "planted-live-cookie-7f3a9c1e5b2d8064";

/// The last token that each server was sent as a service.
static TOKENS: Mutex<BTreeMap<u16, String>> = Mutex::new(BTreeMap::new());

/// The last token that the server on that port was sent as a service.
pub(crate) fn last_token(port: u16) -> String {
    TOKENS.lock().unwrap()[&port].clone()
}

/// An authorization server with introspection at `/introspect`, a page that says who is logged in and replaces the cookie at
/// `/me`, and a login page at every other path. Its thread ends
/// with the test's process.
pub(crate) fn server(live: &'static str) -> u16 {
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
    let (mut length, mut has_live_cookie) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        has_live_cookie |= header.starts_with("cookie: ") && header.contains(LIVE);
        if let Some(token) = header.strip_prefix("authorization: Bearer ") {
            let port = stream.local_addr().unwrap().port();
            TOKENS.lock().unwrap().insert(port, token.trim().to_owned());
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
    } else if line.starts_with("GET /me") {
        let text = if has_live_cookie { live } else { "null" };
        ("Set-Cookie: SESSION=planted-next-cookie; Path=/\r\n", text)
    } else {
        (
            "Set-Cookie: SESSION=7f3a9c1e5b2d8064f1a3c5e7092b4d6f; Path=/; Secure; HttpOnly; Domain=shop.example\r\n",
            "",
        )
    };
    let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{text}", text.len());
    (&mut &*stream).write_all(answer.as_bytes()).ok()
}

/// Writes `gateway.toml`, `secret` and `cookie`.
pub(crate) fn prepare(folder: &Path, port: u16) {
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("secret", "planted-client-secret\n");
    write("cookie", LIVE);
    write(
        "gateway.toml",
        &format!(
            "issuer = \"https://shop.example\"\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nstate_dir = \"state\"\n\
             [session]\ncookie = \"SESSION\"\nintrospect = \"http://127.0.0.1:{port}/introspect\"\n\
             client_id = \"gateway\"\nclient_secret_file = \"secret\"\n[claims]\nroles = \"session.authorities\"\n\
             organisation = \"session.org.id\"\n[[route]]\npath = \"/orders/\"\nupstream = \"http://127.0.0.1:9001\"\n\
             audience = \"orders\"\nrequire = {{ roles = [\"editor\"] }}\n"
        ),
    );
}

/// An answer that can be used.
pub(crate) const GOOD: &str = r#"{"active":true,"sub":"u-1001","client_id":"shop-web","username":"alice","authorities":["editor"],"org":{"id":"acme"}}"#;
