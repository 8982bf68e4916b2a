//! A real gRPC server and client, without generated code.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use ::tower::service_fn;
use bytes::{Buf as _, BufMut as _};
use countersign::{
    Caller, CustomClaim, HasAnyRole, HasClaim, HasRole, HasScope, InOrganisation, Secret, Verifier,
    dpop::DpopPolicy,
    testkit::{TestIssuer, TestKey},
    tonic::{Authenticate, Require as _, Requirement},
    tower,
};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::NamedService,
    transport::{Channel, Server, server::TcpIncoming},
};

countersign::roles! {
    Editor = "editor";
    Owner = "owner";
}

countersign::scopes! {
    Read = "orders:read";
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only whether it can be read matters")]
struct Limit(u32);

impl CustomClaim for Limit {
    const NAME: &'static str = "limit";
}

/// Messages are plain text.
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
        buffer.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

async fn remove(request: Request<String>) -> Result<Response<String>, Status> {
    let (editor, of): (HasRole<Editor>, InOrganisation) = request.require()?;
    let text =
        format!("{} removes {} of {}", editor.caller().subject(), request.get_ref(), of.organisation());
    Ok(Response::new(text))
}

/// A handler whose only question is who calls.
async fn admits<R: Requirement>(request: Request<String>) -> Result<Response<String>, Status> {
    request.require::<R>()?;
    Ok(Response::new("in".to_owned()))
}

#[derive(Clone)]
struct Orders;

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl tower_service::Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match &*method {
                "Remove" => grpc.unary(service_fn(remove), request).await,
                "Caller" => grpc.unary(service_fn(admits::<Caller>), request).await,
                "Any" => grpc.unary(service_fn(admits::<HasAnyRole<(Editor, Owner)>>), request).await,
                "Scope" => grpc.unary(service_fn(admits::<HasScope<Read>>), request).await,
                "Claim" => grpc.unary(service_fn(admits::<HasClaim<Limit>>), request).await,
                "Three" => {
                    let all = service_fn(admits::<(HasRole<Editor>, HasScope<Read>, HasClaim<Limit>)>);
                    grpc.unary(all, request).await
                }
                other => panic!("{other}"),
            })
        })
    }
}

/// Starts a server, verifying or not; returns a client.
async fn client(issuer: Option<&TestIssuer>) -> Grpc<Channel> {
    client_of(issuer.map(TestIssuer::verifier)).await
}

async fn client_of(verifier: Option<Verifier>) -> Grpc<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let incoming = TcpIncoming::from(listener);
    match verifier {
        Some(verifier) => {
            let layer = Authenticate::new(tower::Authenticate::new(verifier));
            let server = Server::builder().layer(layer).add_service(Orders);
            tokio::spawn(server.serve_with_incoming(incoming));
        }
        None => {
            tokio::spawn(Server::builder().add_service(Orders).serve_with_incoming(incoming));
        }
    }
    Grpc::new(Channel::from_shared(address).unwrap().connect().await.unwrap())
}

async fn call(client: &mut Grpc<Channel>, token: Option<&str>) -> Result<String, (Code, String)> {
    call_method(client, "Remove", token).await
}

async fn call_method(
    client: &mut Grpc<Channel>,
    method: &str,
    token: Option<&str>,
) -> Result<String, (Code, String)> {
    client.ready().await.unwrap();
    let mut request = Request::new("order 7".to_owned());
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let path = http::uri::PathAndQuery::try_from(format!("/shop.Orders/{method}")).unwrap();
    match client.unary(request, path, Text).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => {
            let code = status.metadata().get("countersign-refused").map(|code| code.to_str().unwrap());
            Err((status.code(), code.unwrap_or_default().to_owned()))
        }
    }
}

#[tokio::test]
async fn a_call_needs_a_good_token_and_what_its_handler_asks_for() {
    let issuer = TestIssuer::new("orders");
    let mut client = client(Some(&issuer)).await;
    let refused = |code: Code, name: &str| Err((code, name.to_owned()));
    let good = issuer.token().subject("ann").organisation("acme").role("editor").sign();
    assert_eq!(call(&mut client, Some(&good)).await, Ok("ann removes order 7 of acme".to_owned()));
    assert_eq!(call(&mut client, None).await, refused(Code::Unauthenticated, "token_missing"));
    let viewer = issuer.token().organisation("acme").role("viewer").sign();
    assert_eq!(call(&mut client, Some(&viewer)).await, refused(Code::PermissionDenied, "role_missing"));
    let nowhere = issuer.token().role("editor").sign();
    let found = call(&mut client, Some(&nowhere)).await;
    assert_eq!(found, refused(Code::PermissionDenied, "organisation_missing"));
    for (row, token) in issuer.bad_tokens() {
        // What no header can hold never reaches a service.
        if token.trim() != token || !token.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            continue;
        }
        let found = call(&mut client, Some(&token)).await;
        // A header that is longer than the server's limit ends the call below us.
        if token.len() < 8_000 {
            assert_eq!(found, refused(Code::Unauthenticated, row.refusal().code()), "{}", row.name());
        } else {
            assert!(found.is_err(), "{}", row.name());
        }
    }
}

#[tokio::test]
async fn every_requirement_lets_in_who_has_it_and_nobody_else() {
    let issuer = TestIssuer::new("orders");
    let mut client = client(Some(&issuer)).await;
    let ann = || issuer.token().subject("ann");
    let all = || ann().role("editor").scope("orders:read").claim("limit", 7);
    let denied = |code: &str| Err((Code::PermissionDenied, code.to_owned()));
    let good = || Ok("in".to_owned());
    for (method, token, expected) in [
        ("Caller", ann(), good()),
        ("Any", ann().role("owner"), good()),
        ("Any", ann().role("Owner"), denied("role_missing")),
        ("Scope", ann().scope("openid orders:read"), good()),
        ("Scope", ann().scope("orders:reader"), denied("scope_missing")),
        ("Claim", ann().claim("limit", 7), good()),
        ("Claim", ann(), denied("claim_required")),
        ("Claim", ann().claim("limit", "7"), Err((Code::Unauthenticated, "claim_malformed".to_owned()))),
        ("Three", all(), good()),
        // The first that is not met is the answer.
        ("Three", ann(), denied("role_missing")),
        ("Three", ann().role("editor"), denied("scope_missing")),
        ("Three", all().without("limit"), denied("claim_required")),
    ] {
        let found = call_method(&mut client, method, Some(&token.sign())).await;
        assert_eq!(found, expected, "{method}");
    }
    for method in ["Caller", "Any", "Scope", "Claim", "Three"] {
        let nobody = call_method(&mut client, method, None).await;
        assert_eq!(nobody, Err((Code::Unauthenticated, "token_missing".to_owned())), "{method}");
    }
}

#[tokio::test]
async fn a_bound_token_needs_its_proof_and_the_nonce_comes_with_the_refusal() {
    let issuer = TestIssuer::new("orders");
    let policy = DpopPolicy::new("https://grpc.orders.test").require_nonce(Secret::new(vec![1; 32]));
    let verifier = issuer.verifier_builder().dpop(policy).build().unwrap();
    let mut client = client_of(Some(verifier)).await;
    let token = issuer.token().subject("ann").organisation("acme").role("editor");
    let token = token.bound_to(TestKey::CLIENT).sign();
    let mut ask = async |nonce: &str| {
        client.ready().await.unwrap();
        let proof = issuer.proof("POST", "https://grpc.orders.test/shop.Orders/Remove", &token).nonce(nonce);
        let mut request = Request::new("order 7".to_owned());
        request.metadata_mut().insert("authorization", format!("DPoP {token}").parse().unwrap());
        request.metadata_mut().insert("dpop", proof.sign().parse().unwrap());
        let path = http::uri::PathAndQuery::from_static("/shop.Orders/Remove");
        client.unary(request, path, Text).await.map(Response::into_inner)
    };
    let refused = ask("none").await.unwrap_err();
    let said = |name: &str| refused.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(said("countersign-refused").as_deref(), Some("proof_nonce_required"));
    let challenge = said("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with(r#"DPoP error="use_dpop_nonce", algs="ES256"#), "{challenge}");
    let nonce = said("dpop-nonce").unwrap();
    assert_eq!(ask(&nonce).await.unwrap(), "ann removes order 7 of acme");
    let bearer = call(&mut client, Some(&token)).await;
    assert_eq!(bearer, Err((Code::Unauthenticated, "token_needs_proof".to_owned())));
}

/// As over HTTP (RFC 6750 §3).
#[tokio::test]
async fn a_refusal_brings_its_challenge() {
    let issuer = TestIssuer::new("orders");
    let mut client = client(Some(&issuer)).await;
    let expired = issuer.token().sign();
    issuer.clock().advance(TestIssuer::LIFETIME + Verifier::DEFAULT_LEEWAY);
    for (token, challenge) in [(None, "Bearer"), (Some(expired), r#"Bearer error="invalid_token""#)] {
        client.ready().await.unwrap();
        let mut request = Request::new("order 7".to_owned());
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let path = http::uri::PathAndQuery::from_static("/shop.Orders/Remove");
        let refused = client.unary(request, path, Text).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.metadata().get("www-authenticate").unwrap().to_str().unwrap(), challenge);
    }
}

#[tokio::test]
async fn keys_that_have_not_come_are_not_the_callers_fault() {
    let issuer = TestIssuer::new("orders");
    issuer.published().keep_until(Some(countersign::UnixTime::from_secs(0)));
    let mut client = client(Some(&issuer)).await;
    let token = issuer.token().sign();
    let found = call(&mut client, Some(&token)).await;
    assert_eq!(found, Err((Code::Unavailable, "keys_unavailable".to_owned())));
}

#[tokio::test]
async fn a_handler_where_nothing_verifies_lets_nobody_in() {
    let issuer = TestIssuer::new("orders");
    let mut client = client(None).await;
    let good = issuer.token().organisation("acme").role("editor").sign();
    let found = call(&mut client, Some(&good)).await;
    assert_eq!(found, Err((Code::Unauthenticated, "token_missing".to_owned())));
}
