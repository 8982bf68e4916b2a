//! The top of the file and `[tls]`.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{Issuer, Secret};
use ipnet::IpNet;
use zeroize::Zeroizing;

use crate::config::{
    environment::unreadable,
    error::ConfigErrorCode,
    reader::{Fault, Field, Reader, Section},
    resolved::{EncryptionKey, TlsFiles},
    value,
};

pub(super) struct Server {
    pub(super) issuer: Option<Issuer>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) admin_listen: Option<SocketAddr>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) encryption_key: Option<EncryptionKey>,
    pub(super) workers: NonZeroUsize,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) tls: Option<TlsFiles>,
}

/// The issuer of the tokens that `countersign audit` makes to be refused.
const AUDIT_ISSUER: &str = "https://countersign-audit.invalid";

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_ADMIN_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);
const DEFAULT_STATE_DIR: &str = "/var/lib/countersign";

pub(super) fn read<'a>(reader: &mut Reader<'a>, top: &Section<'a>, cores: NonZeroUsize) -> Server {
    reader.any_secret_file = reader.insecure(top, "insecure_secret_files");
    let issuer = reader.text(top, "issuer", issuer).given();
    let tls_section = reader.section(top, "tls");
    let tls = tls(reader, &tls_section);
    let (listen, admin_listen) = listeners(reader, top, tls_section.is_absent());
    let workers =
        reader.count(top, "workers").and_then(|count| NonZeroUsize::new(usize::try_from(count).ok()?));
    Server {
        issuer,
        listen,
        admin_listen,
        state_dir: state_dir(reader, top),
        encryption_key: encryption_key(reader, top),
        workers: workers.unwrap_or(cores),
        trusted_proxies: trusted_proxies(reader, top),
        tls,
    }
}

/// From one of three places.
fn encryption_key<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> Option<EncryptionKey> {
    let file = reader.secret_file(top, "encryption_key_file").given();
    let variable = reader.secret_variable(top, "encryption_key_env").given();
    let credential = reader.credential(top, "encryption_key_credential").given();
    let names = ["encryption_key_file", "encryption_key_env", "encryption_key_credential"];
    let mut written = names.into_iter().filter(|name| top.has(name));
    if let (Some(first), Some(second)) = (written.next(), written.next()) {
        let problem = format!("contradicts `{first}`: the key is in one place");
        reader.fault(top, second, Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let contents = [
        ("encryption_key_file", file.as_ref().map(|(_, content)| content)),
        ("encryption_key_env", variable.as_ref()),
        ("encryption_key_credential", credential.as_ref().map(|(_, content)| content)),
    ];
    for (name, content) in contents {
        if content.is_some_and(|content| !is_key(content.expose())) {
            let problem = "does not hold 32 bytes in Base64: make a key with `openssl rand -base64 32`, if nothing is sealed yet";
            reader.fault(top, name, Fault::new(ConfigErrorCode::InvalidValue, problem));
        }
    }
    let in_file = |(path, content): (PathBuf, Secret<Vec<u8>>)| {
        let place = path.display().to_string();
        EncryptionKey { place, content }
    };
    let in_variable = |content| EncryptionKey { place: "encryption_key_env".to_owned(), content };
    file.or(credential).map(in_file).or_else(|| variable.map(in_variable))
}

/// 32 bytes in Base64.
fn is_key(content: &[u8]) -> bool {
    let decoded = STANDARD.decode(content.trim_ascii()).map(Zeroizing::new);
    decoded.is_ok_and(|bytes| bytes.len() == 32)
}

fn issuer(text: &str) -> Result<Issuer, value::Problem> {
    if text == AUDIT_ISSUER {
        return Err("is the issuer whose tokens are made to be refused");
    }
    value::origin(text).map(Issuer::from)
}

fn listeners<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    plain: bool,
) -> (Option<SocketAddr>, Option<SocketAddr>) {
    let listen = given_or(reader.text(top, "listen", value::address), DEFAULT_LISTEN);
    let admin_listen = given_or(reader.text(top, "admin_listen", value::address), DEFAULT_ADMIN_LISTEN);
    let insecure = reader.insecure(top, "insecure_listen");
    if plain && !insecure && listen.is_some_and(|address| !address.ip().is_loopback()) {
        let problem = "is plain HTTP beyond loopback: set `[tls]`, or `insecure_listen = true`";
        reader.fault(top, "listen", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    if listen.is_some() && listen == admin_listen && listen.is_some_and(|address| address.port() != 0) {
        let name = if top.has("admin_listen") { "admin_listen" } else { "listen" };
        let problem = "is the address of the other listener";
        reader.fault(top, name, Fault::new(ConfigErrorCode::Conflict, problem));
    }
    (listen, admin_listen)
}

fn given_or<T>(field: Field<T>, default: T) -> Option<T> {
    if field.is_absent() { Some(default) } else { field.given() }
}

fn state_dir<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> Option<PathBuf> {
    match reader.file(top, "state_dir") {
        Field::Given(path) => Some(path),
        Field::Bad => None,
        Field::Absent => {
            // systemd names several folders with `:` between them; the first is ours.
            let named = reader.environment.variable("STATE_DIRECTORY");
            let first =
                named.as_deref().and_then(|all| all.split(':').next()).filter(|first| !first.is_empty());
            Some(first.map_or_else(|| Path::new(DEFAULT_STATE_DIR).to_path_buf(), PathBuf::from))
        }
    }
}

fn trusted_proxies<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> Vec<IpNet> {
    let networks = reader.list(top, "trusted_proxies", value::network).given().unwrap_or_default();
    let any = reader.insecure(top, "insecure_trust_any_proxy");
    if !any && networks.iter().any(|network| network.prefix_len() == 0) {
        let problem = "trusts every address: name your proxies, or set `insecure_trust_any_proxy = true`";
        reader.fault(top, "trusted_proxies", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    networks
}

fn tls<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<TlsFiles> {
    if section.is_absent() {
        return None;
    }
    let certificate = reader.file(section, "certificate_file");
    if let Some(path) = certificate.as_given() {
        let text =
            reader.environment.read_file(path).map(|content| holds(content.bytes.expose(), b"CERTIFICATE"));
        let fault = match text {
            Ok(true) => None,
            Ok(false) => {
                Some(Fault::new(ConfigErrorCode::InvalidValue, "names a file without a PEM certificate"))
            }
            Err(error) => {
                let problem = unreadable(&error);
                Some(Fault::new(ConfigErrorCode::Unreadable, problem))
            }
        };
        if let Some(fault) = fault {
            reader.fault(section, "certificate_file", fault);
        }
    }
    let key = reader.secret_file(section, "key_file");
    if let Some((_, bytes)) = key.as_given()
        && !holds(bytes.expose(), b"PRIVATE KEY")
    {
        let problem = "names a file without a PEM private key";
        reader.fault(section, "key_file", Fault::new(ConfigErrorCode::InvalidValue, problem));
    }
    Some(TlsFiles { certificate_file: certificate.given()?, key_file: key.given()?.0 })
}

/// Whether PEM of this kind begins somewhere.
fn holds(bytes: &[u8], kind: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"-----BEGIN ").any(|start| {
        let label = bytes.get(start..).and_then(|rest| rest.get(11..43.min(rest.len()))).unwrap_or_default();
        memchr::memmem::find(label, kind).is_some()
    })
}
