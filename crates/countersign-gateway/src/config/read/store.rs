//! `[store]`: where several gateways keep what they share.

use std::sync::Arc;

use crate::config::{
    environment::unreadable,
    error::ConfigErrorCode,
    reader::{Fault, Reader, Section},
    resolved::{StoreConfig, StoreServer},
    value,
};

/// A server's URL, taken apart.
struct Place {
    tls: bool,
    server: StoreServer,
    database: u8,
}

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    has_encryption_key: bool,
) -> Option<Arc<StoreConfig>> {
    let section = reader.section(top, "store");
    let places = reader.list(&section, "url", place).given().unwrap_or_default();
    let sentinel = reader.text(&section, "sentinel", name).given();
    let username = reader.text(&section, "username", name).given();
    let password = reader.secret_file(&section, "password_file").given();
    let password = password.and_then(|(_, bytes)| reader.secret_text(&section, "password_file", &bytes));
    let ca = reader.file(&section, "ca_file").given();
    let ca = ca.and_then(|path| match reader.environment.read_file(&path) {
        Ok(content) => Some(content.bytes.expose().clone()),
        Err(error) => {
            let problem = unreadable(&error);
            reader.fault(&section, "ca_file", Fault::new(ConfigErrorCode::Unreadable, problem));
            None
        }
    });
    let shared_name = reader.text(&section, "name", name);
    let timeout = reader.duration(&section, "timeout");
    let cache = reader.flag(&section, "cache");
    let max_alone = reader.duration_if_any(&section, "max_alone");
    let plain_is_named = reader.insecure(&section, "insecure_plain");
    if section.is_absent() {
        return None;
    }
    if places.len() > 1 && sentinel.is_none() {
        let problem = "names several servers: only sentinels may be several (`sentinel`)";
        reader.fault(&section, "url", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    if places
        .iter()
        .any(|one| places.iter().any(|other| (one.tls, one.database) != (other.tls, other.database)))
    {
        let problem = "names servers of different kinds";
        reader.fault(&section, "url", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let is_local = |place: &Place| value::is_loopback(&place.server.host);
    if !plain_is_named && places.iter().any(|place| !place.tls && !is_local(place)) {
        let problem = "is in clear beyond loopback: use `valkeys://`, or set `insecure_plain = true`";
        reader.fault(&section, "url", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    if !has_encryption_key {
        let problem = "needs `encryption_key_file`, `encryption_key_env` or `encryption_key_credential`: all gateways on it must open what one of them seals";
        reader.fault(&section, "url", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let first = places.first()?;
    Some(Arc::new(StoreConfig {
        tls: first.tls,
        database: first.database,
        servers: places.iter().map(|place| place.server.clone()).collect(),
        sentinel,
        username,
        password,
        ca,
        name: shared_name.given().unwrap_or_else(|| "countersign".to_owned()),
        timeout,
        max_alone,
        cache,
    }))
}

fn place(text: &str) -> Result<Place, value::Problem> {
    let (scheme, rest) = text.split_once("://").ok_or("is not a URL")?;
    let tls = match scheme {
        "valkey" => false,
        "valkeys" => true,
        _ => return Err("begins with neither `valkey://` nor `valkeys://`"),
    };
    if rest.contains('@') {
        return Err("holds a user or a password: use `username` and `password_file`");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let database = match path {
        "" => 0,
        digits => digits.parse().map_err(|_| "has something else than a database number behind its host")?,
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| "has a port that is not a number")?)
        }
        _ => (authority, 6379),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
    if host.is_empty() || port == 0 || !host.bytes().all(is_host_byte) {
        return Err("has no host and port");
    }
    Ok(Place { tls, server: StoreServer { host: host.to_owned(), port }, database })
}

fn name(text: &str) -> Result<String, value::Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
    if fits { Ok(text.to_owned()) } else { Err("is not a name") }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_is_scheme_host_port_and_database() {
        let read = |text: &str| {
            place(text).map(|place| (place.tls, place.server.host, place.server.port, place.database)).ok()
        };
        assert_eq!(read("valkey://127.0.0.1"), Some((false, "127.0.0.1".to_owned(), 6379, 0)));
        assert_eq!(read("valkeys://db.internal:6380/3"), Some((true, "db.internal".to_owned(), 6380, 3)));
        assert_eq!(read("valkey://[::1]:7000"), Some((false, "::1".to_owned(), 7000, 0)));
        for bad in [
            "127.0.0.1",
            "redis://a",
            "valkey://",
            "valkey://:1",
            "valkey://u:p@a",
            "valkey://a:b",
            "valkey://a/x",
            "valkey://a b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
