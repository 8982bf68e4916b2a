//! Tables in which the predicate would be weaker than it looks.

use crate::scope::{SchemaFault, sqlite::ScopedPool};

use super::{ORDERS, Order, database};

async fn fault(schema: &'static str) -> Option<SchemaFault> {
    ScopedPool::new(database(schema).await).declare::<Order>().await.err()
}

#[tokio::test]
async fn a_sound_table_is_accepted() {
    assert!(fault(ORDERS).await.is_none());
    let composite = "CREATE TABLE orders (organisation VARCHAR(255) NOT NULL, id TEXT NOT NULL, item TEXT, \
                     quantity INTEGER, PRIMARY KEY (organisation, id)) WITHOUT ROWID";
    assert!(fault(composite).await.is_none());
}

#[tokio::test]
async fn a_view_or_no_table_at_all_is_refused() {
    assert!(matches!(fault("SELECT 1").await, Some(SchemaFault::NoTable { table }) if table == "orders"));
    let view = "CREATE VIEW orders AS SELECT 1 AS id, 'a' AS organisation, 'b' AS item, 1 AS quantity";
    assert!(matches!(fault(view).await, Some(SchemaFault::NoTable { .. })));
}

#[tokio::test]
async fn a_missing_column_is_refused() {
    let none = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, quantity INTEGER)";
    assert!(
        matches!(fault(none).await, Some(SchemaFault::NoColumn { column, .. }) if column == "organisation")
    );
    let misspelt =
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, itme TEXT, quantity)";
    assert!(matches!(fault(misspelt).await, Some(SchemaFault::NoColumn { column, .. }) if column == "item"));
}

#[tokio::test]
async fn an_organisation_that_compares_as_a_number_or_may_be_empty_is_refused() {
    for kind in ["INTEGER NOT NULL", "NUMERIC NOT NULL", "POINT NOT NULL", "BLOB NOT NULL"] {
        let schema =
            format!("CREATE TABLE orders (id INTEGER PRIMARY KEY, organisation {kind}, item, quantity)");
        assert!(matches!(fault(schema.leak()).await, Some(SchemaFault::NotText { .. })), "{kind}");
    }
    let empty =
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, organisation TEXT, item TEXT, quantity INTEGER)";
    assert!(matches!(fault(empty).await, Some(SchemaFault::Nullable { .. })));
}

#[tokio::test]
async fn a_unique_constraint_over_organisations_is_refused() {
    for constraint in ["id TEXT PRIMARY KEY, item TEXT", "id INTEGER PRIMARY KEY, item TEXT UNIQUE"] {
        let schema =
            format!("CREATE TABLE orders ({constraint}, organisation TEXT NOT NULL, quantity INTEGER)");
        assert!(matches!(fault(schema.leak()).await, Some(SchemaFault::Unique { .. })), "{constraint}");
    }
}

#[tokio::test]
async fn a_foreign_key_into_another_organisation_is_refused() {
    let customers = "CREATE TABLE customers (id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, \
                     UNIQUE (organisation, id));";
    let columns =
        "id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, item TEXT, quantity INTEGER, customer INTEGER";
    let loose = format!(
        "{customers} CREATE TABLE orders ({columns}, FOREIGN KEY (customer) REFERENCES customers (id))"
    );
    assert!(matches!(fault(loose.leak()).await, Some(SchemaFault::ForeignKey { .. })));
    let bound = format!(
        "{customers} CREATE TABLE orders ({columns}, \
         FOREIGN KEY (organisation, customer) REFERENCES customers (organisation, id))"
    );
    assert!(fault(bound.leak()).await.is_none());
    // The caller's organisation beside a key of another's row, in another column than the parent's own.
    let crossed = format!(
        "CREATE TABLE customers (id INTEGER, organisation TEXT NOT NULL, region TEXT, UNIQUE (region, id)); \
         CREATE TABLE orders ({columns}, \
         FOREIGN KEY (organisation, customer) REFERENCES customers (region, id))"
    );
    assert!(matches!(fault(crossed.leak()).await, Some(SchemaFault::ForeignKey { .. })));
    for (key, sound) in [("organisation, id", true), ("id, organisation", false)] {
        let unnamed = format!(
            "CREATE TABLE customers (id INTEGER, organisation TEXT NOT NULL, PRIMARY KEY ({key})); \
             CREATE TABLE orders ({columns}, FOREIGN KEY (organisation, customer) REFERENCES customers)"
        );
        assert_eq!(fault(unnamed.leak()).await.is_none(), sound, "{key}");
    }
    let shared = format!(
        "CREATE TABLE countries (id INTEGER PRIMARY KEY); \
         CREATE TABLE orders ({columns}, FOREIGN KEY (customer) REFERENCES countries (id))"
    );
    assert!(fault(shared.leak()).await.is_none());
}
