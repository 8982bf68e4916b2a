//! How a command ends.

use std::process::ExitCode;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// 0.
    Good,
    /// 1: something was refused or does not work.
    Failed,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// Another one, which the command's own documentation explains.
    #[cfg(feature = "audit")]
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            #[cfg(feature = "audit")]
            Exit::Code(code) => code,
        })
    }
}
