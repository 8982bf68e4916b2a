//! Values that have a type of their own on `PostgreSQL`, and the migration that is printed.

use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, FromRow, PgPool, Row, ValueRef, postgres::PgRow};

use super::Server;
use crate::{
    UnixTime,
    caller::testing::caller,
    row_level_security::RowLevelSecurity,
    scope::{Column, Insert, OrganisationTable, ScopeError, Select, Update, Value, postgres::ScopedPool},
};

#[derive(Debug, Clone, PartialEq)]
struct Note {
    id: [u8; 16],
    /// Microseconds since the epoch.
    at: i64,
    data: Json,
}

impl OrganisationTable for Note {
    const TABLE: &'static str = "notes";
    const COLUMNS: &'static [&'static str] = &["id", "at", "data"];
}

impl Note {
    const ID: Column<Self> = Column::named("id");
    const AT: Column<Self> = Column::named("at");
    const DATA: Column<Self> = Column::named("data");
}

impl FromRow<'_, PgRow> for Note {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        /// From 1970 to 2000, where `PostgreSQL` begins to count.
        const TO_2000: i64 = 946_684_800_000_000;
        let bytes = |column| row.try_get_raw(column).map(|value| value.as_bytes().unwrap().to_vec());
        assert!(!row.try_get_raw("at")?.is_null());
        Ok(Self {
            id: bytes("id")?.try_into().unwrap(),
            at: i64::from_be_bytes(bytes("at")?.try_into().unwrap()) + TO_2000,
            data: serde_json::from_slice(&bytes("data")?[1..]).unwrap(),
        })
    }
}

const NOTES: &str = "CREATE TABLE notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organisation text,
    at timestamptz NOT NULL,
    data jsonb NOT NULL
);";

async fn declared(owner: &PgPool, service: PgPool) -> ScopedPool {
    let sql = RowLevelSecurity::of("notes").unwrap().to_sql();
    for sql in [NOTES, &sql] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(owner).await.unwrap();
    }
    ScopedPool::new(service).declare::<Note>().await.unwrap()
}

pub(super) async fn of_every_kind_are_bound(server: &Server) {
    let (owner, service) = server.database().await;
    let pool = declared(&owner, service).await;
    let (acme, globex) = (caller("acme", &[]), caller("globex", &[]));
    let mut work = pool.for_caller(&acme).unwrap().begin().await.unwrap();
    let data = json!({ "text": "it's \"quoted\"", "n": [1, 2.5, null] });
    let moments = [0, 1, -1_000_001, 1_800_000_000_123_456, 253_402_300_799_999_999];
    for micros in moments {
        let insert = Insert::new().set(Note::AT, Value::Timestamp(micros)).set(Note::DATA, data.clone());
        let note: Note = work.insert(insert).await.unwrap();
        assert_eq!((note.at, &note.data), (micros, &data));
        assert_eq!(work.find::<Note>(note.id).await.unwrap(), Some(note.clone()));
        let other = Update::by_key(note.id).set(Note::DATA, json!("other"));
        assert_eq!(work.update(other).await.unwrap(), 1);
    }
    let later = Select::<Note>::all().and(Note::AT.greater_than(UnixTime::from_secs(0)));
    assert_eq!(work.count(later).await.unwrap(), 3);
    let some = Select::<Note>::all().and(Note::DATA.equals(json!("other")));
    let id = work.all(some).await.unwrap()[0].id;
    assert_eq!(work.count(Select::<Note>::all().and(Note::ID.one_of([id, [0; 16]]))).await.unwrap(), 1);
    let set =
        Insert::new().set(Note::ID, [7; 16]).set(Note::AT, Value::Timestamp(0)).set(Note::DATA, json!(1));
    assert!(matches!(work.insert::<Note>(set).await, Err(ScopeError::KeyAssigned { .. })));
    work.commit().await.unwrap();
    let mut foreign = pool.for_caller(&globex).unwrap().begin().await.unwrap();
    assert_eq!(foreign.find::<Note>(id).await.unwrap(), None);
}

struct Order;

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "customer"];
}

struct Customer;

impl OrganisationTable for Customer {
    const TABLE: &'static str = "customers";
    const COLUMNS: &'static [&'static str] = &["id"];
}

pub(super) async fn the_printed_migration_makes_a_table_that_starts(server: &Server) {
    let (owner, service) = server.database().await;
    let tables = "CREATE TABLE customers (id bigserial PRIMARY KEY, organisation text);
                  CREATE TABLE orders (id bigserial PRIMARY KEY, organisation text, customer bigint);
                  GRANT ALL ON customers, orders TO PUBLIC";
    sqlx::raw_sql(tables).execute(&owner).await.unwrap();
    let customers = RowLevelSecurity::of("customers").unwrap().to_sql();
    let orders =
        RowLevelSecurity::of("orders").unwrap().references("customer", "customers").unwrap().to_sql();
    for sql in [&customers, &orders, &orders] {
        sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&owner).await.unwrap();
    }
    let pool =
        ScopedPool::new(service).declare::<Customer>().await.unwrap().declare::<Order>().await.unwrap();
    let mut work = pool.for_caller(&caller("acme", &[])).unwrap().begin().await.unwrap();
    let insert = "INSERT INTO customers (organisation) VALUES ('acme') RETURNING id";
    let own: i64 = sqlx::query_scalar(insert).fetch_one(work.connection()).await.unwrap();
    sqlx::query("INSERT INTO orders (organisation, customer) VALUES ('acme', $1)")
        .bind(own)
        .execute(work.connection())
        .await
        .unwrap();
    work.commit().await.unwrap();
    // A customer of another organisation is as absent as one of nobody.
    let mut work = pool.for_caller(&caller("globex", &[])).unwrap().begin().await.unwrap();
    let foreign = sqlx::query("INSERT INTO orders (organisation, customer) VALUES ('globex', $1)").bind(own);
    let refused = foreign.execute(work.connection()).await.unwrap_err().to_string();
    assert!(refused.contains("orders_organisation_customer_fkey"), "{refused}");
}

/// What it does when its parent goes, it does as it did.
pub(super) async fn the_printed_migration_takes_a_key_without_the_organisation_away(server: &Server) {
    let orders =
        RowLevelSecurity::of("orders").unwrap().references("customer", "customers").unwrap().to_sql();
    let customers = RowLevelSecurity::of("customers").unwrap().to_sql();
    for (old, expected) in [
        ("", ""),
        ("REFERENCES customers", ""),
        ("CONSTRAINT \"Of\" REFERENCES customers (id) ON DELETE CASCADE", " ON DELETE CASCADE"),
        ("REFERENCES customers ON DELETE SET NULL", " ON DELETE SET NULL (customer)"),
        ("REFERENCES customers DEFERRABLE", " DEFERRABLE"),
    ] {
        let (owner, service) = server.cleared().await;
        let tables = format!(
            "CREATE TABLE customers (id bigserial PRIMARY KEY, organisation text);
             CREATE TABLE orders (id bigserial PRIMARY KEY, organisation text, customer bigint {old})"
        );
        for sql in [&tables, &customers, &orders, &orders] {
            sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&owner).await.unwrap();
        }
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE contype = 'f' AND conrelid = 'orders'::regclass",
        )
        .fetch_all(&owner)
        .await
        .unwrap();
        let paired = "FOREIGN KEY (organisation, customer) REFERENCES customers(organisation, id)";
        assert_eq!(keys, [format!("{paired}{expected}")], "{old}");
        let pool = ScopedPool::new(service).declare::<Customer>().await.unwrap();
        assert!(pool.declare::<Order>().await.is_ok(), "{old}");
    }
}
