//! `[claims]` and `[token]`.

use std::collections::BTreeSet;

use countersign::{
    Audience, Issuer, Role, Secret,
    jws::{Algorithm, SharedSecret},
};

use crate::config::{
    error::ConfigErrorCode,
    reader::{Fault, Reader, Section},
    resolved::{
        BoundedRole, ClaimRoot, ClaimsConfig, RingAlgorithm, RouteConfig, RouteKind, SessionConfig,
        SourceConfig, TokenConfig,
    },
    value,
};

const CLAIMS: [&str; 5] = ["subject", "username", "email", "roles", "organisation"];

pub(super) fn claims<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> ClaimsConfig {
    let section = reader.section(top, "claims");
    let mut path = |name: &str| reader.text(&section, name, value::claim_path).given();
    ClaimsConfig {
        subject: path("subject"),
        username: path("username"),
        email: path("email"),
        roles: path("roles"),
        organisation: path("organisation"),
        bounded_roles: bounded_roles(reader, &section),
    }
}

fn bounded_roles<'a>(reader: &mut Reader<'a>, claims: &Section<'a>) -> Vec<BoundedRole> {
    let mut found: Vec<BoundedRole> = Vec::new();
    for section in reader.sections(claims, "role") {
        let name = reader.text(&section, "name", value::role).given().map(Role::from);
        let scope = reader.text(&section, "scope", value::scope_token).given();
        let Some((role, scope)) = name.zip(scope) else { continue };
        if found.iter().any(|other| other.role == role) {
            let problem = "is bound to a scope already";
            reader.fault(&section, "name", Fault::new(ConfigErrorCode::Duplicate, problem));
        }
        found.push(BoundedRole { role, scope: scope.into() });
    }
    found
}

/// Refuses paths into an answer that nobody asks for.
pub(super) fn claims_fit_source<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    claims: &ClaimsConfig,
    session: Option<&SessionConfig>,
) {
    let Some(session) = session else { return };
    let (absent, problem) = match session.source {
        SourceConfig::IntrospectionAndUserinfo(..) | SourceConfig::Nobody => return,
        SourceConfig::Introspection(_) | SourceConfig::Whoami(_) => {
            (ClaimRoot::Userinfo, "is a path into `userinfo`, which is not asked: begin with `session.`")
        }
        SourceConfig::Userinfo(_) => (
            ClaimRoot::Session,
            "is a path into `session`, but only userinfo is asked: begin with `userinfo.`",
        ),
    };
    let section = reader.section(top, "claims");
    let paths = [&claims.subject, &claims.username, &claims.email, &claims.roles, &claims.organisation];
    for (name, path) in CLAIMS.into_iter().zip(paths) {
        if path.as_ref().is_some_and(|path| path.root == absent) {
            reader.fault(&section, name, Fault::new(ConfigErrorCode::Conflict, problem));
        }
    }
}

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    issuer: Option<&Issuer>,
    routes: &[RouteConfig],
) -> TokenConfig {
    let section = reader.section(top, "token");
    let algorithm = match reader.choice(&section, "algorithm") {
        "Ed25519" => RingAlgorithm::Ed25519,
        "RS256" => RingAlgorithm::Rs256,
        _ => RingAlgorithm::Es256,
    };
    let lifetime = reader.duration(&section, "lifetime");
    let key_lead = reader.duration(&section, "key_lead");
    let rotation = reader.duration(&section, "rotation");
    let header_budget = usize::try_from(reader.size(&section, "header_budget")).unwrap_or(usize::MAX);
    let audiences: BTreeSet<&Audience> = routes.iter().filter_map(audience_of).collect();
    let shared_secrets = shared_secrets(reader, &section, &audiences);
    for audience in audiences {
        let shared = shared_secrets.iter().any(|(name, _)| name == audience);
        let least = least_header(issuer, audience, if shared { None } else { Some(algorithm) });
        if least > header_budget {
            let problem =
                format!("is too small: the least token for `{audience}` makes a header of {least} bytes");
            reader.fault(&section, "header_budget", Fault::new(ConfigErrorCode::InvalidValue, problem));
        }
    }
    TokenConfig { algorithm, lifetime, key_lead, rotation, header_budget, shared_secrets }
}

const fn audience_of(route: &RouteConfig) -> Option<&Audience> {
    match &route.kind {
        RouteKind::Translate(translate) => Some(&translate.audience),
        RouteKind::Guard(_) | RouteKind::Legacy | RouteKind::Public => None,
    }
}

/// Bytes of `Bearer …` for a token with the required claims only, each as short as it can be.
fn least_header(issuer: Option<&Issuer>, audience: &Audience, algorithm: Option<RingAlgorithm>) -> usize {
    // `{"alg":"ES256","kid":"<43>","typ":"at+jwt"}`; HS256 the same without `kid`.
    let (header, signature): (usize, usize) = match algorithm {
        Some(RingAlgorithm::Rs256) => (86, 256),
        Some(RingAlgorithm::Ed25519 | RingAlgorithm::Es256) => (86, 64),
        None => (30, 32),
    };
    // `{"iss":"","aud":"","sub":"?","client_id":"?","iat":<10>,"exp":<10>,"jti":"<22>"}`
    let claims = 107_usize
        .saturating_add(issuer.map_or(0, |issuer| issuer.as_str().len()))
        .saturating_add(audience.as_str().len());
    let encoded = |bytes: usize| bytes.saturating_mul(4).div_ceil(3);
    "Bearer ..".len() + encoded(header) + encoded(claims) + encoded(signature)
}

fn shared_secrets<'a>(
    reader: &mut Reader<'a>,
    token: &Section<'a>,
    audiences: &BTreeSet<&Audience>,
) -> Vec<(Audience, Secret<Vec<u8>>)> {
    let mut found: Vec<(Audience, Secret<Vec<u8>>)> = Vec::new();
    for section in reader.sections(token, "shared_secret") {
        let audience = reader.text(&section, "audience", value::identifier).given().map(Audience::from);
        let secret = reader.secret_file(&section, "secret_file").given().map(|(_, secret)| secret);
        if let Some(audience) = &audience {
            if found.iter().any(|(other, _)| other == audience) {
                let problem = "has a shared secret already";
                reader.fault(&section, "audience", Fault::new(ConfigErrorCode::Duplicate, problem));
            }
            if !audiences.contains(audience) {
                let problem = "is the audience of no route";
                reader.fault(&section, "audience", Fault::new(ConfigErrorCode::Conflict, problem));
            }
        }
        if let Some(secret) = &secret {
            if SharedSecret::new(Algorithm::Hs256, secret.clone()).is_err() {
                let problem =
                    "names a weak secret: at least 32 random bytes, and no text of a key or certificate";
                reader.fault(&section, "secret_file", Fault::new(ConfigErrorCode::InvalidValue, problem));
            } else if found.iter().any(|(_, other)| other.expose() == secret.expose()) {
                let problem = "names the secret of another audience: each needs its own";
                reader.fault(&section, "secret_file", Fault::new(ConfigErrorCode::Duplicate, problem));
            }
        }
        if let Some(pair) = audience.zip(secret) {
            found.push(pair);
        }
    }
    found
}
