//! One file → one [`Config`]: each table in its own module.

mod browser;
mod client_secret;
mod clients;
mod guard;
mod limits;
mod route;
mod server;
mod session;
mod store;
mod token;

use std::num::NonZeroUsize;

use toml::{Spanned, de::DeTable};

use crate::config::{
    reader::{Reader, Section},
    resolved::Config,
};

/// Reads everything, so that every fault is found; a configuration only comes out if there is none.
pub(super) fn config<'a>(
    reader: &mut Reader<'a>,
    document: &'a Spanned<DeTable<'a>>,
    cores: NonZeroUsize,
) -> Option<Config> {
    let top = Section::top(document);
    let server = server::read(reader, &top, cores);
    let store = store::read(reader, &top, server.encryption_key.is_some());
    let session = session::read(reader, &top);
    let claims = token::claims(reader, &top);
    let mut routes = route::read(reader, &top);
    let guard = guard::read(reader, &top, server.issuer.as_ref(), &routes);
    guard::keep_to_ourselves(guard.as_ref(), &mut routes);
    let token = token::read(reader, &top, server.issuer.as_ref(), &routes);
    let limits = limits::read(reader, &top);
    let log = limits::log(reader, &top);
    let browser = browser::read(reader, &top, session.as_ref(), &routes, server.issuer.as_ref());
    let internal = clients::read(reader, &top, server.issuer.as_ref(), [server.listen, server.admin_listen]);
    let backchannel_logout = clients::backchannel_logout(reader, &top, session.as_ref());
    route::demands_can_be_met(reader, &top, &claims, &routes);
    token::claims_fit_source(reader, &top, &claims, session.as_ref());
    Some(Config {
        issuer: server.issuer?,
        listen: server.listen?,
        admin_listen: server.admin_listen?,
        internal_listen: internal.listen,
        clients: internal.clients,
        backchannel_logout,
        state_dir: server.state_dir?,
        encryption_key: server.encryption_key,
        workers: server.workers,
        trusted_proxies: server.trusted_proxies,
        tls: server.tls,
        store,
        session: session?,
        guard,
        claims,
        token,
        routes,
        browser,
        limits,
        log,
        insecure: reader.insecure.clone(),
    })
}
