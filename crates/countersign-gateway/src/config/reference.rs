//! The reference page of the configuration, from the table of keys.

use std::fmt::Write as _;

use crate::config::{
    key::{Absent, Key, Kind},
    keys,
    keys::KEYS,
};

const INTRODUCTION: &str = "\
<!-- Made by `countersign config reference` from the parser's own table: change that, not this page. -->

# Configuration

One TOML file, given with `--config FILE`. What is not written has the stated default, and every default is safe.
A key that is not on this page is an error. `countersign check --config FILE` reads the file as `run` does, and tells
every fault at once with line, column, key and the nearest right name.

";

const FORMS: &str = "
## Forms

- **Duration**: a string of one whole number and one unit: `\"250ms\"`, `\"30s\"`, `\"5m\"`, `\"8h\"`, `\"7d\"`.
- **Size**: a string of one whole number and one unit: `\"512B\"`, `\"32KiB\"`, `\"16MiB\"`, `\"1GiB\"`; or an integer, in bytes.
- **Path**: a relative one starts at the folder of the configuration file.
- **Secret**: never in the file. A key that ends with `_file` names a file with nothing but the secret, one that ends
  with `_env` an environment variable. A file that group or others can write is refused; one that everybody can read
  needs `insecure_secret_files = true`. At most 256 KiB.
- **Plain HTTP** is spoken to loopback (`127.0.0.0/8`, `::1`, `localhost`, `*.localhost`) and nowhere else, unless a
  key that begins with `insecure_` names it. `countersign check` lists those that are on.
";

/// Bounds that no key changes. A test holds them to the constants in the source.
const FIXED_BOUNDS: &str = "
## Fixed bounds

What no key changes.

| what | bound | beyond it |
|---|---|---|
| request target | 8 KiB | 414 `uri_too_long` |
| method | 32 bytes | 400 `request_line_malformed` |
| extensions of one chunk | 256 bytes | 400 `framing` |
| chunk extensions of one body | 8 KiB | 400 `framing` |
| trailers of a request over HTTP/1.1 | 8 KiB | the request ends unfinished |
| credential | 8 KiB | 431 `credential_too_large` |
| answer of the authorization server | 64 KiB, 16 KiB of headers | 503 `source_nonsense` |
| HTTP/2 streams a client resets before they are taken | 20; 1,000 on a connection of `trusted_proxies` | the connection ends |
| HTTP/2 streams that end by a client's errors | 1,024 | the connection ends |
| HTTP/2 answer waiting for a client, for each stream | 64 KiB | the service is not read on |
| what a client sends after its last answer over HTTP/1.1 | read away for 2 s, until it closes | the connection is closed |
| first request of a connection that is open when a drain begins | 1 s | the connection is closed |
| connections that a worker opens to one upstream at once | 64 | the request waits |
| waiting for one's turn to connect | 15 × `limits.connect_timeout` | 502 `upstream_unreachable` |
| idle connection to an upstream over HTTP/1.1 | 4 s | it is closed |
| addresses of an upstream's name | 30 s | the name is resolved again |
| an upstream after 3 failures to connect within 10 s | 10 s | it is left out, as long as there is another |
| HTTP/2 connections of a worker to one upstream | 4, a new one beyond 100 streams | they are shared |
| HTTP/2 upstream that is silent while requests are open | 20 s, then 10 s for the answer to a ping | the connection ends |
| head of a service's answer over HTTP/1.1 | 100 fields, 100 options of `Connection`, 256 KiB | 502 `upstream_malformed` |
| before the head of a service's answer over HTTP/1.1 | 100 informational answers, 16 empty lines | 502 `upstream_malformed` |
| trailers of a service's answer over HTTP/1.1, and the line of a chunk's size | 16 KiB | the answer is cut off |
| a client's connection that is to leave HTTP, once the service agreed | 10 s | the connection is closed |
| RSA signatures at once | one for each of `workers`; 4 for exchanges | the request waits |
| `admin_listen` and `control.sock`, each | 64 connections, 16 KiB and 10 s for a head, 30 s for all | the next waits; the connection is closed |
| `internal_listen` | 1,024 connections, 32 KiB and 10 s for a head, 64 KiB for a form | the next waits; it is refused |
| revocation feed | 1,000 streams, 16 pieces and 5 s behind for each | refused; the stream is cut |
";

/// The page in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("## Top of the file\n\n");
    rows(&mut page, "");
    for table in KEYS.iter().filter(|key| is_table(key)) {
        section(&mut page, table);
    }
    page.push_str(FIXED_BOUNDS);
    page.push_str(FORMS);
    page
}

const fn is_table(key: &Key) -> bool {
    matches!(key.kind, Kind::Table | Kind::Tables)
}

/// The path of the keys in a table: `route[]` for `route`.
pub(super) fn path_inside(table: &Key) -> String {
    if table.kind == Kind::Tables { format!("{}[]", table.path) } else { table.path.to_owned() }
}

fn section(page: &mut String, table: &Key) {
    let name = table.path.replace("[]", "");
    let header = if table.kind == Kind::Tables { format!("[[{name}]]") } else { format!("[{name}]") };
    let absent = match table.absent {
        Absent::Required => "Required.".to_owned(),
        Absent::Default(text) | Absent::Described(text) => format!("Without it: {text}."),
    };
    // A `String` takes everything that is written to it.
    let _ = write!(page, "\n## `{header}`\n\n{} {absent}\n\n", table.meaning);
    rows(page, &path_inside(table));
}

fn rows(page: &mut String, table: &str) {
    page.push_str("| key | takes | without it | meaning |\n|---|---|---|---|\n");
    for name in keys::names_in(table) {
        let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
        let Some(key) = keys::find(&path).filter(|key| !is_table(key)) else { continue };
        let absent = match key.absent {
            Absent::Default(text) => format!("`{text}`"),
            Absent::Described(text) => text.to_owned(),
            Absent::Required => "required".to_owned(),
        };
        let since = if key.since == "0.1" { String::new() } else { format!(" Since {}.", key.since) };
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {}{since} |",
            cell(&key.kind.expected()),
            cell(&absent),
            cell(key.meaning)
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
