//! The gateway's configuration for the demo.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    DemoOptions,
    old_server::{CLIENT_ID, COOKIE},
};

pub(crate) const CONFIG_FILE: &str = "gateway.toml";
pub(crate) const SECRET_FILE: &str = "gateway.secret";

/// Where everything is.
pub(crate) struct Places<'a> {
    pub(crate) options: &'a DemoOptions,
    pub(crate) folder: &'a Path,
    pub(crate) old_server: &'a str,
    pub(crate) orders: &'a str,
    pub(crate) notes: &'a str,
}

/// Where the secret of that service is, by which it proves itself at the gateway's feed.
pub(crate) fn service_secret(folder: &Path, service: &str) -> PathBuf {
    folder.join(format!("{service}.secret"))
}

impl Places<'_> {
    /// Where the gateway keeps its keys and listens for its operator.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.join("state")
    }
}

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, folder, old_server, orders, notes } = self;
        let DemoOptions { gateway, admin, internal, recheck } = options;
        let (state, secret) = (quoted(&self.state_dir()), quoted(&folder.join(SECRET_FILE)));
        let [orders_secret, notes_secret] =
            ["orders", "notes"].map(|service| quoted(&service_secret(folder, service)));
        let recheck = recheck.as_millis();
        write!(
            f,
            r#"issuer = "http://{gateway}"
listen = "{gateway}"
admin_listen = "{admin}"
internal_listen = "{internal}"
state_dir = {state}

[session]
cookie = "{COOKIE}"
introspect = "{old_server}/oauth2/introspect"
client_id = "{CLIENT_ID}"
client_secret_file = {secret}
recheck = "{recheck}ms"
# everything here shares one machine, which may be busy
timeout = "10s"

[token]
lifetime = "60s"

[browser]
login_url = "{old_server}/login?next={{return}}"
logout_url = "{old_server}/logout"

[claims]
roles = "session.authorities"
organisation = "session.org.id"

[[client]]
id = "orders"
secret_file = {orders_secret}
audience = "orders"

[[client]]
id = "notes"
secret_file = {notes_secret}
audience = "notes"

[[route]]
path = "/orders/"
upstream = "{orders}"
audience = "orders"
claims = ["username"]

[[route]]
path = "/notes/"
upstream = "{notes}"
audience = "notes"

[[route]]
path = "/"
upstream = "{old_server}"
legacy = true
"#
        )
    }
}

/// A basic string of TOML has every escape of a JSON string.
fn quoted(path: &Path) -> Value {
    Value::String(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use countersign_gateway::config::{Config, SystemEnvironment};

    use crate::{Demo, DemoOptions};

    #[tokio::test]
    async fn the_gateway_understands_it() {
        let demo = Demo::start(DemoOptions::default()).await.unwrap();
        let file = demo.folder().join("gateway.toml");
        let config = Config::from_file(&file, &SystemEnvironment, NonZeroUsize::MIN).unwrap();
        assert_eq!(config.routes.len(), 3);
        assert_eq!(config.issuer.as_str(), demo.gateway_url());
        let text = Config::from_toml("gateway.toml", demo.config(), &SystemEnvironment, NonZeroUsize::MIN);
        assert_eq!(text.unwrap().session.recheck, DemoOptions::default().recheck);
    }
}
