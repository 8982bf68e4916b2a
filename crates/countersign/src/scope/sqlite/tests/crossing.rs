//! Random organisations, random operations: no row ever crosses.

use proptest::prelude::*;
use sqlx::{FromRow, Row, SqlitePool};

use crate::{
    caller::testing::caller,
    scope::{
        crossing::{Model, ORGANISATIONS, Order, Rows, operation},
        sqlite::ScopedPool,
    },
};

use super::{ORDERS, database};

async fn table(pool: &SqlitePool) -> Rows {
    let rows = sqlx::query("SELECT * FROM orders").fetch_all(pool).await.unwrap();
    rows.iter().map(|row| (row.get("id"), (row.get("organisation"), Order::from_row(row).unwrap()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_ever_crosses(
        steps in prop::collection::vec((prop::sample::select(&ORGANISATIONS[..]), operation()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let raw = database(ORDERS).await;
            let pool = ScopedPool::new(raw.clone()).declare::<Order>().await.unwrap();
            // The column ignores case, and so does its unique index: two spellings share one slot.
            let mut model = Model { rows: Rows::new(), shares_a_slot: str::eq_ignore_ascii_case };
            for (organisation, operation) in &steps {
                let mut scope = pool.for_caller(&caller(organisation, &[])).unwrap();
                model.apply(&mut scope, organisation, operation).await;
                assert_eq!(table(&raw).await, model.rows, "after {organisation}: {operation:?}");
            }
        });
    }
}
