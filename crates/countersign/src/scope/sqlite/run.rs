//! Statements against `SQLite`.

use sqlx::{
    SqliteExecutor,
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::scope::run::run_on;

run_on!(Sqlite, SqliteExecutor, SqliteArguments, SqliteRow);
