//! `internal_listen`, `[[client]]` and `[backchannel_logout]`.

use std::{collections::BTreeSet, net::SocketAddr, num::NonZeroU32, sync::Arc};

use countersign::{
    Audience, ClientId, Issuer, Secret,
    jws::{Algorithm, VerifyingKey},
};

use crate::config::{
    environment::unreadable,
    error::ConfigErrorCode,
    reader::{Fault, Field, Reader, Section},
    resolved::{
        BackchannelLogout, BrowserConfig, ClientAuth, ClientConfig, ClientKnownBy, Endpoint, SessionConfig,
        SourceConfig,
    },
    value,
};

pub(super) struct Internal {
    pub(super) listen: Option<SocketAddr>,
    pub(super) clients: Vec<ClientConfig>,
}

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    issuer: Option<&Issuer>,
    others: [Option<SocketAddr>; 2],
) -> Internal {
    let listen = reader.text(top, "internal_listen", value::address).given();
    let insecure = reader.insecure(top, "insecure_internal_listen");
    let plain = !top.has("tls");
    if plain && !insecure && listen.is_some_and(|address| !address.ip().is_loopback()) {
        let problem = "is plain HTTP beyond loopback: set `[tls]`, or `insecure_internal_listen = true`";
        reader.fault(top, "internal_listen", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    if listen.is_some_and(|address| address.port() != 0 && others.contains(&Some(address))) {
        let problem = "is the address of another listener";
        reader.fault(top, "internal_listen", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let sections = reader.sections(top, "client");
    if listen.is_none() && !top.has("internal_listen") && !sections.is_empty() {
        let problem = "has no effect without `internal_listen`";
        reader.fault(top, "client", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let mut names = BTreeSet::new();
    let mut clients = Vec::with_capacity(sections.len());
    for section in &sections {
        let Some(client) = client(reader, section, issuer) else { continue };
        if !names.insert(client.id.clone()) {
            let problem = "is the name of another client already";
            reader.fault(section, "id", Fault::new(ConfigErrorCode::Duplicate, problem));
        }
        clients.push(client);
    }
    Internal { listen, clients }
}

fn client<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    issuer: Option<&Issuer>,
) -> Option<ClientConfig> {
    let id = reader.text(section, "id", value::client_id).given();
    let known_by = known_by(reader, section);
    let audience = reader.text(section, "audience", value::identifier).given();
    let exchange = reader.list(section, "exchange", value::identifier).given().unwrap_or_default();
    let exchanges_per_second = reader.count(section, "exchanges_per_second");
    // With a token of that audience a service could go to every route in its caller's name.
    let own = issuer.map(BrowserConfig::audience_of);
    let is_own = |name: &str| own.as_ref().is_some_and(|own| *own == *name);
    for (key, names_it) in [
        ("audience", audience.as_deref().is_some_and(is_own)),
        ("exchange", exchange.iter().any(|name| is_own(name))),
    ] {
        if names_it {
            let problem = "is `<issuer>/browser`: tokens of that audience are for the gateway itself";
            reader.fault(section, key, Fault::new(ConfigErrorCode::Conflict, problem));
        }
    }
    Some(ClientConfig {
        id: ClientId::from(id?),
        known_by: known_by?,
        audience: audience.map(Audience::from),
        exchange: exchange.into_iter().map(Audience::from).collect(),
        exchanges_per_second: exchanges_per_second
            .and_then(|count| NonZeroU32::new(u32::try_from(count).ok()?))?,
    })
}

/// The one thing a client is known by.
fn known_by<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<ClientKnownBy> {
    let file = reader.secret_file(section, "secret_file");
    let variable = reader.secret_variable(section, "secret_env");
    let key = reader.file(section, "public_key_file");
    let given = [!file.is_absent(), !variable.is_absent(), !key.is_absent()];
    match given.into_iter().filter(|given| *given).count() {
        0 => {
            let problem = "is missing: name a file here, a variable with `secret_env`, or `public_key_file`";
            reader.fault(section, "secret_file", Fault::new(ConfigErrorCode::Missing, problem));
            return None;
        }
        1 => {}
        _ => {
            let name = if key.is_absent() { "secret_env" } else { "public_key_file" };
            let problem = "is the second proof of this client: it is known by one";
            reader.fault(section, name, Fault::new(ConfigErrorCode::Conflict, problem));
            return None;
        }
    }
    if let Field::Given(path) = &key {
        let text = match reader.environment.read_file(path) {
            Ok(content) => content.bytes,
            Err(error) => {
                let problem = unreadable(&error);
                reader.fault(section, "public_key_file", Fault::new(ConfigErrorCode::Unreadable, problem));
                return None;
            }
        };
        let key = std::str::from_utf8(text.expose()).ok().and_then(public_key);
        if key.is_none() {
            let problem = "names a file without a public key in PEM (`BEGIN PUBLIC KEY`)";
            reader.fault(section, "public_key_file", Fault::new(ConfigErrorCode::InvalidValue, problem));
        }
        return key.map(|key| ClientKnownBy::Key(Arc::new(key)));
    }
    let (name, secret) = match (file, variable) {
        (Field::Given((_, secret)), _) => ("secret_file", secret),
        (_, Field::Given(secret)) => ("secret_env", secret),
        _ => return None,
    };
    if secret.expose().len() < MIN_SECRET_BYTES {
        let problem = "names a secret of less than 16 bytes";
        reader.fault_hidden(section, name, Fault::new(ConfigErrorCode::InvalidValue, problem));
        return None;
    }
    let secret: Secret<String> = reader.secret_text(section, name, &secret)?;
    Some(ClientKnownBy::Secret(secret))
}

/// A secret that is shorter can be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// Its kind decides the algorithm.
fn public_key(text: &str) -> Option<VerifyingKey> {
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es384, Algorithm::Es512]
        .into_iter()
        .find_map(|algorithm| VerifyingKey::from_pem(algorithm, text).ok())
}

pub(super) fn backchannel_logout<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    session: Option<&SessionConfig>,
) -> Option<BackchannelLogout> {
    let section = reader.section(top, "backchannel_logout");
    if !section.is_absent() && !top.has("internal_listen") {
        let problem = "has no effect without `internal_listen`, where log-out tokens are received";
        reader.fault(top, "backchannel_logout", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let issuer = reader.text(&section, "issuer", |text| value::url(text).map(|_| Issuer::from(text)));
    let keys = reader.text(&section, "keys", |text| match text {
        "discover" => Ok(None),
        url => value::url(url).map(Some),
    });
    let client = reader.text(&section, "client_id", value::client_id).given().map(ClientId::from);
    let plain = reader.insecure(&section, "insecure_http");
    let any_type = reader.insecure(&section, "insecure_missing_type");
    if section.is_absent() {
        return None;
    }
    let client = client.or_else(|| session.and_then(own_client));
    if client.is_none() && session.is_some() && !section.has("client_id") {
        let problem = "is missing: it is whom log-out tokens are for";
        reader.fault(&section, "client_id", Fault::new(ConfigErrorCode::Missing, problem));
    }
    let issuer = issuer.given()?;
    let given = match keys {
        Field::Absent => None,
        Field::Bad => return None,
        Field::Given(given) => given,
    };
    let asked = given.clone().or_else(|| issuer.as_str().parse().ok());
    if !plain && !asked.as_ref().is_some_and(value::is_private) {
        let problem = "is plain HTTP beyond loopback: use `https`, or set `insecure_http = true`";
        let name = if section.has("keys") { "keys" } else { "issuer" };
        reader.fault(&section, name, Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    let keys = given.map_or_else(|| Endpoint::Discovered(issuer.clone()), Endpoint::Given);
    Some(BackchannelLogout { issuer, keys, client: client?, any_type, insecure_http: plain })
}

fn own_client(session: &SessionConfig) -> Option<ClientId> {
    match &session.source {
        SourceConfig::Introspection(introspection)
        | SourceConfig::IntrospectionAndUserinfo(introspection, _) => match &introspection.client_auth {
            ClientAuth::Basic(id, _) | ClientAuth::Post(id, _) | ClientAuth::PrivateKeyJwt(id, _) => {
                Some(id.clone())
            }
            ClientAuth::Bearer(_) | ClientAuth::None => None,
        },
        SourceConfig::Nobody | SourceConfig::Userinfo(_) | SourceConfig::Whoami(_) => None,
    }
}
