use crate::{
    OrganisationId,
    scope::{Column, Condition, Delete, Direction, Insert, OrganisationTable, Select, Update, Value},
};

use super::{Dialect, Reach, Renderer};

#[derive(Debug)]
struct Order;

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "item", "note"];
}

const ITEM: Column<Order> = Column::named("item");
const NOTE: Column<Order> = Column::named("note");

fn acme() -> OrganisationId {
    OrganisationId::new("acme").unwrap()
}

fn renderer() -> Renderer<Order> {
    Renderer::new(Dialect::Sqlite)
}

#[test]
fn the_organisation_comes_first_and_further_conditions_only_narrow() {
    let select = Select::all()
        .and(Condition::any_of([ITEM.equals("x"), NOTE.is_null().negated()]))
        .and(ITEM.like("%y%"))
        .order_by(ITEM, Direction::Descending)
        .limit(5);
    let acme = acme();
    let statement = renderer().select(&select, Reach::One(&acme));
    assert_eq!(
        statement.sql,
        "SELECT \"orders\".\"id\" AS \"id\", \"orders\".\"item\" AS \"item\", \"orders\".\"note\" AS \"note\" \
         FROM \"orders\" WHERE \"orders\".\"organisation\" = ?1 COLLATE BINARY \
         AND ((\"orders\".\"item\" = ?2) OR (NOT (\"orders\".\"note\" IS NULL))) \
         AND (\"orders\".\"item\" LIKE ?3) \
         ORDER BY \"orders\".\"item\" DESC LIMIT ?4"
    );
    assert_eq!(statement.values, ["acme".into(), "x".into(), "%y%".into(), Value::Integer(5)]);
}

#[test]
fn a_limit_that_the_library_chose_is_written_and_one_that_was_chosen_for_it_is_bound() {
    let of = acme();
    let ends = |select: Select<Order>| {
        let statement = renderer().select(&select, Reach::One(&of));
        (statement.sql.split_once(" LIMIT ").unwrap().1.to_owned(), statement.values[1..].to_vec())
    };
    assert_eq!(ends(Select::all()), ("10001".to_owned(), vec![]));
    assert_eq!(ends(Select::all().limit(1)), ("1".to_owned(), vec![]));
    assert_eq!(ends(Select::all().limit(0)), ("?2".to_owned(), vec![Value::Integer(0)]));
    assert_eq!(
        ends(Select::all().limit(7).offset(3)),
        ("?2 OFFSET ?3".to_owned(), vec![Value::Integer(7), Value::Integer(3)])
    );
}

#[test]
fn an_insert_writes_the_scope_organisation() {
    let insert = Insert::new().set(ITEM, "first").set(ITEM, "x").set(NOTE, None::<String>);
    let statement = renderer().insert(&insert, &acme());
    assert!(
        statement.sql.starts_with(
            "INSERT INTO \"orders\" (\"organisation\", \"item\", \"note\") VALUES (?1, ?2, NULL) RETURNING "
        ),
        "{}",
        statement.sql
    );
    assert_eq!(statement.values, ["acme".into(), Value::from("x")]);
}

#[test]
fn update_and_delete_name_the_organisation() {
    let update = Renderer::<Order>::new(Dialect::Postgres).update(&Update::by_key(7).set(ITEM, "x"), &acme());
    assert_eq!(
        update.sql,
        "UPDATE \"orders\" SET \"item\" = $2 WHERE \"orders\".\"organisation\" = $1 AND (\"orders\".\"id\" = $3)"
    );
    assert_eq!(update.values, ["acme".into(), "x".into(), Value::Integer(7)]);
    let delete = renderer().delete(&Delete::<Order>::matching(Condition::all_of([])), &acme());
    assert_eq!(
        delete.sql,
        "DELETE FROM \"orders\" WHERE \"orders\".\"organisation\" = ?1 COLLATE BINARY AND (1 = 1)"
    );
}

#[test]
fn nothing_is_one_of_none_and_a_null_is_asked_for_by_name() {
    let select = Select::<Order>::all().and(ITEM.one_of(Vec::<i64>::new())).and(NOTE.equals(None::<i64>));
    let statement = renderer().count(&select, Reach::Every);
    assert_eq!(
        statement.sql,
        "SELECT COUNT(*) FROM \"orders\" WHERE (1 = 1) AND (1 = 0) AND (\"orders\".\"note\" IS NULL)"
    );
}
