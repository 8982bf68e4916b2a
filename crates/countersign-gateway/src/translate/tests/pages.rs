//! Tokens of pages: what is derived from them, and for how long.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use countersign::UnixTime;
use http::{HeaderMap, HeaderValue, Request, header};

use super::{BEGIN, CLIENT, House, claims, house};
use crate::{
    clock::Clock,
    config::resolved::Requirements,
    decision::{Decision, Forward},
    error::Refusal,
    issue::{PolicyId, TokenPolicy},
    keyring::SignedToken,
    route::Demands,
    testing,
    translate::{PageIndex, PageTokens, Warm},
};

fn demands(audience: &str, id: u8) -> Arc<Demands> {
    let policy = TokenPolicy { id: PolicyId([id; 16]), ..testing::token_policy(audience) };
    Arc::new(Demands { require: Requirements::default(), policy: Arc::new(policy) })
}

fn bearer_house() -> House {
    let mut house = house();
    house.translation.page_tokens = Some(PageTokens::new(
        "https://shop.example".into(),
        demands("https://shop.example/browser", 1),
        vec![demands("orders", 7)],
        Arc::new(PageIndex::new(NonZeroUsize::new(100).unwrap())),
    ));
    house
}

fn headers(cookie: Option<&str>, token: Option<&SignedToken>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("shop.example"));
    if let Some(cookie) = cookie {
        headers.insert(header::COOKIE, HeaderValue::from_str(&format!("S={cookie}")).unwrap());
    }
    if let Some(token) = token {
        headers.insert(header::AUTHORIZATION, token.header_value().clone());
    }
    headers
}

impl House {
    async fn page_token(&self, cookie: &str) -> Arc<SignedToken> {
        let session =
            self.translation.page_session(&headers(Some(cookie), None).into(), CLIENT).await.unwrap();
        self.translation.page_token(&session, None).await.unwrap()
    }

    async fn presented(&self, cookie: Option<&str>, token: &SignedToken) -> Result<Forward, Refusal> {
        let (mut parts, ()) = Request::post("/orders/").body(()).unwrap().into_parts();
        parts.headers = headers(cookie, Some(token));
        let parts = parts.into();
        let decision = match self.translation.warm(&parts, CLIENT, self.clock.now()) {
            Warm::Decided(decision) => decision,
            Warm::Refresh(decision, ask) => {
                self.translation.refresh(*ask);
                decision
            }
            Warm::Cold(ask) => self.translation.cold(*ask).await,
        };
        match decision {
            Decision::Forward(forward) => Ok(forward),
            Decision::Refuse(refuse) => Err(refuse.refusal),
            Decision::Pass(pass) => panic!("{pass:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_derived_never_outlives_what_was_presented() {
    let house = bearer_house();
    let token = house.page_token("alice").await;
    assert_eq!(token.exp(), UnixTime::from_secs(BEGIN + 300));
    for cookie in [None, Some("alice")] {
        let derived = house.presented(cookie, &token).await.unwrap();
        assert_eq!(claims(&derived)["aud"], "orders");
        assert_eq!(derived.set.exp(), token.exp());
    }
    house.clock.advance(Duration::from_secs(20));
    // The cookie alone has a token of its own, with a longer life; the two do not take turns.
    let own = house.forwarded("/orders/", "alice").await;
    assert_eq!(own.set.exp(), UnixTime::from_secs(BEGIN + 320));
    let derived = house.presented(Some("alice"), &token).await.unwrap();
    assert_eq!(derived.set.exp(), token.exp());
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&house.forwarded("/orders/", "alice").await.set, &own.set));
        assert!(Arc::ptr_eq(&house.presented(Some("alice"), &token).await.unwrap().set, &derived.set));
    }
}

#[tokio::test(start_paused = true)]
async fn two_pages_with_two_tokens_do_not_take_turns() {
    let house = bearer_house();
    let old = house.page_token("alice").await;
    house.clock.advance(Duration::from_secs(100));
    let new = house.page_token("alice").await;
    assert_eq!((old.exp().as_secs(), new.exp().as_secs()), (BEGIN + 300, BEGIN + 400));
    let (of_old, of_new) =
        (house.presented(None, &old).await.unwrap(), house.presented(None, &new).await.unwrap());
    assert_eq!((of_old.set.exp(), of_new.set.exp()), (old.exp(), new.exp()));
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&house.presented(None, &old).await.unwrap().set, &of_old.set));
        assert!(Arc::ptr_eq(&house.presented(None, &new).await.unwrap().set, &of_new.set));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_stands_until_its_end_without_the_cookie_and_no_longer() {
    let house = bearer_house();
    let token = house.page_token("alice").await;
    house.clock.advance(Duration::from_secs(299));
    assert!(house.presented(None, &token).await.is_ok());
    assert_eq!(house.calls(), 1);
    // The cookie is asked about as always.
    assert!(house.presented(Some("alice"), &token).await.is_ok());
    assert_eq!(house.calls(), 2);
    house.clock.advance(Duration::from_secs(1));
    for cookie in [None, Some("alice")] {
        assert_eq!(house.presented(cookie, &token).await.unwrap_err(), Refusal::TokenExpired);
    }
    // It is what a page renews with, beside the cookie.
    let ended = headers(Some("alice"), Some(&token)).into();
    assert!(house.translation.page_session(&ended, CLIENT).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_a_token_with_most_of_its_life_left() {
    let house = bearer_house();
    let first = house.page_token("alice").await;
    house.clock.advance(Duration::from_secs(60));
    assert!(Arc::ptr_eq(&first, &house.page_token("alice").await));
    house.clock.advance(Duration::from_secs(1));
    let second = house.page_token("alice").await;
    assert_eq!(second.exp(), UnixTime::from_secs(BEGIN + 361));
    let short = house.page_token("short").await;
    house.clock.advance(Duration::from_secs(20));
    assert!(Arc::ptr_eq(&short, &house.page_token("short").await), "it ends with its session");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_session_opens_nothing() {
    let house = bearer_house();
    let (alice, bob) = (house.page_token("alice").await, house.page_token("bob").await);
    assert_eq!(house.presented(Some("bob"), &alice).await.unwrap_err(), Refusal::AmbiguousCredential);
    assert_eq!(claims(&house.presented(None, &bob).await.unwrap())["sub"], "bob");
    let both = headers(Some("bob"), Some(&alice)).into();
    let refused = house.translation.page_session(&both, CLIENT).await.unwrap_err();
    assert_eq!(refused, Refusal::AmbiguousCredential);
    // The cookie is not known yet: it is asked about first.
    assert_eq!(house.presented(Some("short"), &alice).await.unwrap_err(), Refusal::AmbiguousCredential);
    assert_eq!(house.presented(Some("nobody"), &alice).await.unwrap_err(), Refusal::SessionEnded);
}
