//! What a unit of work of the scope on PostgreSQL costs, through sqlx, against a bare statement and a bare transaction.
//!
//! `bench/rls` makes the database and runs it:
//!
//! ```sh
//! cargo run --release -p countersign --all-features --example row_level_security -- FOLDER ROUNDS UNITS
//! ```
//!
//! FOLDER holds the server's socket; `migration` in place of all three prints what the tables need. Each round runs UNITS
//! units of work of every kind, all kinds in turn in an order that changes each time, so that whatever else the machine
//! does hits all alike; it prints the median of each kind in milliseconds, as one line of JSON.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool that meets what it did not expect ends"
)]

use std::{
    env,
    time::{Duration, Instant},
};

use countersign::{
    Caller,
    row_level_security::RowLevelSecurity,
    scope::{
        OrganisationTable, Select,
        postgres::{Scope, ScopedPool},
    },
    testkit::TestIssuer,
};
use serde_json::{Map, Value};
use sqlx::{
    FromRow, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

/// As `bench/rls` fills the tables.
const ORGANISATIONS: usize = 1000;
const ROWS_OF_EACH: usize = 100;

struct Order;

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "item"];
}

impl FromRow<'_, PgRow> for Order {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let (_id, _item): (i64, String) = (row.try_get("id")?, row.try_get("item")?);
        Ok(Self)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Statement,
    Transaction,
    ClaimsInTheirOwnTrip,
    Scope,
    ScopeByItself,
    ScopeWithoutFilter,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Statement, "one statement, WHERE"),
    (Kind::Transaction, "transaction, WHERE"),
    (Kind::ClaimsInTheirOwnTrip, "transaction, claims set by a statement, row-level security"),
    (Kind::Scope, "`ScopedPool`: begin, typed select, commit"),
    (Kind::ScopeByItself, "`ScopedPool`: typed select by itself"),
    (Kind::ScopeWithoutFilter, "`ScopedPool`: begin, SQL without WHERE (table without support), commit"),
];

/// Whether the pool asks the server, before it lends a connection, whether it still answers: a trip of its own.
#[derive(Debug, Clone, Copy)]
enum Lending {
    Asked,
    Unasked,
}

const LENDING: [(Lending, &str); 2] = [(Lending::Asked, ""), (Lending::Unasked, " (no test before acquire)")];

struct Contenders {
    plain: PgPool,
    service: PgPool,
    scoped: ScopedPool,
}

impl Contenders {
    async fn connect(folder: &str, lending: Lending) -> Self {
        let pool = async |role: &str| {
            PgPoolOptions::new()
                .max_connections(1)
                .test_before_acquire(matches!(lending, Lending::Asked))
                .connect_with(PgConnectOptions::new().socket(folder).username(role).database("postgres"))
                .await
                .unwrap()
        };
        let service = pool("service").await;
        let scoped = ScopedPool::new(service.clone()).declare::<Order>().await;
        Self {
            plain: pool("plain").await,
            service,
            scoped: scoped.expect("the table is as `rls init` makes it"),
        }
    }

    async fn run(&self, kind: Kind, caller: &Caller) -> usize {
        const PLAIN: &str = "SELECT id, item FROM orders_plain WHERE organisation = $1";
        const OWN: &str = "SELECT id, item FROM orders WHERE organisation = $1";
        const FORGOTTEN: &str = "SELECT id, item FROM orders_without_support";
        let organisation = caller.organisation().unwrap().as_str();
        match kind {
            Kind::Statement => {
                let rows = sqlx::query_as::<_, Order>(PLAIN).bind(organisation).fetch_all(&self.plain).await;
                rows.unwrap().len()
            }
            Kind::Transaction => {
                let mut transaction = self.plain.begin().await.unwrap();
                let rows =
                    sqlx::query_as::<_, Order>(PLAIN).bind(organisation).fetch_all(&mut *transaction).await;
                transaction.commit().await.unwrap();
                rows.unwrap().len()
            }
            Kind::ClaimsInTheirOwnTrip => {
                let mut transaction = self.service.begin().await.unwrap();
                sqlx::query("SELECT set_config('countersign.organisation', $1, true)")
                    .bind(organisation)
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                let rows =
                    sqlx::query_as::<_, Order>(OWN).bind(organisation).fetch_all(&mut *transaction).await;
                transaction.commit().await.unwrap();
                rows.unwrap().len()
            }
            Kind::Scope => {
                let mut work = self.scope(caller).begin().await.unwrap();
                let rows = work.all(Select::<Order>::all()).await.unwrap();
                work.commit().await.unwrap();
                rows.len()
            }
            Kind::ScopeByItself => self.scope(caller).all(Select::<Order>::all()).await.unwrap().len(),
            Kind::ScopeWithoutFilter => {
                let mut work = self.scope(caller).begin().await.unwrap();
                let rows = sqlx::query_as::<_, Order>(FORGOTTEN).fetch_all(work.connection()).await;
                work.commit().await.unwrap();
                rows.unwrap().len()
            }
        }
    }

    /// A connection goes back into its pool in the background, with a question to the server: that is not the next
    /// one's to wait for.
    async fn settle(&self) {
        while self.plain.num_idle() == 0 || self.service.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn scope(&self, caller: &Caller) -> Scope<'_> {
        self.scoped.for_caller(caller).unwrap()
    }
}

fn callers() -> Vec<Caller> {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    (1..=ORGANISATIONS)
        .map(|number| {
            let token = issuer.token().organisation(&number.to_string()).sign();
            Caller::new(verifier.verify(&token).unwrap())
        })
        .collect()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == ["migration"] {
        print!("{}", RowLevelSecurity::of(Order::TABLE).unwrap().to_sql());
        print!("{}", RowLevelSecurity::of("orders_without_support").unwrap().without_support().to_sql());
        return;
    }
    let [folder, rounds, units] = arguments.as_slice() else { panic!("FOLDER ROUNDS UNITS, or migration") };
    let (rounds, units): (usize, usize) = (rounds.parse().unwrap(), units.parse().unwrap());
    let callers = callers();
    let mut contenders = Vec::new();
    for (lending, label) in LENDING {
        let pools = Contenders::connect(folder, lending).await;
        contenders.push((pools, label));
    }
    let kinds: Vec<_> = contenders
        .iter()
        .flat_map(|(pools, label)| KINDS.map(|(kind, name)| (pools, kind, format!("{name}{label}"))))
        .collect();
    let mut turn = 0_usize;
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    // The first round fills caches and is not told.
    for round in 0..=rounds {
        let mut times = vec![Vec::with_capacity(units); kinds.len()];
        for _ in 0..units {
            // In an order of its own each time, and never the same rows: nobody inherits another's warm pages.
            order
                .sort_by_cached_key(|at| (turn * kinds.len() + at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32);
            for &at in &order {
                turn += 1;
                let caller = &callers[turn * 7919 % ORGANISATIONS];
                let (pools, kind, _) = &kinds[at];
                for (pools, _) in &contenders {
                    pools.settle().await;
                }
                let began = Instant::now();
                let rows = pools.run(*kind, caller).await;
                times[at].push(began.elapsed());
                assert_eq!(rows, ROWS_OF_EACH, "{kind:?}");
            }
        }
        if round > 0 {
            let medians = kinds.iter().zip(&mut times);
            let line: Map<String, Value> =
                medians.map(|((_, _, name), times)| (name.clone(), median(times).into())).collect();
            println!("{}", Value::Object(line));
        }
    }
}
