//! Why an audit cannot be run.

use crate::{config::ConfigError, document::DocumentError};

/// Why an audit cannot be run. What it found is in the [`Report`](crate::Report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A file, listener or secret cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The host is not on the list of hosts that may be asked.
    #[error("`{host}` is not a loopback address: name it with `--i-own-this-host {host}` if you may test it")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// The options contradict each other or lack something.
    #[error("{0}")]
    Usage(String),
    /// Nothing answers at the target, or nothing accepts the good token.
    #[error("{0}")]
    Unreachable(String),
}

impl AuditError {
    /// 2 if the command line, the settings or the document is wrong, 3 if the target cannot be tested.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable(_) => 3,
            _ => 2,
        }
    }
}
