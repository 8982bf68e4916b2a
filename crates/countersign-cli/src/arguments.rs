//! The command line.

#[cfg(feature = "audit")]
mod audit;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "audit")]
pub(crate) use self::audit::{
    AuditArguments, AuditCommand, AuditDbArguments, AuditInitArguments, AuditSupply,
};

/// Turns sessions of your authorization server into signed access tokens that every service checks by itself.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway
    Run(RunArguments),
    /// Check a configuration, ask the real server, show one token per audience, grade the old cookie
    Check(CheckArguments),
    /// Print the reference page or the JSON schema of the configuration
    Config(ConfigArguments),
    /// Run an old server, two services and a page behind the gateway, in one process
    #[cfg(feature = "demo")]
    Demo(DemoArguments),
    /// Say for one request which stage decides what, and why
    Explain(ExplainArguments),
    /// List, rotate, retire, import or export the keys of the running gateway
    Keys(KeysArguments),
    /// Revoke a session, a subject, an organisation, a token or everything, at the gateway and at the services
    Revoke(RevokeArguments),
    /// Let the running gateway read its configuration again
    Reload(ReloadArguments),
    /// Say how the running gateway is
    Status(StatusArguments),
    /// Print what row-level security needs in PostgreSQL
    Rls(RlsArguments),
    /// Say what a token says and whether it is valid; reads it from standard input
    Token(TokenArguments),
    /// Prove that every endpoint of a service refuses what it must
    #[cfg(feature = "audit")]
    Audit(Box<AuditArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Log look-ups that simply worked, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Tell the story by itself, also the page's steps if there is a Chromium, and exit with 0 if all came as expected
    #[arg(long)]
    pub(crate) script: bool,
    /// The Chromium, or a relative of it, for the page's steps
    #[arg(long, value_name = "FILE", requires = "script")]
    pub(crate) browser: Option<PathBuf>,
    /// Where the gateway listens, on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", conflicts_with = "script")]
    pub(crate) listen: std::net::SocketAddr,
    /// Show the gateway's log
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Run a service with faults to order instead, for `countersign audit` to find
    #[arg(long, conflicts_with_all = ["script", "verbose"])]
    pub(crate) legacy: bool,
    /// A fault of that service, as often as wanted; `list` prints them all
    #[arg(long = "fault", value_name = "NAME", requires = "legacy")]
    pub(crate) faults: Vec<String>,
    /// Where that service finds the audit's key set: a URL or a file
    #[arg(
        long,
        value_name = "URL|FILE",
        requires = "legacy",
        default_value = "http://127.0.0.1:8089/jwks.json"
    )]
    pub(crate) key_set: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The URL that is asked for; of a path alone the host is the issuer's
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// The method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A header field, `Name: value`, as often as needed; not for credentials: others see command lines
    #[arg(long = "header", value_name = "FIELD")]
    pub(crate) headers: Vec<String>,
    #[command(flatten)]
    pub(crate) credential: LiveCredential,
    /// Read the value of the session cookie from standard input
    #[arg(long, conflicts_with_all = ["cookie_file", "token_file"])]
    pub(crate) cookie_stdin: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArguments {
    #[command(subcommand)]
    pub(crate) what: KeysWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysWhat {
    /// Every key with its phase
    List {
        #[command(flatten)]
        gateway: RunningGateway,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The public keys as a key set (JWKS)
    ExportPublic {
        #[command(flatten)]
        gateway: RunningGateway,
    },
    /// Make a private key from elsewhere the standby key: it signs after its lead, at the next rotation
    Import {
        #[command(flatten)]
        gateway: RunningGateway,
        /// The key for `token.algorithm`: PEM (PKCS #8, PKCS #1, SEC 1) or a JWK, not encrypted
        file: PathBuf,
    },
    /// Take a key out at once and for good, with every token it signed; the standby key signs, if it did
    // Names of keys and sessions may begin with `-`, even with `-h`: they are hashes.
    #[command(disable_help_flag = true)]
    Retire {
        #[command(flatten)]
        gateway: RunningGateway,
        /// Which, as `list` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Print help
        #[arg(long, action = clap::ArgAction::Help)]
        help: Option<bool>,
    },
    /// Let the standby key take over as soon as every verifier has it
    Rotate {
        #[command(flatten)]
        gateway: RunningGateway,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    #[command(flatten)]
    pub(crate) gateway: RunningGateway,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) gateway: RunningGateway,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    #[command(flatten)]
    pub(crate) gateway: RunningGateway,
    #[command(flatten)]
    pub(crate) target: RevokeTarget,
    /// Take the revocation back
    #[arg(long, conflicts_with = "yes")]
    pub(crate) lift: bool,
    /// Revoke an organisation or everything; without it the sessions that are concerned are only counted
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only count
    #[arg(long, conflicts_with_all = ["yes", "lift"])]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is revoked.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RevokeTarget {
    /// One session, by the `sid` of its tokens and of the audit log
    #[arg(long, value_name = "SID", allow_hyphen_values = true)]
    pub(crate) session: Option<String>,
    /// Every session of that subject that began until now
    #[arg(long, value_name = "SUB", allow_hyphen_values = true)]
    pub(crate) subject: Option<String>,
    /// Every session of that organisation that began until now
    #[arg(long, value_name = "ORGANISATION", allow_hyphen_values = true)]
    pub(crate) organisation: Option<String>,
    /// One token, by its `jti`
    #[arg(long, value_name = "JTI", allow_hyphen_values = true)]
    pub(crate) token: Option<String>,
    /// Every session that began until now
    #[arg(long)]
    pub(crate) all: bool,
}

/// Which gateway: found by the folder that holds its socket.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RunningGateway {
    /// The configuration it runs with
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Its state directory
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LiveCredential {
    /// File with the value of a live session cookie
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    pub(crate) cookie_file: Option<PathBuf>,
    /// File with a live bearer token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) credential: LiveCredential,
    /// File with the `Set-Cookie` header of the old server, to grade its cookie
    #[arg(long, value_name = "FILE", conflicts_with = "login_url")]
    pub(crate) set_cookie_file: Option<PathBuf>,
    /// Page of the old server that sets its cookie, to grade it; asked once, with GET
    #[arg(long, value_name = "URL")]
    pub(crate) login_url: Option<String>,
    /// Ask nobody: check the configuration only
    #[arg(long, conflicts_with_all = ["login_url", "cookie_file", "token_file"])]
    pub(crate) offline: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    pub(crate) what: ConfigWhat,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigWhat {
    /// Every key with type, default and meaning, in Markdown
    Reference,
    /// The JSON schema, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct RlsArguments {
    #[command(subcommand)]
    pub(crate) what: RlsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RlsWhat {
    /// The migration of one table: role, policies, index, foreign keys; run it as the table's owner
    Init {
        /// The table, without schema
        table: String,
        /// The column that says whose a row is
        #[arg(long, value_name = "NAME", default_value = "organisation")]
        column: String,
        /// The column a row is found by
        #[arg(long, value_name = "NAME", default_value = "id")]
        key: String,
        /// The role of the service
        #[arg(long, value_name = "NAME", default_value = "service")]
        role: String,
        /// A column that holds the key of a row of another such table, `customer=customers`; as often as needed
        #[arg(long = "references", value_name = "COLUMN=TABLE")]
        references: Vec<String>,
        /// No role of support reads this table across organisations; a select without WHERE is then quick
        #[arg(long)]
        without_support: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The configuration of the gateway that signed; its key set is asked for on `admin_listen`
    #[arg(long = "config", value_name = "FILE", conflicts_with_all = ["keys", "issuer"])]
    pub(crate) config: Option<PathBuf>,
    /// File with the key set (JWKS) of the issuer
    #[arg(long, value_name = "FILE", requires = "issuer", requires = "audience")]
    pub(crate) keys: Option<PathBuf>,
    /// The issuer that is expected
    #[arg(long, value_name = "URL", requires = "keys")]
    pub(crate) issuer: Option<String>,
    /// The audience that is expected
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Arguments, Command, KeysWhat};

    #[test]
    fn a_name_may_begin_like_an_option() {
        for name in ["-LNvH8", "-hNvH8", "--NvH8", "-"] {
            for line in [["--state-dir", "state", name], [name, "--state-dir", "state"]] {
                let line = ["countersign", "keys", "retire"].into_iter().chain(line);
                let Command::Keys(keys) = Arguments::try_parse_from(line).unwrap().command else {
                    panic!("another command")
                };
                assert!(matches!(keys.what, KeysWhat::Retire { kid, .. } if kid == name), "{name}");
            }
            for option in ["--session", "--subject", "--organisation", "--token"] {
                let line = ["countersign", "revoke", "--state-dir", "state", option, name, "--json"];
                let Command::Revoke(revoke) = Arguments::try_parse_from(line).unwrap().command else {
                    panic!("another command")
                };
                let target = revoke.target;
                let named = [target.session, target.subject, target.organisation, target.token];
                assert_eq!(named.into_iter().flatten().collect::<Vec<_>>(), [name]);
                assert!(revoke.json);
            }
        }
    }
}
