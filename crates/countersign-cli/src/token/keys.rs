//! Whose keys a token is verified with.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use countersign::{
    KeySet, Verifier,
    jws::{Algorithm, SharedSecret},
};
use countersign_gateway::config::{Config, resolved::RouteKind, unreadable};

use crate::{
    arguments::TokenArguments, configuration, exit::Exit, fetch, screen, screen::Screen, token::parts::Parts,
};

/// What a token is judged with.
pub(super) enum Judge {
    /// A verifier, for this audience; and where the gateway runs that knows what is revoked, if one was named.
    Verifier { verifier: Verifier, audience: String, state_dir: Option<PathBuf> },
    /// Keys were named and are not to be had.
    Missing(String),
    /// No keys were named.
    None,
}

pub(super) fn judge(arguments: &TokenArguments, parts: &Parts, screen: &Screen) -> Result<Judge, Exit> {
    if let Some(file) = &arguments.config {
        let config = configuration::load(file, screen)?;
        return Ok(of_gateway(&config, arguments.audience.as_deref(), parts).unwrap_or_else(Judge::Missing));
    }
    let (Some(keys), Some(issuer), Some(audience)) =
        (&arguments.keys, &arguments.issuer, &arguments.audience)
    else {
        return Ok(Judge::None);
    };
    let judge = read(keys).and_then(|bytes| verifier(issuer, audience, &bytes, None));
    judge.map_err(|problem| {
        screen::complain(&format!("countersign token: `{}`: {problem}\n", keys.display()));
        Exit::Usage
    })
}

/// The keys of a gateway: its shared secret for this audience, or else the key set it serves.
fn of_gateway(config: &Config, named: Option<&str>, parts: &Parts) -> Result<Judge, String> {
    let audience = match named {
        Some(audience) => audience,
        // The token chooses among the audiences of the configuration only.
        None => parts.claims.get("aud").and_then(|aud| aud.as_str()).unwrap_or_default(),
    };
    let known = config.routes.iter().any(|route| match &route.kind {
        RouteKind::Translate(translate) => translate.audience == audience,
        RouteKind::Guard(_) | RouteKind::Legacy | RouteKind::Public => false,
    });
    if !known {
        return Err(match named {
            Some(audience) => format!("no route has the audience `{audience}`"),
            None => "no route has the token's audience".to_owned(),
        });
    }
    if let Some((_, secret)) = config.token.shared_secrets.iter().find(|(name, _)| name == audience) {
        let secret =
            SharedSecret::new(Algorithm::Hs256, secret.clone()).map_err(|error| error.to_string())?;
        let builder =
            Verifier::builder().issuer(config.issuer.clone()).audience(audience).shared_secret(secret);
        let verifier = builder.build().map_err(|error| error.to_string())?;
        let (audience, state_dir) = (audience.to_owned(), Some(config.state_dir.clone()));
        return Ok(Judge::Verifier { verifier, audience, state_dir });
    }
    let text = format!("http://{}/.well-known/jwks.json", config.admin_listen);
    let uri = text.parse().map_err(|_| format!("{text} is no URL"))?;
    let fetched = match fetch::wait(fetch::get(&uri)) {
        Ok(Ok(fetched)) if fetched.status.is_success() => fetched,
        Ok(Ok(fetched)) => return Err(format!("{text} answers {}", fetched.status)),
        Ok(Err(problem)) => return Err(format!("{text} {problem}: is the gateway running?")),
        Err(error) => return Err(error.to_string()),
    };
    verifier(config.issuer.as_str(), audience, &fetched.body, Some(config.state_dir.clone()))
}

fn verifier(issuer: &str, audience: &str, keys: &[u8], state_dir: Option<PathBuf>) -> Result<Judge, String> {
    let keys = KeySet::parse(keys).map_err(|error| format!("is no key set: {error}"))?;
    let builder = Verifier::builder().issuer(issuer).audience(audience).key_set(keys);
    let verifier = builder.build().map_err(|error| error.to_string())?;
    Ok(Judge::Verifier { verifier, audience: audience.to_owned(), state_dir })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let most = u64::try_from(KeySet::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| unreadable(&error))
}
