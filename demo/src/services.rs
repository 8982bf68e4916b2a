//! Two services, written as their teams would write them: the library is all they know of the gateway.

mod answer;
mod notes;
mod openapi;
mod orders;
mod received;

use std::path::Path;

use axum::Router;
use countersign::{
    RoleName, Verifier,
    remote::{RemoteKeys, RevocationFeed},
    scope::SupportRole,
    tower::Authenticate,
};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};

use crate::DemoError;

pub(crate) use self::{notes::router as notes, orders::router as orders};

/// May change things.
pub(crate) struct Editor;

impl RoleName for Editor {
    const NAME: &'static str = "editor";
}

/// May look across organisations, for a reason.
pub(crate) struct Support;

impl RoleName for Support {
    const NAME: &'static str = "support";
}

impl SupportRole for Support {}

/// Accepts tokens for that audience that are not revoked.
fn authenticate(audience: &str, parts: &Parts<'_>) -> Result<Authenticate, DemoError> {
    let Parts { issuer, keys, feed, .. } = *parts;
    let verifier = Verifier::builder().issuer(issuer).audience(audience).keys(keys.clone());
    let verifier = match feed {
        Some(feed) => verifier.revocations(feed.clone()),
        None => verifier,
    };
    let verifier = verifier.build()?;
    Ok(Authenticate::new(verifier).wait_for_rotation(keys.clone()))
}

async fn database(file: &Path, schema: &'static str) -> Result<SqlitePool, DemoError> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::raw_sql(schema).execute(&pool).await?;
    Ok(pool)
}

/// What a service is made of.
pub(crate) struct Parts<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) keys: &'a RemoteKeys,
    /// `None`: the issuer has no such feed.
    pub(crate) feed: Option<&'a RevocationFeed>,
    pub(crate) folder: &'a Path,
}

/// A running service's routes.
pub(crate) type Built = Result<Router, DemoError>;
