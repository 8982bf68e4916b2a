//! oidc-provider: a certified OpenID provider with opaque access tokens.

use std::sync::OnceLock;

use serde_json::Value;

use super::node;
use crate::{client::Call, process::Process};

/// The cookie the old application keeps the access token in.
pub(crate) const COOKIE: &str = "SESSION";
/// The client secret of `gateway-basic`: with characters that have to be encoded (RFC 6749 §2.3.1).
pub(crate) const BASIC_SECRET: &str = "p+l us:%secret-of-the-gateway";
/// The client secret of `gateway-post`.
pub(crate) const POST_SECRET: &str = "posted-secret-of-the-gateway";

/// A running provider.
#[derive(Debug)]
pub(crate) struct AuthorizationServer {
    process: Process,
}

impl AuthorizationServer {
    /// One for this test alone.
    pub(crate) fn start() -> Self {
        Self { process: Process::start(node("authorization_server.mjs")) }
    }

    /// One for this test alone, that tells of log-outs there.
    pub(crate) fn telling(logout_uri: &str) -> Self {
        let mut command = node("authorization_server.mjs");
        command.arg(logout_uri);
        Self { process: Process::start(command) }
    }

    /// The one for all tests that leave it as it is.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<AuthorizationServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it is, with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.process.listening())
    }

    /// The private key of `gateway-key`, PKCS#8 PEM.
    pub(crate) fn private_key(&self) -> &str {
        self.process.ready["private_key"].as_str().unwrap()
    }

    /// A `[session]` table that asks introspection with HTTP basic; its secret is in `file`.
    pub(crate) fn introspection(&self, file: &str) -> String {
        format!(
            "[session]\ncookie = \"{COOKIE}\"\nintrospect = \"{}\"\nclient_id = \"gateway-basic\"\n\
             client_secret_file = \"{file}\"\n",
            self.url("/token/introspection")
        )
    }

    /// Logs a user in by the whole code flow and returns the opaque access token.
    pub(crate) async fn log_in(&self, user: &str, client: &str) -> String {
        let answer =
            Call::new("POST", self.url(&format!("/story/login?user={user}&client={client}"))).send().await;
        let token = answer.expect(200).json()["access_token"].as_str().unwrap().to_owned();
        assert!(!token.contains('.'), "the access token is not opaque");
        token
    }

    /// Revokes a token of `legacy-app` (RFC 7009), as its log-out does.
    pub(crate) async fn revoke(&self, token: &str) {
        let form = format!("client_id=legacy-app&client_secret=secret-of-the-application&token={token}");
        let call = Call::post_form(self.url("/token/revocation"), &form);
        call.send().await.expect(200);
    }

    /// Ends the session that a token was got with, as its browser would, and answers what became of the log-out tokens.
    pub(crate) async fn log_out(&self, token: &str) -> Value {
        let call = Call::new("POST", self.url("/story/logout")).body(token);
        call.send().await.expect(200).json()
    }

    /// How introspection and userinfo answer from now on: `well`, `failing`, `hanging`.
    pub(crate) async fn answer(&self, mode: &str) {
        Call::new("POST", self.url(&format!("/story/mode?is={mode}"))).send().await.expect(200);
    }

    /// How often `introspection` or `userinfo` was asked.
    pub(crate) async fn calls(&self, endpoint: &str) -> u64 {
        let calls: Value = Call::get(self.url("/story/calls")).send().await.expect(200).json();
        calls[endpoint].as_u64().unwrap()
    }

    /// Takes it off the network.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}
