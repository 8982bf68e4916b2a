//! gRPC through the built binary: a client over TLS, a service over HTTP/2 in clear or over TLS that verifies for itself.

use std::{convert::Infallible, fs, future::Future, pin::Pin, sync::Arc, task::Context, time::Duration};

use countersign::{
    HasRole, InOrganisation, Verifier,
    remote::RemoteKeys,
    tonic::{Authenticate, Require as _},
    tower as layers,
};
use http::{Uri, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::ServerName};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::NamedService,
    service::Routes,
    transport::{Channel, Endpoint},
};

use crate::{
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
};

countersign::roles! {
    Editor = "editor";
}

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages are plain text; one that says `break` cannot be read.
#[derive(Debug, Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let length = bytes::Buf::remaining(buffer);
        let text = String::from_utf8(bytes::Buf::copy_to_bytes(buffer, length).to_vec()).unwrap();
        if text == "break" { Err(Status::aborted("broken")) } else { Ok(Some(text)) }
    }
}

async fn remove(request: Request<String>) -> Result<Response<String>, Status> {
    let (editor, of): (HasRole<Editor>, InOrganisation) = request.require()?;
    assert!(request.metadata().get("cookie").is_none(), "the session has reached the service");
    let text =
        format!("{} removes {} of {}", editor.caller().subject(), request.get_ref(), of.organisation());
    Ok(Response::new(text))
}

/// Each message goes back as it comes.
async fn echo(request: Request<Streaming<String>>) -> Result<Response<Streaming<String>>, Status> {
    let _: InOrganisation = request.require()?;
    Ok(Response::new(request.into_inner()))
}

#[derive(Clone)]
struct Orders;

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl tower_service::Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            Ok(match request.uri().path() {
                "/shop.Orders/Remove" => grpc.unary(tower::service_fn(remove), request).await,
                _ => grpc.streaming(tower::service_fn(echo), request).await,
            })
        })
    }
}

/// A certificate for `localhost` that everybody here trusts.
struct Authority {
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { certificate }
    }

    fn server(&self, alpn: &[u8]) -> TlsAcceptor {
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(self.certificate.signing_key.serialize_der());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.cert.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    fn client(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// Serves gRPC on every connection, over TLS if there is an acceptor.
fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, verifier: Verifier) -> AbortHandle {
    let layer = Authenticate::new(layers::Authenticate::new(verifier));
    let routes = Routes::new(Orders).prepare();
    let service = tower::Layer::layer(&layer, routes);
    let serving = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(service.clone()));
            tokio::spawn(async move {
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                match acceptor {
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(socket).await else { return };
                        let _ = http.serve_connection(TokioIo::new(stream), service).await;
                    }
                    None => drop(http.serve_connection(TokioIo::new(socket), service).await),
                }
            });
        }
    });
    serving.abort_handle()
}

/// A channel to the gateway over TLS.
async fn channel(gateway: &Gateway, authority: &Authority) -> Grpc<Channel> {
    let (address, connector) = (gateway.address().to_owned(), authority.client());
    let connect = tower::service_fn(move |_: Uri| {
        let (address, connector) = (address.clone(), connector.clone());
        async move {
            let socket = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, socket).await?))
        }
    });
    let channel =
        Endpoint::from_static("http://shop.example").origin(Uri::from_static("https://shop.example"));
    Grpc::new(channel.connect_with_connector(connect).await.unwrap())
}

/// A call of a page of ours in somebody's session.
fn called<T>(session: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("cookie", format!("SESSION={session}").parse().unwrap());
    request.metadata_mut().insert("origin", ISSUER.parse().unwrap());
    request
}

async fn unary(client: &mut Grpc<Channel>, session: &str) -> Result<String, Status> {
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/shop.Orders/Remove");
    client.unary(called(session, "order 7".to_owned()), path, Text).await.map(Response::into_inner)
}

/// Everything that passes: an answer, an error in trailers, one in a head alone, and a stream both ways.
async fn all_kinds_of_calls(client: &mut Grpc<Channel>) {
    assert_eq!(unary(client, "session-of-ada-the-editor").await.unwrap(), "ada removes order 7 of acme");
    // The status stands in the only head there is.
    let refused = unary(client, "session-of-bob-the-viewer").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let forged = refused.metadata().get("countersign-refused");
    assert!(forged.is_none(), "a service says nothing in the gateway's name");

    client.ready().await.unwrap();
    let (sender, messages) = mpsc::channel(1);
    let path = PathAndQuery::from_static("/shop.Orders/Echo");
    let request = called("session-of-ada-the-editor", ReceiverStream::new(messages));
    let mut echoed = client.streaming(request, path, Text).await.unwrap().into_inner();
    for message in ["one", "two", "three"] {
        sender.send(message.to_owned()).await.unwrap();
        let back = timeout(PATIENCE, echoed.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(back, message, "before the next is sent");
    }
    // The service ends with an error, which stands in the trailers.
    sender.send("break".to_owned()).await.unwrap();
    let end = timeout(PATIENCE, echoed.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!((end.code(), end.message()), (Code::Aborted, "broken"));
}

/// Ada is an editor of acme, Bob a viewer.
async fn sessions() -> LocalServer {
    LocalServer::start(|seen| {
        let form = String::from_utf8(seen.body.to_vec()).unwrap();
        let (who, role) = if form.contains("ada") { ("ada", "editor") } else { ("bob", "viewer") };
        Reply::json(&json!({
            "active": true, "sub": who, "roles": [role], "org": { "id": "acme" }, "client_id": "web",
        }))
    })
    .await
}

/// A gateway with TLS before one upstream.
fn gateway(authority: &Authority, server: &LocalServer, path: &str, upstream: &str) -> Gateway {
    let mut setting = Setting::new();
    let secret = setting.secret_file("secret", "secret-of-the-gateway");
    let key = setting.secret_file("key.pem", &authority.certificate.signing_key.serialize_pem());
    let certificate = format!("{key}.crt");
    fs::write(&certificate, authority.certificate.cert.pem()).unwrap();
    let config = format!(
        "issuer = \"{ISSUER}\"\n[tls]\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n\
         [session]\ncookie = \"SESSION\"\nintrospect = \"{}/introspect\"\nclient_id = \"gateway\"\n\
         client_secret_file = \"{secret}\"\n[claims]\nroles = \"session.roles\"\norganisation = \"session.org.id\"\n\
         [[route]]\npath = \"{path}\"\nupstream = \"{upstream}\"\naudience = \"orders\"\n",
        server.origin()
    );
    let mut gateway = Gateway::start_with(setting, &config, &[("SSL_CERT_FILE", &certificate)]);
    gateway.keep_secret("session-of-ada-the-editor");
    gateway.keep_secret("session-of-bob-the-viewer");
    gateway
}

/// The service's own verifier, once it has the gateway's keys.
async fn verifier(gateway: &Gateway) -> Verifier {
    let keys = RemoteKeys::builder().key_set(gateway.admin_url("/.well-known/jwks.json")).start().unwrap();
    while keys.fetches().succeeded == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    Verifier::builder().issuer(ISSUER).audience("orders").keys(keys).build().unwrap()
}

#[tokio::test]
async fn calls_pass_to_a_service_over_http2_in_clear_and_over_tls() {
    let (authority, server) = (Authority::new(), sessions().await);
    for is_tls in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream =
            if is_tls { format!("https://localhost:{port}") } else { format!("h2c://127.0.0.1:{port}") };
        let gateway = gateway(&authority, &server, "/shop.Orders/", &upstream);
        let acceptor = is_tls.then(|| authority.server(b"h2"));
        let service = serve(listener, acceptor, verifier(&gateway).await);
        let mut client = channel(&gateway, &authority).await;
        all_kinds_of_calls(&mut client).await;
        service.abort();
        gateway.stop().await;
    }
}

/// HTTP/1.1 over TLS, by ALPN; a service whose certificate nobody vouches for gets nothing.
#[tokio::test]
async fn a_service_over_tls_is_verified() {
    let (authority, stranger, server) = (Authority::new(), Authority::new(), sessions().await);
    for (certificate, status) in [(&authority, 200), (&stranger, 502)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = certificate.server(b"http/1.1");
        let service = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let Ok(stream) = acceptor.accept(socket).await else { continue };
                let answer = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
                    let authorization =
                        request.headers()["authorization"].as_bytes().starts_with(b"Bearer ey");
                    Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(
                        authorization.to_string(),
                    ))))
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), answer));
            }
        });
        let gateway = gateway(&authority, &server, "/orders/", &upstream);
        let socket = TcpStream::connect(gateway.address()).await.unwrap();
        let stream =
            authority.client().connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get("https://shop.example/orders/1")
            .header("cookie", "SESSION=session-of-ada-the-editor")
            .body(Full::new(Bytes::new()))
            .unwrap();
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status(), status);
        let code = answer.headers().get("countersign-refused").map(|code| code.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        match status {
            200 => assert_eq!(body, "true", "with a token"),
            _ => assert_eq!(code.as_deref(), Some("upstream_unreachable")),
        }
        service.abort();
        gateway.stop().await;
    }
}
