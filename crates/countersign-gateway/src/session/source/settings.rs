//! Which settings a remembered answer depends on.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use countersign::ClientId;

use crate::config::resolved::{
    ClaimPath, ClaimRoot, ClaimsConfig, ClientAuth, Endpoint, IntrospectionConfig, SessionConfig,
    SourceConfig, UserinfoConfig,
};

/// Exactly the settings that change what the authorization server is asked, as whom, and how its answer is read:
/// the part of the session cache's key that is the same for every credential.
///
/// Two configurations give the same bytes if and only if an answer remembered under one may be used under the
/// other. Times, bounds, routes and tokens are not in it, nor are client secrets: a new secret for the same client
/// asks the same question. The order of `accept_clients` and of `no.status` does not matter.
///
/// If two configurations that ask differently gave the same bytes, a reload could show one user the session of
/// another server's user of the same cookie value.
#[must_use]
pub fn settings_bytes(session: &SessionConfig, claims: &ClaimsConfig) -> Vec<u8> {
    let mut out = Fields(Vec::with_capacity(256));
    match &session.source {
        SourceConfig::Introspection(one) => {
            out.text("introspection");
            out.introspection(one);
        }
        SourceConfig::IntrospectionAndUserinfo(one, two) => {
            out.text("introspection and userinfo");
            out.introspection(one);
            out.userinfo(two);
        }
        SourceConfig::Nobody => out.text("nobody"),
        SourceConfig::Userinfo(one) => {
            out.text("userinfo");
            out.userinfo(one);
        }
        SourceConfig::Whoami(whoami) => {
            out.text("whoami");
            out.text(&whoami.endpoint.to_string());
            out.text(whoami.method.as_str());
            let mut statuses: Vec<_> = whoami.no.status.iter().map(|status| status.as_u16()).collect();
            statuses.sort_unstable();
            statuses.dedup();
            out.list(statuses.iter().map(ToString::to_string));
            out.list(&whoami.no.redirect_to);
            out.path(whoami.no.unless.as_ref());
            out.list(&session.cookie);
        }
    }
    let mut clients: Vec<_> = session.accept_clients.iter().map(ClientId::as_str).collect();
    clients.sort_unstable();
    clients.dedup();
    out.list(clients);
    for path in [&claims.subject, &claims.username, &claims.email, &claims.roles, &claims.organisation] {
        out.path(path.as_ref());
    }
    let bounds = claims.bounded_roles.iter();
    let mut bounds: Vec<_> = bounds.map(|bound| (bound.role.as_str(), &*bound.scope)).collect();
    bounds.sort_unstable();
    for (role, scope) in bounds {
        out.list([role, scope]);
    }
    out.0
}

/// Fields, each behind its length: no two lists of fields give the same bytes.
struct Fields(Vec<u8>);

impl Fields {
    fn bytes(&mut self, field: &[u8]) {
        self.0.extend_from_slice(&(field.len() as u64).to_be_bytes());
        self.0.extend_from_slice(field);
    }

    fn text(&mut self, field: &str) {
        self.bytes(field.as_bytes());
    }

    fn list(&mut self, fields: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut inner = Self(Vec::new());
        for field in fields {
            inner.text(field.as_ref());
        }
        self.bytes(&inner.0);
    }

    fn introspection(&mut self, config: &IntrospectionConfig) {
        self.endpoint(&config.endpoint);
        self.text(if config.require_token_type { "token type" } else { "" });
        match &config.client_auth {
            ClientAuth::Basic(client, _) => self.list(["basic", client.as_str()]),
            // The token is all that says which client asks.
            ClientAuth::Bearer(token) => {
                let digest = digest(&SHA256, token.expose().as_bytes());
                let mut text = String::with_capacity(64);
                for byte in digest.as_ref() {
                    let _ = write!(text, "{byte:02x}");
                }
                self.list(["bearer", &text]);
            }
            ClientAuth::None => self.list(["none"]),
            ClientAuth::Post(client, _) => self.list(["post", client.as_str()]),
            ClientAuth::PrivateKeyJwt(client, _) => self.list(["private_key_jwt", client.as_str()]),
        }
    }

    fn userinfo(&mut self, config: &UserinfoConfig) {
        self.endpoint(&config.endpoint);
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        match endpoint {
            Endpoint::Discovered(issuer) => self.list(["discovered", issuer.as_str()]),
            Endpoint::Given(uri) => self.list(["given", &uri.to_string()]),
        }
    }

    fn path(&mut self, path: Option<&ClaimPath>) {
        let Some(path) = path else { return self.list([""; 0]) };
        let root = match path.root {
            ClaimRoot::Session => "session",
            ClaimRoot::Userinfo => "userinfo",
        };
        self.list(std::iter::once(root).chain(path.steps.iter().map(String::as_str)));
    }
}
