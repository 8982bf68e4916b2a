//! What `run` needs of this machine and of the store: it does not start without.

use std::{io, net::SocketAddr};

use countersign_gateway::{
    admin::client::{CallError, call},
    config::{Config, Environment as _, SystemEnvironment, resolved::SourceConfig},
    server::bind,
    store::{StateDirectory, StoreError},
};
use http::Method;

use crate::{check::Item, screen::Mark};

/// What `--offline` does not look at.
pub(super) fn left_out(config: &Config) -> Vec<&'static str> {
    let server = !matches!(config.session.source, SourceConfig::Nobody);
    [
        server.then_some("authorization server"),
        config.guard.is_some().then_some("issuer of `[guard]`"),
        config.store.is_some().then_some("store"),
        Some("state_dir"),
        Some("ports"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Looks at everything that could keep a gateway from starting. Leaves nothing behind, and takes nothing from a gateway
/// that runs.
pub(super) async fn look(config: &Config) -> Vec<Item> {
    let place = config.state_dir.display();
    let mut items = match call(&config.state_dir, Method::GET, "/healthz", "").await {
        Err(CallError::NotRunning(_)) => {
            let mut items = vec![state_dir(config)];
            items.extend(ports(config));
            items
        }
        Err(CallError::NotAllowed(_)) => {
            let text = format!(
                "state_dir `{place}` is another user's: neither it nor the ports were looked at; run `check` as the gateway's user"
            );
            vec![Item::new(Mark::Warning, text)]
        }
        Ok(_) | Err(_) => {
            let text = format!("state_dir `{place}`: a gateway runs on it; its ports were not tried");
            vec![Item::new(Mark::Fine, text)]
        }
    };
    items.extend(store(config));
    items
}

fn state_dir(config: &Config) -> Item {
    let place = config.state_dir.display();
    match StateDirectory::look(&config.state_dir) {
        Ok(true) => Item::new(Mark::Fine, format!("state_dir `{place}` can be used")),
        Ok(false) => Item::new(Mark::Fine, format!("state_dir `{place}` is made by the first start")),
        // Who checks may be another user than the one who runs it.
        Err(StoreError::File { error, .. }) if error.kind() == io::ErrorKind::PermissionDenied => {
            let text = format!("state_dir `{place}`: this user may not write it; the gateway's own must");
            Item::new(Mark::Warning, text)
        }
        Err(error) => Item::new(Mark::Fault, format!("state_dir: {error}")),
    }
}

fn ports(config: &Config) -> Vec<Item> {
    let listeners = [
        ("listen", Some(config.listen)),
        ("admin_listen", Some(config.admin_listen)),
        ("internal_listen", config.internal_listen),
    ];
    let listeners = listeners.into_iter().filter_map(|(name, address)| Some((name, address?)));
    let faults: Vec<Item> = listeners
        .clone()
        .filter_map(|(name, address)| bind(address).err().map(|error| taken(name, address, &error)))
        .collect();
    if !faults.is_empty() {
        return faults;
    }
    let free: Vec<String> = listeners.map(|(name, address)| format!("{name} {address}")).collect();
    vec![Item::new(Mark::Fine, format!("free: {}", free.join(", ")))]
}

fn taken(name: &str, address: SocketAddr, error: &io::Error) -> Item {
    // Its service manager holds the socket already, if it is the one to hand it over.
    let is_a_service = SystemEnvironment.variable("INVOCATION_ID").is_some();
    let (mark, why) = match error.kind() {
        io::ErrorKind::AddrInUse if name == "listen" && is_a_service => (
            Mark::Warning,
            "somebody listens there: the service manager, if it hands the socket over".to_owned(),
        ),
        io::ErrorKind::AddrInUse => (Mark::Fault, "somebody else listens there".to_owned()),
        io::ErrorKind::AddrNotAvailable => (Mark::Fault, "is no address of this machine".to_owned()),
        io::ErrorKind::PermissionDenied => {
            (Mark::Warning, "this user may not listen there; the gateway's own must".to_owned())
        }
        kind => (Mark::Fault, format!("cannot be listened at ({kind})")),
    };
    Item::new(mark, format!("{name} {address}: {why}"))
}

#[cfg(feature = "valkey")]
fn store(config: &Config) -> Option<Item> {
    use std::sync::Arc;

    use countersign_gateway::{clock::SystemClock, store::valkey::reach};

    let store = config.store.as_ref()?;
    Some(match reach(store, Arc::new(SystemClock::start())) {
        Ok(()) => {
            let servers = store.servers.iter().map(|server| format!("{}:{}", server.host, server.port));
            Item::new(Mark::Fine, format!("store: {} answers", servers.collect::<Vec<_>>().join(", ")))
        }
        Err(error) => Item::new(Mark::Fault, format!("{error}: a gateway does not start without it")),
    })
}

#[cfg(not(feature = "valkey"))]
fn store(config: &Config) -> Option<Item> {
    let text = "`[store]` needs a binary that was built with the feature `valkey`";
    config.store.as_ref().map(|_| Item::new(Mark::Fault, text))
}
