//! What the check at start refuses is refused for a reason: each hole shows or harms foreign rows.

use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{ORDERS, Order, Server, begin_for, declared, partitioned, row_level_security};
use crate::{
    OrganisationId,
    caller::testing::caller,
    row_level_security::{Support, policies},
    scope::{
        SchemaFault,
        postgres::{BEGIN_ACROSS, ScopedPool, check_table, tables_with_column},
    },
};

const ROWS: &str =
    "INSERT INTO orders (organisation, item) VALUES ('acme', 'a'), ('globex', 'g'), ('globex', 'h')";

/// A database with rows of two organisations and a hole.
async fn with_hole(server: &Server, hole: &str) -> (PgPool, PgPool) {
    let (owner, service) = server.cleared().await;
    for sql in [ORDERS, &row_level_security::<Order>(), ROWS, hole] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&owner).await.unwrap();
    }
    (owner, service)
}

/// Runs `sql` as a unit of work of `acme` would, and counts what it says.
async fn as_acme(pool: &PgPool, sql: &str) -> Result<i64, sqlx::Error> {
    let begin = begin_for("BEGIN", &OrganisationId::new("acme").unwrap());
    let mut work = pool.begin_with(AssertSqlSafe(begin)).await?;
    let connection: &mut PgConnection = &mut work;
    let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?;
    work.commit().await?;
    Ok(found)
}

/// The migration's policy with one more way to fulfil it.
fn widened(or: &str) -> String {
    format!(
        "ALTER POLICY countersign_organisation ON orders
         USING (organisation = (SELECT nullif(current_setting('countersign.organisation', true), '')) OR {or})"
    )
}

pub(super) async fn each_is_real(server: &Server) {
    let (_, closed) = with_hole(server, "SELECT").await;
    assert_eq!(as_acme(&closed, "SELECT count(*) FROM orders").await.unwrap(), 1);

    let count = "SELECT count(*) FROM orders";
    let of_globex = |more: &str| partitioned(&format!("{ROWS};{more}"));
    for (hole, sql, seen) in [
        ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", count, 3),
        ("ALTER TABLE orders OWNER TO service; ALTER TABLE orders NO FORCE ROW LEVEL SECURITY", count, 3),
        ("CREATE POLICY more ON orders USING (true)", count, 3),
        (&widened("item = 'g'"), count, 2),
        (&widened("true"), count, 3),
        (
            "ALTER POLICY countersign_across ON orders
             USING (((SELECT current_setting('countersign.across', true)) = 'on') OR true)",
            count,
            3,
        ),
        (
            "CREATE VIEW seen AS SELECT * FROM orders; GRANT SELECT ON seen TO service",
            "SELECT count(*) FROM seen",
            3,
        ),
        (
            "CREATE VIEW seen AS SELECT * FROM orders; GRANT SELECT (item) ON seen TO service",
            "SELECT count(item) FROM seen",
            3,
        ),
        (
            "CREATE VIEW seen AS SELECT * FROM orders; GRANT DELETE ON seen TO service",
            "WITH gone AS (DELETE FROM seen RETURNING 1) SELECT count(*) FROM gone",
            3,
        ),
        (
            "CREATE MATERIALIZED VIEW kept AS SELECT * FROM orders; GRANT SELECT (item) ON kept TO service",
            "SELECT count(item) FROM kept",
            3,
        ),
        (
            "CREATE FUNCTION all_orders() RETURNS SETOF orders LANGUAGE sql SECURITY DEFINER
             AS 'SELECT * FROM orders'",
            "SELECT count(*) FROM all_orders()",
            3,
        ),
        (&of_globex("GRANT SELECT ON of_globex TO service"), "SELECT count(*) FROM of_globex", 2),
        (
            &of_globex(
                "ALTER TABLE of_globex ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                 CREATE POLICY open ON of_globex USING (true); GRANT SELECT ON of_globex TO service",
            ),
            "SELECT count(*) FROM of_globex",
            2,
        ),
        (
            "CREATE TABLE everything (LIKE orders); ALTER TABLE orders INHERIT everything;
             GRANT SELECT ON everything TO service",
            "SELECT count(*) FROM everything",
            3,
        ),
    ] {
        let (_, service) = with_hole(server, hole).await;
        assert_eq!(as_acme(&service, sql).await.unwrap(), seen, "{hole}");
        let found = check_table(&service, "orders", "organisation").await;
        assert!(!found.is_empty(), "{hole}");
        assert!(ScopedPool::new(service).declare::<Order>().await.is_err(), "{hole}");
    }
    let (_, closed) = with_hole(server, "SELECT").await;
    let found = check_table(&closed, "orders", "organisation").await;
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(tables_with_column(&closed, "organisation").await.unwrap(), ["orders"]);
    let none = check_table(&closed, "or\"ders", "organisation").await;
    assert!(matches!(none.as_slice(), [SchemaFault::NoTable { .. }]), "{none:?}");

    // A superuser, and who has BYPASSRLS.
    let (owner, _) = with_hole(server, "SELECT").await;
    assert_eq!(as_acme(&owner, "SELECT count(*) FROM orders").await.unwrap(), 3);
    sqlx::raw_sql("ALTER ROLE service BYPASSRLS").execute(&owner).await.unwrap();
    let (_, above) = with_hole(server, "SELECT").await;
    assert_eq!(as_acme(&above, "SELECT count(*) FROM orders").await.unwrap(), 3);
    assert!(ScopedPool::new(above).declare::<Order>().await.is_err());
    sqlx::raw_sql("ALTER ROLE service NOBYPASSRLS").execute(&owner).await.unwrap();

    // TRUNCATE asks no policy.
    let (owner, service) = with_hole(server, "GRANT TRUNCATE ON orders TO service").await;
    let mut work = service
        .begin_with(AssertSqlSafe(begin_for("BEGIN", &OrganisationId::new("acme").unwrap())))
        .await
        .unwrap();
    sqlx::raw_sql("TRUNCATE orders").execute(&mut *work).await.unwrap();
    work.commit().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&owner).await.unwrap();
    assert_eq!(left, 0);

    // A rule acts with its owner's rights.
    let rule = "CREATE TABLE bell (id int); GRANT INSERT ON bell TO service;
                CREATE RULE ring AS ON INSERT TO bell DO ALSO DELETE FROM orders";
    let (owner, service) = with_hole(server, rule).await;
    sqlx::raw_sql("INSERT INTO bell VALUES (1)").execute(&service).await.unwrap();
    let left: i64 = sqlx::query_scalar(count).fetch_one(&owner).await.unwrap();
    assert_eq!(left, 0);

    // A foreign key sees every row: a line of acme for an order of globex, and a way to ask which orders exist.
    let lines = format!(
        "CREATE TABLE lines (organisation text NOT NULL, of bigint REFERENCES orders (id));
         GRANT SELECT, INSERT ON lines TO service; {}",
        policies("lines", "organisation", Support::Kept)
    );
    let (owner, service) = with_hole(server, &lines).await;
    let foreign: i64 = sqlx::query_scalar("SELECT id FROM orders WHERE organisation = 'globex' LIMIT 1")
        .fetch_one(&owner)
        .await
        .unwrap();
    let insert = |id: i64| format!("INSERT INTO lines VALUES ('acme', {id}) RETURNING 1::bigint");
    assert!(as_acme(&service, &insert(foreign)).await.is_ok(), "an order of globex");
    assert!(as_acme(&service, &insert(999)).await.is_err(), "an order of nobody");
    let fault = ScopedPool::new(service).declare::<Order>().await.map(|_| ()).unwrap_err();
    assert!(matches!(fault, SchemaFault::ForeignKey { table, .. } if table == "lines"));
}

/// Units of work take turns on one connection here.
pub(super) async fn a_session_leaves_nothing_to_the_next_unit_of_work(server: &Server) {
    let pool = declared(server, ROWS).await.unwrap();
    let acme = caller("acme", &[]);
    for setting in ["countersign.across', 'on", "countersign.organisation', 'globex"] {
        let mut work = pool.for_caller(&acme).unwrap().begin().await.unwrap();
        let keep = format!("SELECT set_config('{setting}', false)");
        sqlx::raw_sql(AssertSqlSafe(keep)).execute(work.connection()).await.unwrap();
        work.commit().await.unwrap();
        let kept: i64 =
            sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&pool.pool).await.unwrap();
        assert!(kept > 1, "{setting}: the session does see them");

        let mut work = pool.for_caller(&acme).unwrap().begin().await.unwrap();
        let seen: Result<Vec<String>, _> =
            sqlx::query_scalar("SELECT item FROM orders").fetch_all(work.connection()).await;
        assert_eq!(seen.unwrap(), ["a"], "{setting}");
        drop(work);
        let mut across = pool.pool.begin_with(BEGIN_ACROSS).await.unwrap();
        let own: Result<String, _> = sqlx::query_scalar("SELECT current_setting('countersign.organisation')")
            .fetch_one(&mut *across)
            .await;
        assert_eq!(own.unwrap(), "", "{setting}");
    }
}
