//! A service that calls the next one in the caller's name, as the library does it.

use std::{convert::Infallible, future::ready, sync::Mutex};

use countersign::{
    remote::{CallError, Exchange, ExchangeError, OnBehalfOfCaller},
    tower::{Authenticate, CallerToken},
};
use http::{Request, Response, header::AUTHORIZATION};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;

const MAY_EXCHANGE: &str = r#"
[[client]]
id = "the orders service"
secret_env = "GATEWAY_SECRET"
audience = "orders"
exchange = ["notes"]
[[client]]
id = "notes"
secret_env = "GATEWAY_SECRET"
audience = "notes"
"#;

struct Services {
    house: House,
    /// `orders`, which was sent the caller's token.
    orders: Verifier,
    notes: Verifier,
    exchange: Exchange,
}

async fn services() -> Services {
    let house = House::with(INTERNAL, MAY_EXCHANGE, Recorder::answering(OK).await, who).await;
    let keys = house.send("GET /.well-known/jwks.json", &[]).await;
    let keys = KeySet::parse(keys.split("\r\n\r\n").nth(1).unwrap().as_bytes()).unwrap();
    let verifier = |audience: &str| {
        let issuer = Verifier::builder().issuer("https://shop.example");
        issuer.audience(audience).key_set(keys.clone()).build().unwrap()
    };
    let secret = Secret::new(SECRET.to_owned());
    let client = ClientAuthentication::basic("the orders service", secret).unwrap();
    let gateway = format!("http://{}", internal(&house));
    let exchange = Exchange::builder("https://shop.example", gateway, client).build().unwrap();
    Services { orders: verifier("orders"), notes: verifier("notes"), exchange, house }
}

impl Services {
    /// Alice's token as `orders` receives it.
    async fn received(&self) -> String {
        self.house.send("GET /orders/", &[ALICE]).await;
        token_in(self.house.received().last().unwrap())
    }

    /// Sends a request with that token through `orders`, which calls the service of that audience.
    async fn call(&self, token: &str, audience: &str) -> Result<String, CallError<Infallible>> {
        let layer = OnBehalfOfCaller::new(self.exchange.clone(), audience, "https://next.internal").unwrap();
        // Not an async closure: with one, an incremental build crashes rustc 1.95 now and then.
        let sent = service_fn(|request: Request<String>| {
            let header = request.headers()[AUTHORIZATION].to_str().unwrap();
            ready(Ok::<_, Infallible>(header.strip_prefix("Bearer ").unwrap().to_owned()))
        });
        let outcome = Arc::new(Mutex::new(None));
        let orders = {
            let outcome = Arc::clone(&outcome);
            service_fn(move |request: Request<String>| {
                let (next, outcome) = (layer.layer(sent), Arc::clone(&outcome));
                async move {
                    let caller = request.extensions().get::<CallerToken>().unwrap().clone();
                    let mut request =
                        Request::get("https://next.internal/notes").body(String::new()).unwrap();
                    request.extensions_mut().insert(caller);
                    let called = next.oneshot(request).await;
                    *outcome.lock().unwrap() = Some(called);
                    Ok::<_, Infallible>(Response::new(String::new()))
                }
            })
        };
        let orders = Authenticate::new(self.orders.clone()).keep_token().layer(orders);
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
        orders.oneshot(request.body(String::new()).unwrap()).await.unwrap();
        let called = outcome.lock().unwrap().take();
        called.expect("the token was refused")
    }
}

#[tokio::test]
async fn a_service_calls_the_next_one_in_the_callers_name() {
    let services = services().await;
    let token = services.received().await;
    let derived = services.call(&token, "notes").await.unwrap();
    let presented = services.orders.verify(&token).unwrap();
    let claims = services.notes.verify(&derived).unwrap();
    assert_eq!(claims.subject(), presented.subject());
    assert_eq!((claims.session(), claims.organisation()), (presented.session(), presented.organisation()));
    assert_eq!(claims.roles(), presented.roles());
    assert_eq!(claims.actors()[0].subject.as_str(), "the orders service");
    assert!(claims.expires() <= presented.expires() && claims.token_id() != presented.token_id());
    assert_eq!(services.orders.verify(&derived).unwrap_err(), TokenRefusal::AudienceMismatch);
    assert_eq!(services.call(&token, "notes").await.unwrap(), derived, "it is kept");
}

#[tokio::test]
async fn x01_an_audience_that_is_not_in_the_table_is_refused_by_name() {
    let services = services().await;
    let token = services.received().await;
    let refused = services.call(&token, "archive").await;
    let expected = ExchangeError::Refused("invalid_target".into());
    assert!(matches!(&refused, Err(CallError::Exchange(error)) if *error == expected), "{refused:?}");
}

#[tokio::test]
async fn x02_a_log_out_ends_the_exchange_and_what_was_exchanged() {
    let services = services().await;
    let follower = Service::start_as(&services.house, "notes").await;
    let token = services.received().await;
    let derived = services.call(&token, "notes").await.unwrap();
    assert_eq!(follower.refusal(&derived), None);
    let introspect = async |client: &str, token: &str| {
        let headers = format!("{}{FORM}", basic(client));
        ask(&services.house, "POST /introspect", &headers, &format!("token={token}")).await
    };
    let active = introspect("notes", &derived).await;
    assert!(active.contains(r#""active":true"#) && active.contains("the orders service"), "{active}");
    assert!(introspect("notes", &token).await.ends_with(r#"{"active":false}"#), "it is not for notes");

    let sid = services.orders.verify(&token).unwrap().session().unwrap().to_string();
    let (status, _) = command(&services.house, json!({ "session": sid })).await;
    assert_eq!(status, 200);
    follower.refuses(&derived).await;
    assert!(introspect("notes", &derived).await.ends_with(r#"{"active":false}"#));
    // Kept tokens are the service's own; another process has none.
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=notes&subject_token={token}\
         &subject_token_type=urn:ietf:params:oauth:token-type:access_token"
    );
    let headers = format!("{}{FORM}", basic("the+orders+service"));
    let refused = ask(&services.house, "POST /token", &headers, &form).await;
    assert!(
        refused.starts_with("HTTP/1.1 400 ") && refused.ends_with(r#"{"error":"invalid_request"}"#),
        "{refused}"
    );
}
