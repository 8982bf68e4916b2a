//! Statements against `PostgreSQL`.

use sqlx::{
    PgExecutor,
    postgres::{PgArguments, PgRow},
};

use crate::scope::run::run_on;

run_on!(Postgres, PgExecutor, PgArguments, PgRow);
