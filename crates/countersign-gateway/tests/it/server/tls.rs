//! TLS of the listener.

use std::{path::Path, sync::Arc, time::Duration};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    frames::{Frames, connect},
    harness::{Gateway, Plan, answer, http1, soon},
    recorder::{OK, Recorder},
};
use countersign_gateway::{
    config::resolved::TlsFiles,
    server::{CertificateError, Certificates},
};

/// Writes a new certificate and key for `localhost`.
pub(crate) fn renew(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate_file: folder.join("tls.crt"), key_file: folder.join("tls.key") };
    // As a careful tool does: written aside, then put in place.
    for (path, text) in
        [(&files.key_file, signing_key.serialize_pem()), (&files.certificate_file, cert.pem())]
    {
        let aside = path.with_extension("new");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(&aside, path).unwrap();
    }
    (files, cert.der().clone())
}

async fn shake(
    gateway: &Gateway,
    trusted: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    shake_over(gateway.connect().await, trusted, alpn).await
}

/// The same on a connection that is there already.
pub(crate) async fn shake_over(
    socket: TcpStream,
    trusted: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, socket)).await
}

#[tokio::test]
async fn alpn_chooses_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let (files, certificate) = renew(folder.path());
    let service = Recorder::answering(OK).await;
    let certificates = Some(Arc::new(Certificates::load(&files).unwrap()));
    let gateway = Plan { certificates, ..Plan::default() }.start(&[http1(service.address)]);

    let mut client = shake(&gateway, &certificate, &[b"http/1.1"]).await.unwrap();
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut client).await.unwrap().0.starts_with("HTTP/1.1 200 "));

    let stream = shake(&gateway, &certificate, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = connect(stream).await;
    let request = http::Request::get("https://localhost/2").body(Frames::none()).unwrap();
    assert_eq!(soon(client.send_request(request)).await.unwrap().status(), 200);
    assert_eq!(service.record.requests().len(), 2);
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (files, first) = renew(folder.path());
    let certificates = Arc::new(Certificates::load(&files).unwrap());
    assert!(!certificates.refresh().unwrap(), "nothing changed");
    let service = Recorder::answering(OK).await;
    let plan = Plan { certificates: Some(Arc::clone(&certificates)), ..Plan::default() };
    let gateway = plan.start(&[http1(service.address)]);
    let mut old = shake(&gateway, &first, &[]).await.unwrap();

    let (_, second) = renew(folder.path());
    soon(async {
        while shake(&gateway, &second, &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(shake(&gateway, &first, &[]).await.is_err(), "the first is not shown any more");
    gateway.counts("connection", "tls_reloaded", 1).await;
    old.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut old).await.is_some(), "an open connection lives on");

    std::fs::write(&files.certificate_file, "not a certificate").unwrap();
    let error = certificates.refresh();
    // The gateway's own look may have come first; then the same state is not told twice.
    assert!(matches!(error, Err(CertificateError::NoCertificate(_)) | Ok(false)), "{error:?}");
    assert!(!certificates.refresh().unwrap(), "told once");
    shake(&gateway, &second, &[]).await.expect("the last good one stays");
}

#[tokio::test]
async fn faults_of_the_files_are_named_without_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = renew(folder.path());
    let text = |error: Result<Certificates, CertificateError>| error.unwrap_err().to_string();
    let missing = TlsFiles { key_file: folder.path().join("none"), ..files.clone() };
    assert!(text(Certificates::load(&missing)).contains("none"));
    let swapped =
        TlsFiles { certificate_file: files.key_file.clone(), key_file: files.certificate_file.clone() };
    assert!(text(Certificates::load(&swapped)).contains("no PEM certificate"));
    let no_key = TlsFiles { key_file: files.certificate_file.clone(), ..files.clone() };
    assert!(text(Certificates::load(&no_key)).contains("no PEM private key"));
    let other = tempfile::tempdir().unwrap();
    let (others, _) = renew(other.path());
    let mixed = TlsFiles { key_file: others.key_file, ..files };
    assert!(text(Certificates::load(&mixed)).contains("cannot be used"));
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_is_closed() {
    const SHORT: Duration = Duration::from_millis(300);
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = renew(folder.path());
    let service = Recorder::answering(OK).await;
    let mut plan = Plan::limits(|limits| limits.header_timeout = SHORT);
    plan.certificates = Some(Arc::new(Certificates::load(&files).unwrap()));
    let gateway = plan.start(&[http1(service.address)]);
    let started = tokio::time::Instant::now();
    let mut client = gateway.connect().await;
    client.write_all(&[22, 3, 1]).await.unwrap();
    super::harness::rest(&mut client).await;
    assert!(started.elapsed() >= SHORT);
    gateway.counts("connection", "tls_failed", 1).await;
    gateway.counts("connection", "accepted", 1).await;
}
