//! A key that was not announced, over real HTTP.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::State, http::Request, routing::get};
use countersign::{
    Caller, KeySet, SigningKey, Verifier, axum::ProtectedRouter, jws::Algorithm, remote::RemoteKeys,
    tower::Authenticate,
};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{Answer, ISSUER, token};

#[derive(Clone, Default)]
struct Published {
    keys: Arc<Mutex<KeySet>>,
    fetches: Arc<AtomicU32>,
}

impl Published {
    fn set(&self, keys: &[&SigningKey]) {
        *self.keys.lock().unwrap() =
            KeySet::new(keys.iter().map(|key| key.verifying_key().unwrap())).unwrap();
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let router = Router::new().route("/keys", get(key_set)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

async fn key_set(State(published): State<Published>) -> axum::Json<KeySet> {
    published.fetches.fetch_add(1, Ordering::Relaxed);
    let keys = published.keys.lock().unwrap().clone();
    axum::Json(keys)
}

async fn status(router: &Router, key: &SigningKey) -> (u16, String) {
    let bearer = format!("Bearer {}", token(key, "acme", &[]));
    let request = Request::get("/").header("Authorization", bearer).body(Body::empty()).unwrap();
    Answer::of(router.clone().oneshot(request).await.unwrap()).await.refused()
}

#[tokio::test]
async fn the_first_token_of_a_new_key_passes_and_a_forged_one_does_not() {
    let [old, new, forged] = [(); 3].map(|()| SigningKey::generate(Algorithm::Es256).unwrap());
    let published = Published::default();
    published.set(&[&old]);
    let keys = RemoteKeys::builder().key_set(published.serve().await).start().unwrap();
    assert!(keys.ready(Duration::from_secs(10)).await);
    let verifier = Verifier::builder().issuer(ISSUER).audience("orders").keys(keys.clone()).build().unwrap();
    let router: Router = ProtectedRouter::new()
        .route("/", get(async |_: Caller| "in"))
        .build(&Authenticate::new(verifier).wait_for_rotation(keys), &[])
        .unwrap();

    assert_eq!(status(&router, &old).await.0, 200);
    published.set(&[&new]);
    assert_eq!(status(&router, &new).await.0, 200);
    assert_eq!(status(&router, &old).await, (401, "key_unknown".to_owned()), "it was withdrawn");
    for _ in 0..20 {
        assert_eq!(status(&router, &forged).await, (401, "key_unknown".to_owned()));
    }
    assert!(published.fetches.load(Ordering::Relaxed) <= 4, "{:?}", published.fetches);
}
