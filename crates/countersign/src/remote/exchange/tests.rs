use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, header::AUTHORIZATION};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{CallError, Exchange, ExchangeError, ExchangeSetupError, OnBehalfOfCaller};
use crate::{
    Caller, Secret,
    remote::ClientAuthentication,
    testkit::TestIssuer,
    tower::{Authenticate, CallerToken},
};

/// An endpoint that issues `next-N` for five minutes, or answers whatever it is told.
struct Gateway {
    origin: String,
    asked: Arc<AtomicU64>,
    requests: Arc<Mutex<Vec<String>>>,
    instead: Arc<Mutex<Option<String>>>,
}

fn json(status: &str, body: &str) -> String {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn gateway() -> Gateway {
    let (asked, requests, instead) = (Arc::default(), Arc::<Mutex<Vec<_>>>::default(), Arc::default());
    let (count, seen, other) = (Arc::clone(&asked), Arc::clone(&requests), Arc::clone(&instead));
    let origin = crate::remote::tests::serve_requests(move |request| {
        let number = AtomicU64::fetch_add(&count, 1, Ordering::Relaxed);
        seen.lock().unwrap().push(request.to_owned());
        if let Some(other) = Mutex::<Option<String>>::lock(&other).unwrap().clone() {
            return other;
        }
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let body = format!(
            r#"{{"access_token":"next-{number}","issued_token_type":"{kind}","token_type":"Bearer","expires_in":300}}"#
        );
        json("200 OK", &body)
    })
    .await;
    Gateway { origin, asked, requests, instead }
}

impl Gateway {
    fn exchange(&self, issuer: &TestIssuer) -> Exchange {
        let client = ClientAuthentication::basic("orders", Secret::new("s3cret".to_owned())).unwrap();
        let builder = Exchange::builder(TestIssuer::ISSUER, &*self.origin, client);
        builder.clock(Arc::new(issuer.clock().clone())).build().unwrap()
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn token_of(issuer: &TestIssuer, subject: &str) -> CallerToken {
    let token = issuer.token().subject(subject).sign();
    let claims = issuer.verifier().verify(&token).unwrap();
    CallerToken::new(token.into_bytes(), &claims).unwrap()
}

async fn authorization(
    exchange: &Exchange,
    caller: &CallerToken,
    audience: &str,
) -> Result<String, ExchangeError> {
    let value = exchange.authorization(caller, &audience.into()).await?;
    assert!(value.is_sensitive());
    Ok(value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_is_exchanged_once_for_each_audience_and_caller() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let exchange = gateway.exchange(&issuer);
    let (ann, bob) = (token_of(&issuer, "ann"), token_of(&issuer, "bob"));
    for _ in 0..3 {
        assert_eq!(authorization(&exchange, &ann, "notes").await.unwrap(), "Bearer next-0");
    }
    assert_eq!(authorization(&exchange, &ann, "bills").await.unwrap(), "Bearer next-1");
    assert_eq!(authorization(&exchange, &bob, "notes").await.unwrap(), "Bearer next-2");
    let requests = gateway.requests.lock().unwrap();
    assert!(requests[0].starts_with("POST /token HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("\r\nauthorization: Basic b3JkZXJzOnMzY3JldA==\r\n"), "{}", requests[0]);
    for field in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        &format!("subject_token={}", ann.expose()),
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        "audience=notes",
    ] {
        assert!(requests[0].contains(field), "{field}: {}", requests[0]);
    }
}

#[tokio::test]
async fn the_token_itself_goes_to_its_own_audience_only() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let exchange = gateway.exchange(&issuer);
    let ann = token_of(&issuer, "ann");
    let own = authorization(&exchange, &ann, "orders").await.unwrap();
    assert_eq!((own, gateway.asked()), (format!("Bearer {}", ann.expose()), 0));
    assert_ne!(authorization(&exchange, &ann, "Orders").await.unwrap(), format!("Bearer {}", ann.expose()));
}

#[cfg(feature = "dpop")]
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_goes_nowhere() {
    use crate::{
        dpop::{DpopPolicy, ProofRequest},
        testkit::TestKey,
    };
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let verifier = issuer.verifier_builder().dpop(DpopPolicy::new("https://orders.test")).build().unwrap();
    let token = issuer.token().subject("ann").bound_to(TestKey::CLIENT).sign();
    let proof = issuer.proof("GET", "https://orders.test/", &token).sign();
    let request = Request::get("/").header("DPoP", proof).body(()).unwrap();
    let claims = verifier.verify_with_proof(&token, &ProofRequest::of(&request)).unwrap();
    let ann = CallerToken::new(token.into_bytes(), &claims).unwrap();
    let exchange = gateway.exchange(&issuer);
    for audience in ["orders", "notes"] {
        assert_eq!(authorization(&exchange, &ann, audience).await, Err(ExchangeError::Bound), "{audience}");
    }
    assert_eq!(gateway.asked(), 0);
}

#[tokio::test]
async fn it_is_exchanged_again_before_its_end() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let exchange = gateway.exchange(&issuer);
    let ann = token_of(&issuer, "ann");
    assert_eq!(authorization(&exchange, &ann, "notes").await.unwrap(), "Bearer next-0");
    issuer.clock().advance(Duration::from_secs(289));
    assert_eq!(authorization(&exchange, &ann, "notes").await.unwrap(), "Bearer next-0");
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(authorization(&exchange, &ann, "notes").await.unwrap(), "Bearer next-1");
    // What was made of a token that ends soon ends with it, whatever the answer says.
    let short = issuer
        .token()
        .expires(crate::Clock::now(issuer.clock()).saturating_add(Duration::from_secs(20)))
        .sign();
    let claims = issuer.verifier().verify(&short).unwrap();
    let short = CallerToken::new(short.into_bytes(), &claims).unwrap();
    assert_eq!(authorization(&exchange, &short, "notes").await.unwrap(), "Bearer next-2");
    issuer.clock().advance(Duration::from_secs(17));
    assert_eq!(authorization(&exchange, &short, "notes").await.unwrap(), "Bearer next-2");
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(authorization(&exchange, &short, "notes").await.unwrap(), "Bearer next-3");
}

#[tokio::test]
async fn all_who_wait_share_one_exchange_and_its_failure() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let exchange = gateway.exchange(&issuer);
    let ann = token_of(&issuer, "ann");
    let together = || async {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (exchange, ann) = (exchange.clone(), ann.clone());
                tokio::spawn(async move { authorization(&exchange, &ann, "notes").await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    };
    *gateway.instead.lock().unwrap() = Some(json("400 Bad Request", r#"{"error":"invalid_target"}"#));
    assert!(together().await.iter().all(|one| *one == Err(ExchangeError::Refused("invalid_target".into()))));
    assert_eq!(gateway.asked(), 1);
    *gateway.instead.lock().unwrap() = None;
    assert!(
        together().await.iter().all(|one| one.as_deref() == Ok("Bearer next-1")),
        "a failure is not kept"
    );
    assert_eq!(gateway.asked(), 2);
    assert!(exchange.shared.under_way().is_empty());
}

#[tokio::test]
async fn an_exchange_goes_on_when_the_one_who_asked_leaves() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let exchange = gateway.exchange(&issuer);
    let ann = token_of(&issuer, "ann");
    let left = tokio::select! {
        biased;
        _ = authorization(&exchange, &ann, "notes") => false,
        () = std::future::ready(()) => true,
    };
    assert!(left, "it was polled once, and dropped");
    assert_eq!(authorization(&exchange, &ann, "notes").await.unwrap(), "Bearer next-0");
    assert_eq!(gateway.asked(), 1);
}

#[tokio::test]
async fn nonsense_is_no_token() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let exchange = gateway.exchange(&issuer);
    let ann = token_of(&issuer, "ann");
    let huge = format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 17));
    for answer in [
        json("200 OK", "{}"),
        json("200 OK", &huge),
        json("500 Oops", "{}"),
        "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            .to_owned(),
        "rubbish\r\n\r\n".to_owned(),
    ] {
        *gateway.instead.lock().unwrap() = Some(answer.clone());
        let outcome = authorization(&exchange, &ann, "notes").await;
        assert_eq!(outcome, Err(ExchangeError::Unavailable), "{answer:.40}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_hangs_is_given_up_and_many_callers_are_bounded() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = TestIssuer::new("orders");
    let client = ClientAuthentication::basic("orders", Secret::new("s".to_owned())).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let exchange = Exchange::builder(TestIssuer::ISSUER, origin, client).build().unwrap();
    let ann = token_of(&issuer, "ann");
    assert_eq!(authorization(&exchange, &ann, "notes").await, Err(ExchangeError::Unavailable));
    // Nobody runs while this loop does, so all of them are under way.
    for number in 0..super::MAX_UNDER_WAY {
        let key = super::CacheKey { token: [0; 32], audience: format!("a{number}").into() };
        assert!(exchange.shared.join(key, &ann).is_ok());
    }
    assert_eq!(authorization(&exchange, &ann, "notes").await, Err(ExchangeError::Busy));
}

#[tokio::test]
async fn an_outgoing_request_speaks_for_its_caller_and_for_nobody_else() {
    let (issuer, gateway) = (TestIssuer::new("orders"), gateway().await);
    let layer = OnBehalfOfCaller::new(gateway.exchange(&issuer), "notes", "https://notes.internal:8443/base")
        .unwrap();
    let sent = service_fn(async |request: Request<String>| {
        assert!(request.extensions().get::<CallerToken>().is_none());
        Ok::<_, Infallible>(request.headers().get(AUTHORIZATION).unwrap().to_str().unwrap().to_owned())
    });
    let client = layer.layer(sent);
    let call = async |uri: &str, caller: Option<CallerToken>| {
        let mut request = Request::get(uri).header(AUTHORIZATION, "Bearer own").body(String::new()).unwrap();
        request.extensions_mut().extend(caller.into_iter().map(extension).next().unwrap_or_default());
        client.clone().ready().await.unwrap().call(request).await
    };
    let ann = token_of(&issuer, "ann");
    let url = "https://notes.internal:8443/notes/7?x=1";
    assert_eq!(call(url, Some(ann.clone())).await, Ok("Bearer next-0".to_owned()));
    assert_eq!(call(url, None).await, Err(CallError::NoCaller));
    for elsewhere in [
        "http://notes.internal:8443/",
        "https://notes.internal/",
        "https://notes.internal.evil.example:8443/",
        "https://notes.internal:8443@evil.example/",
        "/notes/7",
    ] {
        assert_eq!(call(elsewhere, Some(ann.clone())).await, Err(CallError::OtherOrigin), "{elsewhere}");
    }
    assert_eq!(gateway.asked(), 1);
    for bad in ["", "/notes", "notes.internal", "http://notes.internal", "https://user@notes.internal"] {
        let refused = OnBehalfOfCaller::new(gateway.exchange(&issuer), "notes", bad);
        assert!(matches!(refused, Err(ExchangeSetupError::Location(_))), "{bad}");
    }
}

fn extension(token: CallerToken) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(token);
    extensions
}

#[tokio::test]
async fn a_token_is_kept_only_where_it_was_asked_for() {
    let issuer = TestIssuer::new("orders");
    let token = issuer.token().subject("ann").sign();
    let inner = service_fn(async |request: Request<String>| {
        assert!(request.extensions().get::<Caller>().is_some());
        let kept = request.extensions().get::<CallerToken>().map(|token| token.expose().to_owned());
        Ok::<_, Infallible>(Response::new(kept.unwrap_or_default()))
    });
    for (layer, expected) in [
        (Authenticate::new(issuer.verifier()), ""),
        (Authenticate::new(issuer.verifier()).keep_token(), token.as_str()),
    ] {
        let mut request = Request::get("/").body(String::new()).unwrap();
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        request.extensions_mut().insert(token_of(&issuer, "mallory"));
        let answer = layer.layer(inner).oneshot(request).await.unwrap();
        assert_eq!(answer.body(), expected);
    }
    let shown = format!("{:?}", token_of(&issuer, "ann"));
    assert!(!shown.contains("ey"), "{shown}");
}
