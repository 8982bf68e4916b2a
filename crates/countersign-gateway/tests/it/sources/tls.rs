//! TLS to the authorization server: its certificate is checked, HTTP/2 is spoken where it offers it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use countersign_gateway::{
    config::resolved::SourceConfig,
    error::SourceError,
    session::source::{Verdict, from_config},
};
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::RootCertStore;
use tokio_rustls::TlsAcceptor;

use super::{Is, ask, basic, entropy, given, introspection, is, session};

struct Tls {
    address: SocketAddr,
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
    versions: Arc<Mutex<Vec<Version>>>,
}

impl Tls {
    async fn start(name: &str, protocols: &[&str]) -> Self {
        let certificate = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let versions = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&versions);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request: Request<Incoming>| {
                        seen.lock().unwrap().push(request.version());
                        async {
                            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(r#"{"active":true}"#))))
                        }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, certificate, versions }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.cert.der().clone()).unwrap();
        roots
    }

    fn source(&self) -> SourceConfig {
        introspection(given(&format!("https://{}/introspect", self.address)), basic())
    }

    async fn asked(&self, roots: RootCertStore) -> Result<Verdict, SourceError> {
        ask(&from_config(&session(self.source()), &entropy(), Some(roots)).unwrap()).await
    }
}

#[tokio::test]
async fn the_best_version_both_know_is_spoken() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let tls = Tls::start("127.0.0.1", protocols).await;
        assert_eq!(is(&tls.asked(tls.roots()).await), Is::Live);
        assert_eq!(*tls.versions.lock().unwrap(), [version]);
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_an_outage_by_name() {
    let tls = Tls::start("127.0.0.1", &[]).await;
    let other = Tls::start("127.0.0.1", &[]).await;
    for roots in [RootCertStore::empty(), other.roots()] {
        let Err(SourceError::Unavailable(why)) = tls.asked(roots).await else { panic!("unavailable") };
        assert!(why.contains("certificate"), "{why}");
    }
    assert!(tls.versions.lock().unwrap().is_empty(), "the credential was sent");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_an_outage() {
    let tls = Tls::start("sso.example", &[]).await;
    assert_eq!(is(&tls.asked(tls.roots()).await), Is::Unavailable);
    assert!(tls.versions.lock().unwrap().is_empty());
}
