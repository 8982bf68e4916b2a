//! Orders: listed and read by everybody of the organisation, changed by its editors, looked at by support.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use countersign::{
    HasRole, InOrganisation,
    axum::ProtectedRouter,
    scope::{
        Column, CrossOrganisation, Delete, Direction, Insert, OrganisationTable, Owned, Select,
        sqlite::ScopedPool,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, Row, sqlite::SqliteRow};

use super::{
    Built, Editor, Parts, Support, answer::Problem, authenticate, database, openapi, received::received,
};

const SCHEMA: &str = "
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL
);
CREATE INDEX orders_of_organisation ON orders (organisation, id);
INSERT INTO orders (organisation, item, quantity) VALUES
    ('acme', 'Anvil', 2), ('acme', 'Rocket skates', 1), ('acme', 'Giant magnet', 3),
    ('globex', 'Reactor coolant', 40), ('globex', 'Hammock', 12), ('globex', 'Lab coat', 25);
";

#[derive(Serialize)]
struct Order {
    id: i64,
    item: String,
    quantity: i64,
}

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "item", "quantity"];
}

impl Order {
    const ID: Column<Self> = Column::named("id");
    const ITEM: Column<Self> = Column::named("item");
    const QUANTITY: Column<Self> = Column::named("quantity");
}

impl FromRow<'_, SqliteRow> for Order {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { id: row.try_get("id")?, item: row.try_get("item")?, quantity: row.try_get("quantity")? })
    }
}

pub(crate) async fn router(parts: &Parts<'_>) -> Built {
    let orders = database(&parts.folder.join("orders.db"), SCHEMA).await?;
    let orders = ScopedPool::new(orders).declare::<Order>().await?;
    let router = ProtectedRouter::new()
        .route("/orders/", get(list).post(create))
        .route("/orders/received", get(received))
        .route_requiring::<HasRole<Support>>("/orders/everywhere", get(everywhere))
        .route("/orders/{id}", get(read).delete(cancel))
        .public_route(openapi::PATH, get(openapi::orders))
        .build(&authenticate("orders", parts)?, &[openapi::PATH])?;
    Ok(router.with_state(orders))
}

async fn list(of: InOrganisation, State(orders): State<ScopedPool>) -> Result<Json<Vec<Order>>, Problem> {
    let select = Select::all().order_by(Order::ID, Direction::Ascending).limit(100);
    Ok(Json(orders.within(&of).all(select).await?))
}

async fn read(
    of: InOrganisation,
    State(orders): State<ScopedPool>,
    Path(id): Path<i64>,
) -> Result<Json<Order>, Problem> {
    orders.within(&of).find(id).await?.map(Json).ok_or(Problem::NotFound)
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    quantity: u32,
}

async fn create(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(orders): State<ScopedPool>,
    Json(new): Json<NewOrder>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    if new.item.trim().is_empty() || new.item.len() > 200 || new.quantity == 0 {
        return Err(Problem::Invalid("an order has an item of at most 200 bytes, and a quantity"));
    }
    let insert = Insert::new().set(Order::ITEM, new.item.trim()).set(Order::QUANTITY, new.quantity);
    Ok((StatusCode::CREATED, Json(orders.within(&of).insert(insert).await?)))
}

async fn cancel(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(orders): State<ScopedPool>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    match orders.within(&of).delete(Delete::<Order>::by_key(id)).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

#[derive(Deserialize)]
struct Why {
    #[serde(default)]
    reason: String,
}

async fn everywhere(
    support: HasRole<Support>,
    State(orders): State<ScopedPool>,
    Query(why): Query<Why>,
) -> Result<Json<Vec<Value>>, Problem> {
    let leave = CrossOrganisation::open(&support, &why.reason)?;
    let select = Select::<Order>::all().order_by(Order::ID, Direction::Ascending).limit(100);
    let orders = orders.across(&leave).all(select).await?;
    let shown = |order: &Owned<Order>| json!({ "organisation": order.organisation, "order": order.row });
    Ok(Json(orders.iter().map(shown).collect()))
}
