//! Who works with new services only is not idle to the old application.

use super::house::{House, who};
use crate::{
    server::{
        harness::soon,
        recorder::{OK, Recorder},
    },
    sources::fake::{Act, Arrived, Fake, answer},
};

const ALICE: &str = "Cookie: theme=dark; SESSION=alice-session";

async fn house(page: &Fake) -> House {
    let session = format!("recheck = \"1s\"\nkeep_alive = \"{}\"", page.url("/ping?x=1"));
    House::asking(&session, "", "", Recorder::answering(OK).await, |asked: &Arrived| who(asked)).await
}

/// Works for so long, at least.
async fn work(house: &House, seconds: u64) {
    let begin = tokio::time::Instant::now();
    while begin.elapsed().as_secs() < seconds {
        assert!(house.send("GET /orders/", &[ALICE]).await.starts_with("HTTP/1.1 200 "));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_user_who_works_is_told_of_once_in_recheck_with_nothing_but_the_cookie() {
    let page = Fake::always(answer(302, "location: /login\r\nset-cookie: SESSION=; Max-Age=0\r\n", "")).await;
    let house = house(&page).await;
    house.send("GET /orders/", &[ALICE]).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(page.arrived().is_empty(), "whoever just came was seen by the old application");
    work(&house, 4).await;
    // One may be under way. Nobody works meanwhile, so that it is the last.
    let mut before = (0, 0);
    soon(async {
        loop {
            let counts = (page.arrived().len(), house.server.arrived().len());
            if counts == before && counts.0 + 1 == counts.1 {
                break;
            }
            before = counts;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    })
    .await;
    let arrived = page.arrived();
    assert!(arrived.len() >= 2, "{}", arrived.len());
    for asked in &arrived {
        assert_eq!(asked.line(), "GET /ping?x=1");
        assert_eq!(asked.header("cookie"), Some("SESSION=alice-session"));
        assert_eq!(asked.header("authorization"), None);
    }
    let told = arrived.len();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(page.arrived().len(), told, "nobody works, nobody is told of");
    assert_eq!(house.server.arrived().len(), told + 1, "once in each recheck");
}

#[tokio::test]
async fn a_page_that_hangs_delays_and_ends_nothing() {
    let page = Fake::always(Act::Hang).await;
    let house = house(&page).await;
    work(&house, 3).await;
    assert!(!page.arrived().is_empty());
}
