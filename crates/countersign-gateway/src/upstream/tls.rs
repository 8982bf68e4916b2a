//! TLS towards services.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// How services with TLS are spoken to.
#[derive(Debug)]
pub(super) struct Tls {
    /// HTTP/2 or HTTP/1.1, by ALPN.
    pub(super) any: Arc<ClientConfig>,
    /// HTTP/1.1 alone, for upgrades.
    pub(super) http1: Arc<ClientConfig>,
}

/// TLS 1.2 and 1.3, verified against `roots` or else the machine's trust store.
///
/// `None` when the cryptography offers nothing that can be spoken.
pub(super) fn client_config(roots: Option<RootCertStore>) -> Option<Arc<Tls>> {
    let roots = roots.unwrap_or_else(native_roots);
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let mut any = builder.with_root_certificates(roots).with_no_client_auth();
    let mut http1 = any.clone();
    any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(Tls { any: Arc::new(any), http1: Arc::new(http1) }))
}

fn native_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "part of the trust store cannot be read");
    }
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::error!(ignored, "the trust store is empty: no service can be reached by TLS");
    }
    roots
}
