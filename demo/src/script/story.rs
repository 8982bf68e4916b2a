//! The steps.

use std::{collections::BTreeSet, time::Duration};

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    RunningDemo,
    http_client::{Ask, HttpClient, Reply},
};

use super::actor::Actor;

/// So much later than it should may something come on a busy machine.
const LATE: Duration = Duration::from_secs(15);

type Seen = Result<String, String>;

/// Which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Title {
    Anonymous,
    LogIn,
    OwnRows,
    ForeignRow,
    Roles,
    OrganisationFromBody,
    Support,
    SpoofedHeaders,
    OtherSites,
    Directly,
    OneQuestion,
    LogOut,
    CopiedToken,
}

/// In the order they are told.
pub(super) const TITLES: [Title; 13] = [
    Title::Anonymous,
    Title::LogIn,
    Title::OwnRows,
    Title::ForeignRow,
    Title::Roles,
    Title::OrganisationFromBody,
    Title::Support,
    Title::SpoofedHeaders,
    Title::OtherSites,
    Title::Directly,
    Title::OneQuestion,
    Title::LogOut,
    Title::CopiedToken,
];

impl Title {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Anonymous => "Without a session nobody gets in",
            Self::LogIn => "Ann, Bob, Cy and Sue log in at the old server, which knows nothing of all this",
            Self::OwnRows => "One address, and each sees their own organisation's rows",
            Self::ForeignRow => "Another organisation's order is answered like one that does not exist",
            Self::Roles => "The service checks roles: an editor writes, a viewer is refused",
            Self::OrganisationFromBody => "An organisation in the body changes nothing",
            Self::Support => "Support looks across organisations, for a stated reason only",
            Self::SpoofedHeaders => {
                "What a client says about itself does not reach the service; the cookie neither"
            }
            Self::OtherSites => "Another site's page cannot use the cookie",
            Self::Directly => "The services believe nobody, also not who comes past the gateway",
            Self::OneQuestion => "The old server is asked once, not once for each request",
            Self::LogOut => "Logged out at the old server is logged out everywhere, soon",
            Self::CopiedToken => "Logged out at the gateway, a copied token is refused by the service, too",
        }
    }

    /// Without it the others have nothing to tell.
    pub(super) const fn is_needed_later(self) -> bool {
        matches!(self, Self::LogIn)
    }
}

pub(super) struct Story<'d> {
    demo: &'d RunningDemo,
    base_url: &'d str,
    http: HttpClient,
    people: Option<People>,
}

#[derive(Debug, Clone)]
struct People {
    ann: Actor,
    bob: Actor,
    cy: Actor,
    sue: Actor,
}

impl<'d> Story<'d> {
    pub(super) fn new(demo: &'d RunningDemo, base_url: &'d str) -> Self {
        Self { demo, base_url, http: HttpClient::new(), people: None }
    }

    pub(super) async fn step(&mut self, title: Title) -> Seen {
        match title {
            Title::Anonymous => self.anonymous().await,
            Title::LogIn => self.log_in().await,
            Title::OwnRows => own_rows(&self.people()?).await,
            Title::ForeignRow => foreign_row(&self.people()?).await,
            Title::Roles => roles(&self.people()?).await,
            Title::OrganisationFromBody => organisation_from_body(&self.people()?).await,
            Title::Support => support(&self.people()?).await,
            Title::SpoofedHeaders => spoofed_headers(&self.people()?.ann).await,
            Title::OtherSites => other_sites(&self.people()?.ann).await,
            Title::Directly => self.directly().await,
            Title::OneQuestion => self.one_question(&self.people()?.ann).await,
            Title::LogOut => self.log_out(&self.people()?).await,
            Title::CopiedToken => self.copied_token(&self.people()?.bob).await,
        }
    }

    fn people(&self) -> Result<People, String> {
        self.people.clone().ok_or_else(|| "nobody is logged in".to_owned())
    }

    async fn anonymous(&self) -> Seen {
        let reply = self.http.ask(Ask::get(format!("{}/orders/", self.base_url))).await?;
        expect("GET /orders/ without a cookie", &reply, StatusCode::UNAUTHORIZED, "credential_missing")?;
        if reply.header(header::WWW_AUTHENTICATE).is_empty() {
            return Err("the 401 has no WWW-Authenticate".to_owned());
        }
        Ok(format!("GET /orders/ without a cookie: 401 {}", reply.code()))
    }

    async fn log_in(&mut self) -> Seen {
        let log_in = |name| Actor::log_in(&self.http, self.base_url, name);
        let people = People {
            ann: log_in("ann").await?,
            bob: log_in("bob").await?,
            cy: log_in("cy").await?,
            sue: log_in("sue").await?,
        };
        self.people = Some(people);
        Ok("POST /login: 303 and a cookie with an opaque token, for each of them".to_owned())
    }

    async fn directly(&self) -> Seen {
        let url = format!("{}/orders/", self.demo.orders_url());
        let none = self.http.ask(Ask::get(url.clone()).header("x-user", "ann")).await?;
        expect("without a token", &none, StatusCode::UNAUTHORIZED, "token_missing")?;
        // {"alg":"none","typ":"at+jwt"} and {"sub":"u-1001","organisation":"acme"}
        let unsigned =
            "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiJ1LTEwMDEiLCJvcmdhbmlzYXRpb24iOiJhY21lIn0.";
        let forged =
            self.http.ask(Ask::get(url).header("authorization", format!("Bearer {unsigned}"))).await?;
        if forged.status != StatusCode::UNAUTHORIZED {
            return Err(format!("an unsigned token was answered with {}", forged.status));
        }
        Ok(format!(
            "straight to the service: 401 {}; with an unsigned token: 401 {}",
            none.code(),
            forged.code()
        ))
    }

    async fn one_question(&self, ann: &Actor) -> Seen {
        const REQUESTS: u32 = 500;
        let (before, begin) = (self.demo.times_asked(), Instant::now());
        for _ in 0..REQUESTS {
            let reply = ann.get("/notes/").await?;
            expect_status("GET /notes/", &reply, StatusCode::OK)?;
        }
        let (asked, took) = (self.demo.times_asked() - before, begin.elapsed());
        // A recheck begins after three fifths of its time at the soonest.
        let rechecks = took.as_secs_f64() / (self.demo.recheck.as_secs_f64() * 0.6).max(0.001);
        let seen =
            format!("{REQUESTS} requests in {} ms: the old server was asked {asked} times", took.as_millis());
        // Each session is asked about again a little before its time, by chance, and others live beside Ann's.
        if asked as f64 > 2.0 * rechecks + 5.0 { Err(seen) } else { Ok(seen) }
    }

    async fn log_out(&self, people: &People) -> Seen {
        let People { ann, bob, .. } = people;
        ann.log_out_at(self.demo.old_server_url()).await?;
        let (begin, longest) = (Instant::now(), self.demo.recheck + LATE);
        loop {
            let reply = ann.get("/orders/").await?;
            let took = begin.elapsed();
            match reply.status {
                StatusCode::UNAUTHORIZED => {
                    expect_status("Bob, who did not log out", &bob.get("/orders/").await?, StatusCode::OK)?;
                    let code = reply.code();
                    return Ok(format!("Ann: 401 {code} after {} ms; Bob goes on working", took.as_millis()));
                }
                StatusCode::OK if took < longest => sleep(Duration::from_millis(50)).await,
                StatusCode::OK => return Err(format!("Ann still gets in after {} ms", took.as_millis())),
                other => return Err(format!("Ann was answered with {other} after she had logged out")),
            }
        }
    }

    async fn copied_token(&self, bob: &Actor) -> Seen {
        if !self.demo.follows() {
            return Err("the services do not follow the gateway's revocations".to_owned());
        }
        expect_status("GET /orders/ as Bob", &bob.get("/orders/").await?, StatusCode::OK)?;
        let copied = format!("Bearer {}", self.demo.stage.last_token());
        let ask = Ask::get(format!("{}/orders/", self.demo.orders_url())).header("authorization", copied);
        expect_status("the copied token", &self.http.ask(ask.clone()).await?, StatusCode::OK)?;
        let log_out = bob.asks(Method::POST, "/.countersign/logout").header("countersign", "1");
        expect_status("Bob's log-out", &bob.send(log_out).await?, StatusCode::OK)?;
        let begin = Instant::now();
        loop {
            let reply = self.http.ask(ask.clone()).await?;
            let took = begin.elapsed();
            if reply.status == StatusCode::OK && took < LATE {
                sleep(Duration::from_millis(10)).await;
                continue;
            }
            expect("the copied token", &reply, StatusCode::UNAUTHORIZED, "token_revoked")?;
            return Ok(format!(
                "Bob's token, copied on its way to the service: 200; {} ms after his log-out: 401 {}",
                took.as_millis(),
                reply.code()
            ));
        }
    }
}

async fn own_rows(people: &People) -> Seen {
    let (ann, bob, cy) =
        (orders_of(&people.ann).await?, orders_of(&people.bob).await?, orders_of(&people.cy).await?);
    if ann.is_empty() || bob.is_empty() || !ann.is_disjoint(&bob) || ann != cy {
        return Err(format!("orders of Ann {ann:?}, of Bob {bob:?}, of Cy {cy:?}"));
    }
    let titles = people.ann.get("/notes/").await?;
    expect_status("GET /notes/", &titles, StatusCode::OK)?;
    Ok(format!(
        "GET /orders/ as Ann and Cy (acme): numbers {ann:?}\nGET /orders/ as Bob (globex): numbers {bob:?}"
    ))
}

async fn foreign_row(people: &People) -> Seen {
    let bobs = orders_of(&people.bob).await?.first().copied().ok_or("Bob has no orders")?;
    let foreign = people.ann.get(&format!("/orders/{bobs}")).await?;
    let absent = people.ann.get("/orders/999999").await?;
    expect_status("Bob's order, for Ann", &foreign, StatusCode::NOT_FOUND)?;
    if (foreign.status, &foreign.body) != (absent.status, &absent.body) {
        return Err("the two answers differ".to_owned());
    }
    expect_status(
        "Bob's order, for Bob",
        &people.bob.get(&format!("/orders/{bobs}")).await?,
        StatusCode::OK,
    )?;
    let removal = people.ann.delete(&format!("/orders/{bobs}")).await?;
    expect_status("removing Bob's order as Ann", &removal, StatusCode::NOT_FOUND)?;
    Ok(format!("GET /orders/{bobs} as Ann: 404, as for /orders/999999; as Bob: 200"))
}

async fn roles(people: &People) -> Seen {
    let order = json!({ "item": "Dehydrated boulders", "quantity": 7 });
    let made = people.ann.post("/orders/", &order).await?;
    expect_status("POST /orders/ as Ann", &made, StatusCode::CREATED)?;
    let id = made.json().get("id").and_then(Value::as_i64).ok_or("the new order has no number")?;
    let refused = people.cy.post("/orders/", &order).await?;
    expect("POST /orders/ as Cy", &refused, StatusCode::FORBIDDEN, "role_missing")?;
    for path in [format!("/orders/{id}"), "/orders/999999".to_owned()] {
        // Before the row is looked for: a viewer does not learn which numbers exist.
        let refused = people.cy.delete(&path).await?;
        expect("DELETE as Cy", &refused, StatusCode::FORBIDDEN, "role_missing")?;
    }
    expect_status("GET as Cy", &people.cy.get(&format!("/orders/{id}")).await?, StatusCode::OK)?;
    let removed = people.ann.delete(&format!("/orders/{id}")).await?;
    expect_status("DELETE as Ann", &removed, StatusCode::NO_CONTENT)?;
    Ok(format!(
        "POST /orders/ as Ann: 201, number {id}; POST and DELETE as Cy: 403 role_missing; DELETE as Ann: 204"
    ))
}

async fn organisation_from_body(people: &People) -> Seen {
    let before = orders_of(&people.bob).await?;
    let order = json!({ "item": "Trojan hamper", "quantity": 1, "organisation": "globex", "id": 4 });
    let made = people.ann.post("/orders/?organisation=globex", &order).await?;
    expect_status("POST /orders/ as Ann", &made, StatusCode::CREATED)?;
    let id = made.json().get("id").and_then(Value::as_i64).ok_or("the new order has no number")?;
    let (ann, bob) = (orders_of(&people.ann).await?, orders_of(&people.bob).await?);
    expect_status(
        "DELETE as Ann",
        &people.ann.delete(&format!("/orders/{id}")).await?,
        StatusCode::NO_CONTENT,
    )?;
    if bob != before || !ann.contains(&id) {
        return Err(format!("Bob had {before:?} and now has {bob:?}"));
    }
    Ok("Ann writes an order with \"organisation\": \"globex\": it is acme's, and Bob does not see it"
        .to_owned())
}

async fn support(people: &People) -> Seen {
    let own = orders_of(&people.sue).await?;
    if !own.is_empty() {
        return Err(format!("Sue sees {own:?} as her own organisation's"));
    }
    let why = "/orders/everywhere?reason=ticket+4711";
    let all = people.sue.get(why).await?;
    expect_status("with a reason", &all, StatusCode::OK)?;
    let all = all.json();
    let organisations: BTreeSet<&str> =
        all.as_array().into_iter().flatten().filter_map(|row| row.get("organisation")?.as_str()).collect();
    if organisations != BTreeSet::from(["acme", "globex"]) {
        return Err(format!("Sue sees the organisations {organisations:?}"));
    }
    expect(
        "without a reason",
        &people.sue.get("/orders/everywhere").await?,
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid",
    )?;
    expect("as Ann", &people.ann.get(why).await?, StatusCode::FORBIDDEN, "role_missing")?;
    Ok("Sue with a reason: rows of acme and globex, and a line in the log; without: 422; Ann: 403".to_owned())
}

async fn spoofed_headers(ann: &Actor) -> Seen {
    const SPOOFED: [(&str, &str); 6] = [
        ("x-user", "root"),
        ("x-roles", "support"),
        ("x-auth-request-user", "root"),
        ("x-forwarded-user", "root"),
        ("x-original-url", "/admin"),
        ("forwarded", "for=127.0.0.1"),
    ];
    let ask = SPOOFED
        .iter()
        .fold(ann.asks(Method::GET, "/orders/received"), |ask, (name, value)| ask.header(name, *value));
    let reply = ann.send(ask).await?;
    expect_status("GET /orders/received", &reply, StatusCode::OK)?;
    let received = reply.json();
    let names: BTreeSet<&str> = received
        .get("header_names")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let arrived: Vec<&str> =
        SPOOFED.iter().map(|(name, _)| *name).filter(|name| names.contains(name)).collect();
    if !arrived.is_empty() || names.contains("cookie") || !names.contains("authorization") {
        return Err(format!("the service received {names:?}"));
    }
    let token = received.get("token").cloned().unwrap_or_default();
    let says = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if says("subject") != ann.person.subject
        || says("organisation") != ann.person.organisation
        || says("audience") != "orders"
    {
        return Err(format!("the service's token says {token}"));
    }
    Ok(format!(
        "six made-up headers sent; the service received {names:?}\nand a token of {} ({}) for {}",
        says("subject"),
        says("organisation"),
        says("audience")
    ))
}

async fn other_sites(ann: &Actor) -> Seen {
    let order = json!({ "item": "Free gift", "quantity": 1 });
    let before = orders_of(ann).await?;
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("accept", "*/*")]
    {
        let ask = ann.asks_from(Method::POST, "/orders/").header(name, value).json(&order);
        expect(&format!("POST with {name}: {value}"), &ann.send(ask).await?, StatusCode::FORBIDDEN, "csrf")?;
    }
    if orders_of(ann).await? != before {
        return Err("an order was made".to_owned());
    }
    Ok("POST with a foreign Origin, with Sec-Fetch-Site: cross-site, and without both: 403 csrf".to_owned())
}

/// The numbers of the orders somebody sees.
async fn orders_of(actor: &Actor) -> Result<BTreeSet<i64>, String> {
    let reply = actor.get("/orders/").await?;
    expect_status("GET /orders/", &reply, StatusCode::OK)?;
    let orders = reply.json();
    let orders = orders.as_array().ok_or("GET /orders/ is no list")?;
    Ok(orders.iter().filter_map(|order| order.get("id")?.as_i64()).collect())
}

fn expect_status(what: &str, reply: &Reply, status: StatusCode) -> Result<(), String> {
    if reply.status == status {
        return Ok(());
    }
    Err(format!("{what}: expected {status}, got {} {}", reply.status, reply.code()))
}

fn expect(what: &str, reply: &Reply, status: StatusCode, code: &str) -> Result<(), String> {
    expect_status(what, reply, status)?;
    if reply.code() == code { Ok(()) } else { Err(format!("{what}: expected {code}, got {}", reply.code())) }
}
