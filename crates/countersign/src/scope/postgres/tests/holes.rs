//! What the check at start refuses is refused for a reason: each hole shows or harms foreign rows.

use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{ORDERS, Order, Server, begin_for, row_level_security};
use crate::{
    OrganisationId,
    scope::{
        SchemaFault,
        postgres::{ScopedPool, check_table, tables_with_column},
    },
};

const ROWS: &str =
    "INSERT INTO orders (organisation, item) VALUES ('acme', 'a'), ('globex', 'g'), ('globex', 'h')";

/// A database with rows of two organisations and a hole.
async fn with_hole(server: &Server, hole: &str) -> (PgPool, PgPool) {
    let (owner, service) = server.database().await;
    for sql in [ORDERS, &row_level_security::<Order>(), ROWS, hole] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&owner).await.unwrap();
    }
    (owner, service)
}

/// Runs `sql` as a unit of work of `acme` would, and counts what it says.
async fn as_acme(pool: &PgPool, sql: &str) -> Result<i64, sqlx::Error> {
    let begin = begin_for(&OrganisationId::new("acme").unwrap());
    let mut work = pool.begin_with(AssertSqlSafe(begin)).await?;
    let connection: &mut PgConnection = &mut work;
    let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?;
    work.commit().await?;
    Ok(found)
}

pub(super) async fn each_is_real(server: &Server) {
    let (_, closed) = with_hole(server, "SELECT").await;
    assert_eq!(as_acme(&closed, "SELECT count(*) FROM orders").await.unwrap(), 1);

    for (hole, sql) in [
        ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "SELECT count(*) FROM orders"),
        (
            "ALTER TABLE orders OWNER TO service; ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
            "SELECT count(*) FROM orders",
        ),
        ("CREATE POLICY more ON orders USING (true)", "SELECT count(*) FROM orders"),
        (
            "CREATE VIEW seen AS SELECT * FROM orders; GRANT SELECT ON seen TO service",
            "SELECT count(*) FROM seen",
        ),
        (
            "CREATE MATERIALIZED VIEW kept AS SELECT * FROM orders; GRANT SELECT ON kept TO service",
            "SELECT count(*) FROM kept",
        ),
        (
            "CREATE FUNCTION all_orders() RETURNS SETOF orders LANGUAGE sql SECURITY DEFINER
             AS 'SELECT * FROM orders'",
            "SELECT count(*) FROM all_orders()",
        ),
    ] {
        let (_, service) = with_hole(server, hole).await;
        assert_eq!(as_acme(&service, sql).await.unwrap(), 3, "{hole}");
        let seen = check_table(&service, "orders", "organisation").await;
        assert!(!seen.is_empty(), "{hole}");
        assert!(ScopedPool::new(service).declare::<Order>().await.is_err(), "{hole}");
    }
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
    let mut work =
        service.begin_with(AssertSqlSafe(begin_for(&OrganisationId::new("acme").unwrap()))).await.unwrap();
    sqlx::raw_sql("TRUNCATE orders").execute(&mut *work).await.unwrap();
    work.commit().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&owner).await.unwrap();
    assert_eq!(left, 0);

    // A foreign key sees every row: a line of acme for an order of globex, and a way to ask which orders exist.
    let lines = "CREATE TABLE lines (organisation text NOT NULL, of bigint REFERENCES orders (id));
                 GRANT SELECT, INSERT ON lines TO service";
    let (owner, service) = with_hole(server, lines).await;
    let foreign: i64 = sqlx::query_scalar("SELECT id FROM orders WHERE organisation = 'globex' LIMIT 1")
        .fetch_one(&owner)
        .await
        .unwrap();
    let insert = |id: i64| format!("INSERT INTO lines VALUES ('acme', {id}) RETURNING 1::bigint");
    assert!(as_acme(&service, &insert(foreign)).await.is_ok(), "an order of globex");
    assert!(as_acme(&service, &insert(999)).await.is_err(), "an order of nobody");
}
