//! What the authorization server is asked: introspection, userinfo, both, or whoami.

use countersign::Issuer;
use http::{Method, StatusCode, Uri};

use crate::config::{
    error::ConfigErrorCode,
    read::session::client,
    reader::{Fault, Field, Reader, Section},
    resolved::{
        ClaimPath, ClaimRoot, Endpoint, IntrospectionConfig, SaysNo, SourceConfig, UserinfoConfig,
        WhoamiConfig,
    },
    value,
};

/// What stands in the file for an endpoint.
enum Written {
    Discover,
    Url(Uri),
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<SourceConfig> {
    let plain = reader.insecure(section, "insecure_http");
    let introspect = reader.text(section, "introspect", written);
    let userinfo = reader.text(section, "userinfo", written);
    let whoami = reader.text(section, "whoami", value::url);
    let discover = reader.text(section, "discover", issuer);
    let whoami_method = reader.choice(section, "whoami_method");
    let no = says_no(reader, section);
    let client = client::read(reader, section);
    if section.is_absent() {
        return Some(SourceConfig::Nobody);
    }
    let discovered = discover.as_given().and_then(|issuer| issuer.as_str().parse().ok());
    for (name, uri) in [
        ("introspect", introspect.as_given().and_then(Written::as_uri)),
        ("userinfo", userinfo.as_given().and_then(Written::as_uri)),
        ("whoami", whoami.as_given()),
        ("discover", discovered.as_ref()),
    ] {
        if !plain && uri.is_some_and(|uri| !value::is_private(uri)) {
            let problem = "is plain HTTP beyond loopback: use `https`, or set `insecure_http = true`";
            reader.fault(section, name, Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
        }
    }
    if !whoami.is_absent() {
        for other in ["introspect", "userinfo", "discover"] {
            exclude(reader, section, other, "excludes `whoami`: the server is asked one way");
        }
        for other in
            ["client_id", "client_secret_file", "client_secret_env", "client_auth", "require_token_type"]
        {
            exclude(reader, section, other, "has no effect with `whoami`, which sends the credential alone");
        }
        let endpoint = whoami.given()?;
        let method = if whoami_method == "POST" { Method::POST } else { Method::GET };
        return Some(SourceConfig::Whoami(WhoamiConfig { endpoint, method, no }));
    }
    for other in ["no", "whoami_method"] {
        exclude(reader, section, other, "has no effect without `whoami`");
    }
    asked(reader, section, introspect, userinfo, &discover, client)
}

/// Introspection, userinfo or both.
fn asked<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    introspect: Field<Written>,
    userinfo: Field<Written>,
    discover: &Field<Issuer>,
    client: client::Client,
) -> Option<SourceConfig> {
    let neither = introspect.is_absent() && userinfo.is_absent();
    if neither && discover.is_absent() {
        let problem =
            "is missing: name how the server is asked with `introspect`, `userinfo`, `whoami` or `discover`";
        reader.fault(section, "introspect", Fault::new(ConfigErrorCode::Missing, problem));
        return None;
    }
    let uses = |field: &Field<Written>| matches!(field, Field::Given(Written::Discover) | Field::Bad);
    if !neither && !discover.is_absent() && !uses(&introspect) && !uses(&userinfo) {
        let problem = "has no effect: neither `introspect` nor `userinfo` is `\"discover\"`";
        reader.fault(section, "discover", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let introspect = if neither { Field::Given(Written::Discover) } else { introspect };
    let introspection = if introspect.is_absent() {
        for other in
            ["client_id", "client_secret_file", "client_secret_env", "client_auth", "require_token_type"]
        {
            exclude(reader, section, other, "has no effect without `introspect`");
        }
        None
    } else {
        let endpoint = endpoint(reader, section, "introspect", introspect, discover);
        let loopback = endpoint.as_ref().is_some_and(Endpoint::is_loopback);
        let client_auth = client.authentication(reader, section, loopback);
        let require_token_type = reader.flag(section, "require_token_type");
        Some(endpoint.zip(client_auth).map(|(endpoint, client_auth)| IntrospectionConfig {
            endpoint,
            client_auth,
            require_token_type,
        }))
    };
    let userinfo = if userinfo.is_absent() {
        None
    } else {
        let endpoint = endpoint(reader, section, "userinfo", userinfo, discover);
        Some(endpoint.map(|endpoint| UserinfoConfig { endpoint }))
    };
    match (introspection, userinfo) {
        (Some(introspection), None) => introspection.map(SourceConfig::Introspection),
        (None, userinfo) => userinfo.flatten().map(SourceConfig::Userinfo),
        (Some(introspection), Some(userinfo)) => introspection
            .zip(userinfo)
            .map(|(introspection, userinfo)| SourceConfig::IntrospectionAndUserinfo(introspection, userinfo)),
    }
}

fn endpoint<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    name: &str,
    written: Field<Written>,
    discover: &Field<Issuer>,
) -> Option<Endpoint> {
    match written.given()? {
        Written::Url(uri) => Some(Endpoint::Given(uri)),
        Written::Discover => {
            if discover.is_absent() {
                let problem = "needs `discover`: the issuer whose metadata is read";
                reader.fault(section, name, Fault::new(ConfigErrorCode::Missing, problem));
            }
            discover.as_given().cloned().map(Endpoint::Discovered)
        }
    }
}

impl Written {
    const fn as_uri(&self) -> Option<&Uri> {
        match self {
            Self::Url(uri) => Some(uri),
            Self::Discover => None,
        }
    }
}

impl Endpoint {
    /// Whether the server is on this machine.
    fn is_loopback(&self) -> bool {
        match self {
            Self::Discovered(issuer) => {
                issuer.as_str().parse().is_ok_and(|uri: Uri| uri.host().is_some_and(value::is_loopback))
            }
            Self::Given(uri) => uri.host().is_some_and(value::is_loopback),
        }
    }
}

fn written(text: &str) -> Result<Written, value::Problem> {
    if text == "discover" { Ok(Written::Discover) } else { value::url(text).map(Written::Url) }
}

/// Kept byte for byte: its metadata must name it so.
fn issuer(text: &str) -> Result<Issuer, value::Problem> {
    if value::url(text)?.query().is_some() { Err("has a query") } else { Ok(Issuer::from(text)) }
}

fn exclude<'a>(reader: &mut Reader<'a>, section: &Section<'a>, name: &str, problem: &str) {
    if section.has(name) {
        reader.fault(section, name, Fault::new(ConfigErrorCode::Conflict, problem));
    }
}

fn says_no<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> SaysNo {
    let no = reader.section(section, "no");
    let status = reader.numbers(&no, "status", status).given();
    SaysNo {
        status: status.unwrap_or_else(|| vec![StatusCode::UNAUTHORIZED]),
        redirect_to: reader.text(&no, "redirect_to", value::redirect_path).given(),
        unless: reader.text(&no, "unless", whoami_path).given(),
    }
}

/// There is one answer only.
fn whoami_path(text: &str) -> Result<ClaimPath, value::Problem> {
    let path = value::claim_path(text)?;
    if path.root == ClaimRoot::Session { Ok(path) } else { Err("is not in the answer of `whoami`") }
}

/// 408 and 429 are about the question, not about the session.
fn status(number: u64) -> Result<StatusCode, value::Problem> {
    match number {
        408 | 429 => Err("never says that a session is over"),
        400..=499 => {
            u16::try_from(number).ok().and_then(|n| StatusCode::from_u16(n).ok()).ok_or("is not a status")
        }
        _ => Err("is not a status from 400 to 499"),
    }
}
