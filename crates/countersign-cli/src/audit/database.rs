//! `countersign audit db`: does row-level security bind the service, and does nothing lead around it?

use std::{net::IpAddr, time::Duration};

use countersign::scope::{
    SchemaFault,
    postgres::{check_others, check_table, tables_with_column},
};
use countersign_gateway::config::{Environment as _, SystemEnvironment};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use crate::{arguments::AuditDbArguments, exit::Exit, fetch, screen};

/// For the connection to the database.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Something is wrong with a table.
const FOUND: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// The database cannot be asked.
const UNREACHABLE: u8 = 3;

pub(super) fn run(arguments: &AuditDbArguments) -> Exit {
    let name = &arguments.url_env;
    let Some(url) = SystemEnvironment.variable(name) else {
        return fail(USAGE, &format!("the variable `{name}` is not set: it holds the URL of the database"));
    };
    let Ok(options) = url.parse::<PgConnectOptions>() else {
        return fail(USAGE, &format!("the URL in `{name}` is not understood"));
    };
    if !is_safe(&options) && !arguments.insecure_connection {
        return fail(
            USAGE,
            &format!(
                "the server of `{name}` is elsewhere and would not be authenticated: add `sslmode=verify-full` (and \
                 `sslrootcert=FILE` for a certificate authority of your own) to the URL, or say `--insecure-connection`"
            ),
        );
    }
    match fetch::wait(check(arguments, options)) {
        Ok(Ok(exit)) => exit,
        // What the driver says may hold the URL, and the URL a password.
        Ok(Err(error)) => {
            fail(UNREACHABLE, &format!("the database of `{name}` cannot be asked: {}", reason(&error)))
        }
        Err(error) => fail(UNREACHABLE, &error.to_string()),
    }
}

/// Nobody between us and the server can read or answer in its place.
fn is_safe(options: &PgConnectOptions) -> bool {
    // An IPv6 address has its brackets still.
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some()
        || host.starts_with('/')
        || is_loopback
        || matches!(options.get_ssl_mode(), PgSslMode::VerifyFull)
}

async fn check(arguments: &AuditDbArguments, options: PgConnectOptions) -> Result<Exit, sqlx::Error> {
    let pool: PgPool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_with(options)
        .await?;
    let tables = if arguments.tables.is_empty() {
        tables_with_column(&pool, &arguments.column).await?
    } else {
        arguments.tables.clone()
    };
    if tables.is_empty() {
        let problem = format!("no table that this role sees has a column `{}`", arguments.column);
        return Ok(fail(FOUND, &problem));
    }
    let mut faults = 0;
    let mut told = tables.clone();
    for table in &tables {
        let found = check_table(&pool, table, &arguments.column).await;
        if found.is_empty() {
            screen::print(&format!("ok    {table}\n"));
        }
        for fault in found {
            screen::print(&format!("FAIL  {table}: {fault}\n"));
            faults += 1;
            if let SchemaFault::Unbound { object, .. } = fault {
                told.push(object);
            }
        }
    }
    if arguments.tables.is_empty() {
        for fault in others(&pool, &arguments.column, &told).await {
            screen::print(&format!("FAIL  {fault}\n"));
            faults += 1;
        }
    }
    let (tables, exit) = (tables.len(), if faults == 0 { Exit::Good } else { Exit::Code(FOUND) });
    screen::print(&format!("{tables} checked, {faults} faults\n"));
    Ok(exit)
}

/// What else has the column and is not bound: in other schemas, foreign tables, views.
async fn others(pool: &PgPool, column: &str, told: &[String]) -> Vec<SchemaFault> {
    check_others(pool, column, told).await.unwrap_or_else(|fault| vec![fault])
}

/// Why, without anything of the URL.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(_) => {
            "the URL is not understood, or a file it names cannot be read".to_owned()
        }
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => "it does not answer".to_owned(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        _ => "the connection failed".to_owned(),
    }
}

fn fail(code: u8, problem: &str) -> Exit {
    screen::complain(&format!("countersign audit db: {problem}\n"));
    Exit::Code(code)
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn elsewhere_only_an_authenticated_server_is_safe() {
        for (url, safe) in [
            ("postgres://s@127.0.0.1/shop", true),
            ("postgres://s@localhost/shop", true),
            ("postgres://s@[::1]/shop", true),
            ("postgres:///shop?host=/run/postgresql&user=s", true),
            ("postgres://s@db.example/shop", false),
            ("postgres://s@10.0.0.7/shop?sslmode=require", false),
            ("postgres://s@db.example/shop?sslmode=verify-ca", false),
            ("postgres://s@db.example/shop?sslmode=verify-full", true),
        ] {
            assert_eq!(is_safe(&url.parse().unwrap()), safe, "{url}");
        }
    }
}
