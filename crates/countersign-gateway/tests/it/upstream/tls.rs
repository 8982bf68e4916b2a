//! TLS to services: verified, HTTP/2 or HTTP/1.1 by ALPN.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::server::{
    frames::serve_echo,
    harness::{Plan, exchange, soon},
    recorder::{OK, message},
};
use countersign_gateway::config::resolved::{UpstreamOrigin, UpstreamProtocol};

const GET: &[u8] = b"GET /s HTTP/1.1\r\nHost: api.example\r\n\r\n";

/// A service with TLS that speaks what ALPN chose.
async fn service(alpn: &[&[u8]]) -> (SocketAddr, RootCertStore, JoinSet<()>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                serve_echo(stream);
            } else {
                tokio::spawn(async move {
                    while message(&mut stream).await.is_some() {
                        stream.write_all(OK.as_bytes()).await.unwrap();
                    }
                });
            }
        }
    });
    (address, roots, accepting)
}

fn https(host: &str, address: SocketAddr) -> UpstreamOrigin {
    UpstreamOrigin { protocol: UpstreamProtocol::Tls, host: host.into(), port: address.port() }
}

#[tokio::test]
async fn alpn_chooses_the_version_and_an_address_is_a_name_too() {
    for (alpn, expected) in [
        (&[&b"h2"[..], b"http/1.1"][..], "x-about: GET https://api.example/s"),
        (&[b"http/1.1"], "content-length: 2"),
        (&[], "content-length: 2"),
    ] {
        let (address, roots, _serving) = service(alpn).await;
        for host in ["localhost", "127.0.0.1"] {
            let plan = Plan { roots: Some(roots.clone()), ..Plan::default() };
            let gateway = plan.start(&[https(host, address)]);
            let mut client = gateway.connect().await;
            for _ in 0..2 {
                let (head, _) = exchange(&mut client, GET).await;
                assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                assert!(head.to_lowercase().contains(&expected.to_lowercase()), "{head}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_unreachable() {
    let (address, _, _serving) = service(&[b"http/1.1"]).await;
    let (_, others, _) = service(&[]).await;
    for roots in [others, RootCertStore::empty()] {
        let gateway = Plan { roots: Some(roots), ..Plan::default() }.start(&[https("localhost", address)]);
        let (head, _) = soon(exchange(&mut gateway.connect().await, GET)).await;
        assert!(head.contains("upstream_unreachable"), "{head}");
    }
}
