//! Two upstreams, two gateways: each has its own times.

use std::{sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::{
    proxy::house::{House, claims_in, who},
    server::recorder::{OK, Recorder},
    sources::fake::Fake,
};

const ALICE: &str = "Cookie: SESSION=alice-session";

/// A service that stops for a second in the middle of its answer.
async fn pausing() -> Recorder {
    Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        let begin = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
        socket.write_all(begin).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        // The gateway may have gone.
        let _ = socket.write_all(b"4\r\ndone\r\n0\r\n\r\n").await;
    })
    .await
}

#[tokio::test]
async fn two_upstreams_have_two_times_whichever_is_written_last() {
    for names in [["short", "long"], ["long", "short"]] {
        let services = [pausing().await, pausing().await];
        let mut more = String::new();
        for (name, service) in names.into_iter().zip(&services) {
            let limit = if name == "short" { "200ms" } else { "20s" };
            more.push_str(&format!(
                "[[route]]\npath = \"/{name}/\"\nupstream = \"http://{}\"\naudience = \"{name}\"\nbody_timeout = \"{limit}\"\n",
                service.address
            ));
        }
        let house = House::with("", &more, Recorder::answering(OK).await, who).await;
        let (short, long) =
            tokio::join!(house.send("GET /short/", &[ALICE]), house.send("GET /long/", &[ALICE]));
        assert!(short.contains("ok") && !short.contains("done"), "{names:?}: {short}");
        assert!(long.contains("ok") && long.contains("done"), "{names:?}: {long}");
    }
}

#[tokio::test]
async fn each_gateway_asks_and_signs_by_its_own_times() {
    let server = Arc::new(Fake::start(who).await);
    let mut houses = Vec::new();
    for (recheck, lifetime) in [("1s", "30s"), ("1h", "5m")] {
        let session = format!("recheck = \"{recheck}\"\nmax_age = \"8h\"");
        let service = Recorder::answering(OK).await;
        let house = House::before(Arc::clone(&server), "https://shop.example", (&session, "", ""), service);
        house
            .rewrite(
                "algorithm = \"Ed25519\"",
                &format!("algorithm = \"Ed25519\"\nlifetime = \"{lifetime}\""),
            )
            .await;
        houses.push(house);
    }
    let [often, seldom] = houses.try_into().unwrap_or_else(|_| unreachable!());
    for (house, lifetime) in [(&often, 30), (&seldom, 300)] {
        assert!(house.send("GET /orders/", &[ALICE]).await.starts_with("HTTP/1.1 200 "));
        let claims = claims_in(&house.received()[0]);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), lifetime);
    }
    assert_eq!(server.arrived().len(), 2);
    sleep(Duration::from_millis(1100)).await;
    seldom.send("GET /orders/", &[ALICE]).await;
    assert_eq!(server.arrived().len(), 2, "it asks again in an hour");
    often.send("GET /orders/", &[ALICE]).await;
    assert_eq!(server.arrived().len(), 3);
}
