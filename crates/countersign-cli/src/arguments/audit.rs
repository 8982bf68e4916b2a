//! The command line of `countersign audit`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use countersign_audit::{DEFAULT_MAX_REQUESTS, DEFAULT_PATIENCE, Severity};

/// Exit codes: 0 all decided cells pass, 1 findings, 2 the command line, settings or document is wrong, 3 the service
/// does not answer or accepts no good token, 4 too little could be decided.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 everything that could be decided is as it must be; 1 findings; \
2 the command line, audit.toml or the document is wrong; 3 the service does not answer or accepts no good token; 4 too little could be decided."
)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
    /// The OpenAPI document: a file or URL, JSON or YAML
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) spec: Option<String>,
    /// A plain list of routes: METHOD PATH ROLES
    #[arg(long, value_name = "FILE")]
    pub(crate) routes: Option<PathBuf>,
    /// audit.toml: what the document cannot say
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The service under test: scheme, host, port and path prefix
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    /// The audience of good tokens
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
    /// Where tokens come from
    #[arg(long, value_enum, value_name = "WAY")]
    pub(crate) supply: Option<AuditSupply>,
    /// Serve the key set there while the audit runs, as /jwks.json
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) serve_jwks: Option<SocketAddr>,
    /// Keep the audit's own keys in this file, so that a key set that was written stays valid; made if it is not there.
    /// New ones for each run if left out
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Write the key set to a file; without a service to audit it only does that
    #[arg(long, value_name = "FILE")]
    pub(crate) write_jwks: Option<PathBuf>,
    /// The file with the shared secret
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The control socket of the gateway, to revoke with
    #[arg(long, value_name = "FILE")]
    pub(crate) control_socket: Option<PathBuf>,
    /// A further service that must refuse what is revoked: NAME=URL, where NAME is its audience; as often as needed
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) service: Vec<String>,
    /// Use unsafe methods as documented, on anything
    #[arg(long, conflicts_with = "safe_only")]
    pub(crate) allow_destructive: bool,
    /// Use no unsafe method
    #[arg(long)]
    pub(crate) safe_only: bool,
    /// Allow a host that is not loopback; as often as needed
    #[arg(long, value_name = "HOST")]
    pub(crate) i_own_this_host: Vec<String>,
    /// Most requests
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_MAX_REQUESTS)]
    pub(crate) max_requests: usize,
    /// Requests at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    pub(crate) concurrency: u16,
    /// Most requests each second
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rate: Option<u32>,
    /// Seconds to wait until the service accepts a first good token
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_PATIENCE)]
    pub(crate) wait: u64,
    /// Findings that end with exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "medium")]
    pub(crate) fail_on: FailOn,
    /// Percent of cells that must be decided, else exit code 4
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) min_coverage: u8,
    /// A report in JSON whose findings are known
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the report as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print no table
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that row-level security binds a service in its PostgreSQL database, and nothing leads around it
    Db(AuditDbArguments),
    /// Write a first audit.toml from the document
    Init(AuditInitArguments),
}

/// What is checked is what the role of the connection could do: connect as the service does.
#[derive(Debug, Args)]
pub(crate) struct AuditDbArguments {
    /// Environment variable with the URL of the database, as the service has it
    #[arg(long, value_name = "NAME", default_value = "DATABASE_URL")]
    pub(crate) url_env: String,
    /// The column that says whose a row is
    #[arg(long, value_name = "NAME", default_value = "organisation")]
    pub(crate) column: String,
    /// Ask a server elsewhere although its certificate is not checked
    #[arg(long)]
    pub(crate) insecure_connection: bool,
    /// The tables; all that have the column, if left out
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditInitArguments {
    /// The OpenAPI document: a file or URL, JSON or YAML
    #[arg(long, value_name = "FILE|URL", required_unless_present = "routes")]
    pub(crate) spec: Option<String>,
    /// A plain list of routes
    #[arg(long, value_name = "FILE")]
    pub(crate) routes: Option<PathBuf>,
    /// The file to write; standard output if left out
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Overwrite it
    #[arg(long)]
    pub(crate) force: bool,
}

/// Where tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditSupply {
    /// Sessions of test users at a gateway
    Gateway,
    /// The audit's own keys, which the service under test trusts
    OwnKey,
    /// HS256 with the service's secret
    SharedSecret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Note,
    Low,
    Medium,
    High,
}

impl From<FailOn> for Severity {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Note => Self::Note,
            FailOn::Low => Self::Low,
            FailOn::Medium => Self::Medium,
            FailOn::High => Self::High,
        }
    }
}
