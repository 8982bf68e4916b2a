//! A reload that changes routes, under load: no request is lost and no session is asked for again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::Call,
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

const SESSIONS: usize = 20;

#[tokio::test]
async fn sessions_outlive_a_change_of_routes() {
    let server = AuthorizationServer::start();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let routes = |paths: &[&str]| {
        let mut config = format!("issuer = \"{ISSUER}\"\n{session}recheck = \"1h\"\n");
        for path in paths {
            config.push_str(&format!(
                "[[route]]\npath = \"{path}\"\nupstream = \"{}\"\naudience = \"orders\"\n",
                service.origin()
            ));
        }
        config
    };
    let mut gateway = Gateway::start(setting, &routes(&["/orders/"]));
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let session = server.log_in("ada", "legacy-app").await;
        gateway.get("/orders/", COOKIE, &session).await.expect(200);
        sessions.push(session);
    }
    gateway.get("/new/", COOKIE, &sessions[0]).await.expect_refusal(404, "no_route");

    // everybody goes on asking while the routes change
    let done = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for session in &sessions {
        let (done, url) = (Arc::clone(&done), gateway.url("/orders/"));
        let cookie = format!("{COOKIE}={session}");
        callers.spawn(async move {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                Call::get(&url).header("cookie", &cookie).send().await.expect(200);
                count += 1;
            }
            count
        });
    }
    for paths in [&["/orders/", "/new/"][..], &["/orders/"], &["/new/", "/orders/", "/other/"]] {
        gateway.reload(&routes(paths));
        let expected = if paths.contains(&"/new/") { 200 } else { 404 };
        let changed = async {
            while gateway.get("/new/", COOKIE, &sessions[0]).await.status != expected {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(60), changed).await.expect("the reload has no effect");
    }
    done.store(true, Ordering::Relaxed);
    let requests: usize = callers.join_all().await.into_iter().sum();
    assert!(requests > SESSIONS, "{requests}");
    assert_eq!(server.calls("introspection").await, SESSIONS as u64);
    gateway.stop().await;
}
