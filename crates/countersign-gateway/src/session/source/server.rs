//! The authorization server as configured: one [`Source`] out of the parts beside this file.

use std::{fmt, sync::Arc, time::Duration};

use countersign::UnixTime;
use rustls::RootCertStore;
use tokio::time::Instant;

use super::{
    Asking, Source, Touching, Verdict,
    client::{self, HttpClient, Reply},
    client_auth::ClientProof,
    combined::Combined,
    discovery::{Discovery, Located},
    introspection::Introspection,
    keep_alive::KeepAlive,
    userinfo::Userinfo,
    whoami::Whoami,
};
use crate::{
    config::resolved::{Endpoint, IntrospectionConfig, SessionConfig, SourceConfig, UserinfoConfig},
    credential::{CredentialKind, OwnedCredential},
    entropy::Entropy,
    error::SourceError,
    observe::SourceLabel,
};

/// Why the configuration cannot be made into a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceSetupError {
    /// The client's private key is no PEM key of a kind we sign with.
    #[error("the client's private key is not an unencrypted PEM key: P-256, P-384, P-521, Ed25519 or RSA")]
    ClientKey,
    /// The client's bearer token or secret has bytes that cannot stand in a header.
    #[error("the client's token has characters that cannot be sent")]
    ClientToken,
    /// The issuer to discover is no URL.
    #[error("the issuer is not an http or https URL")]
    Issuer,
    /// The machine's root certificates cannot be read.
    #[error("no root certificates to check the authorization server with")]
    Roots(#[source] std::io::Error),
}

/// One look-up under way.
pub(super) struct Lookup<'a> {
    pub(super) credential: &'a OwnedCredential,
    pub(super) now: UnixTime,
    pub(super) deadline: Instant,
    /// The server's clock, from its last answer.
    pub(super) server_time: Option<UnixTime>,
}

impl Lookup<'_> {
    pub(super) fn note(&mut self, reply: &Reply) {
        self.server_time = reply.date.or(self.server_time);
    }
}

/// The authorization server, asked as `[session]` says.
#[derive(Debug)]
pub struct AuthorizationServer {
    way: Way,
    keep_alive: Option<KeepAlive>,
    /// How credentials come when nobody says otherwise.
    pub(super) kind: CredentialKind,
    pub(super) timeout: Duration,
}

#[derive(Debug)]
enum Way {
    /// There is nobody to ask.
    Nobody,
    Combined(Box<Combined>),
    Introspection(Box<Introspection>),
    Userinfo(Userinfo),
    Whoami(Whoami),
}

/// Makes the configured source. Nothing is asked yet: the gateway starts without the authorization server.
///
/// `roots`: what TLS to the authorization server is checked with; `None`: the machine's root certificates.
///
/// # Errors
/// [`SourceSetupError`], before the gateway starts.
pub fn from_config(
    session: &SessionConfig,
    entropy: &Arc<dyn Entropy>,
    roots: Option<RootCertStore>,
) -> Result<Arc<AuthorizationServer>, SourceSetupError> {
    let tls = match client::tls(roots) {
        Ok(tls) => tls,
        // Without roots nothing is trusted, which only matters where TLS is spoken.
        Err(_) if !needs_tls(&session.source) && !keeps_alive_by_tls(session) => {
            client::tls(Some(RootCertStore::empty())).map_err(SourceSetupError::Roots)?
        }
        Err(error) => return Err(SourceSetupError::Roots(error)),
    };
    let http = HttpClient::new(tls, session.timeout);
    let keep_alive = session.keep_alive.as_ref().zip(session.cookie.as_ref()).map(|(endpoint, cookie)| {
        KeepAlive { http: http.clone(), endpoint: endpoint.clone(), cookie: cookie.clone() }
    });
    let parts = Parts { http, cookie: session.cookie.as_deref(), entropy };
    let way = match &session.source {
        SourceConfig::Introspection(config) => {
            Way::Introspection(Box::new(parts.introspection(config, parts.locate(&config.endpoint)?)?))
        }
        SourceConfig::IntrospectionAndUserinfo(introspection, userinfo) => {
            let endpoint = parts.locate(&introspection.endpoint)?;
            let userinfo_endpoint = match (&introspection.endpoint, &userinfo.endpoint) {
                // One issuer, one set of metadata.
                (Endpoint::Discovered(one), Endpoint::Discovered(other)) if one == other => endpoint.clone(),
                _ => parts.locate(&userinfo.endpoint)?,
            };
            Way::Combined(Box::new(Combined {
                introspection: parts.introspection(introspection, endpoint)?,
                userinfo: parts.userinfo(userinfo_endpoint),
            }))
        }
        SourceConfig::Nobody => Way::Nobody,
        SourceConfig::Userinfo(UserinfoConfig { endpoint }) => {
            Way::Userinfo(parts.userinfo(parts.locate(endpoint)?))
        }
        SourceConfig::Whoami(config) => Way::Whoami(Whoami {
            http: parts.http,
            endpoint: config.endpoint.clone(),
            method: config.method.clone(),
            no: config.no.clone(),
            cookie: session.cookie.clone(),
        }),
    };
    let kind = if session.cookie.is_some() { CredentialKind::Cookie } else { CredentialKind::Bearer };
    Ok(Arc::new(AuthorizationServer { way, keep_alive, kind, timeout: session.timeout }))
}

/// What the ways of asking are made of.
struct Parts<'a> {
    http: HttpClient,
    cookie: Option<&'a str>,
    entropy: &'a Arc<dyn Entropy>,
}

impl Parts<'_> {
    fn locate(&self, endpoint: &Endpoint) -> Result<Located, SourceSetupError> {
        Ok(match endpoint {
            Endpoint::Discovered(issuer) => Located::Discovered(Arc::new(Discovery::new(issuer.clone())?)),
            Endpoint::Given(uri) => Located::Given(uri.clone()),
        })
    }

    fn introspection(
        &self,
        config: &IntrospectionConfig,
        endpoint: Located,
    ) -> Result<Introspection, SourceSetupError> {
        let proof = ClientProof::new(&config.client_auth, self.entropy)?;
        let require_token_type = config.require_token_type;
        Ok(Introspection { http: self.http.clone(), endpoint, proof, require_token_type })
    }

    fn userinfo(&self, endpoint: Located) -> Userinfo {
        Userinfo { http: self.http.clone(), endpoint, cookie: self.cookie.map(str::to_owned) }
    }
}

fn keeps_alive_by_tls(session: &SessionConfig) -> bool {
    session.keep_alive.as_ref().is_some_and(|page| page.scheme_str() == Some("https"))
}

fn needs_tls(source: &SourceConfig) -> bool {
    let endpoints: &[&Endpoint] = match source {
        SourceConfig::Introspection(one) => &[&one.endpoint],
        SourceConfig::IntrospectionAndUserinfo(one, two) => &[&one.endpoint, &two.endpoint],
        SourceConfig::Nobody => return false,
        SourceConfig::Userinfo(one) => &[&one.endpoint],
        SourceConfig::Whoami(one) => return one.endpoint.scheme_str() == Some("https"),
    };
    endpoints.iter().any(|endpoint| match endpoint {
        Endpoint::Discovered(issuer) => issuer.as_str().starts_with("https:"),
        Endpoint::Given(uri) => uri.scheme_str() == Some("https"),
    })
}

impl AuthorizationServer {
    /// Whether a token whose kind is not told would pass.
    pub(super) fn takes_untold_kinds(&self) -> bool {
        match &self.way {
            Way::Combined(way) => !way.introspection.require_token_type,
            Way::Introspection(way) => !way.require_token_type,
            Way::Nobody | Way::Userinfo(_) | Way::Whoami(_) => false,
        }
    }

    /// Who is asked.
    pub(super) const fn label(&self) -> SourceLabel {
        match &self.way {
            Way::Combined(_) => SourceLabel::IntrospectionAndUserinfo,
            Way::Introspection(_) => SourceLabel::Introspection,
            Way::Nobody => SourceLabel::Nobody,
            Way::Userinfo(_) => SourceLabel::Userinfo,
            Way::Whoami(_) => SourceLabel::Whoami,
        }
    }

    /// One look-up; also tells what the server's clock says, if it told.
    pub(super) async fn look_up(
        &self,
        credential: &OwnedCredential,
        now: UnixTime,
    ) -> (Result<Verdict, SourceError>, Option<UnixTime>) {
        let deadline = Instant::now() + self.timeout;
        let mut lookup = Lookup { credential, now, deadline, server_time: None };
        let verdict = match &self.way {
            Way::Combined(way) => way.look_up(&mut lookup).await,
            Way::Introspection(way) => way.look_up(&mut lookup).await,
            Way::Nobody => Ok(Verdict::No(None)),
            Way::Userinfo(way) => way.look_up(&mut lookup).await,
            Way::Whoami(way) => way.look_up(&mut lookup).await,
        };
        (verdict, lookup.server_time)
    }
}

impl Source for AuthorizationServer {
    fn ask<'a>(&'a self, credential: &'a Arc<OwnedCredential>, now: UnixTime) -> Asking<'a> {
        Box::pin(async move { self.look_up(credential, now).await.0 })
    }

    fn keep_alive<'a>(&'a self, credential: &'a OwnedCredential) -> Option<Touching<'a>> {
        let page = self.keep_alive.as_ref()?;
        Some(Box::pin(page.touch(credential, Instant::now() + self.timeout)))
    }
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("credential", &self.credential).finish_non_exhaustive()
    }
}
