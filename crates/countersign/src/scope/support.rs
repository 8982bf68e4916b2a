//! Looking across organisations: explicit, typed and logged.

use std::fmt;

use crate::{Caller, HasRole, RoleName};

/// A role whose holders may look across organisations. Only a role that says so can make a [`CrossOrganisation`]:
///
/// ```compile_fail,E0277
/// use countersign::{HasRole, RoleName, scope::CrossOrganisation};
///
/// struct Editor;
/// impl RoleName for Editor {
///     const NAME: &'static str = "editor";
/// }
/// fn look(editor: HasRole<Editor>) {
///     let _ = CrossOrganisation::open(&editor, "curious");
/// }
/// fn main() {}
/// ```
pub trait SupportRole: RoleName {}

/// Leave to read rows of every organisation, for a stated reason.
///
/// What can an attacker do who gets one: read every organisation's rows of the declared tables, and write none. It is
/// made only from a verified caller's role; making it and each use are written to the log with the target
/// `countersign::support`, naming caller, session, role and reason.
#[derive(Clone)]
pub struct CrossOrganisation {
    caller: Caller,
    role: &'static str,
    reason: Box<str>,
}

/// The reason is empty, longer than [`CrossOrganisation::MAX_REASON`] bytes, or has control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason is 1 to 500 bytes without control characters")]
pub struct ReasonInvalid;

impl CrossOrganisation {
    /// The longest reason, in bytes.
    pub const MAX_REASON: usize = 500;

    /// Opens the view, and writes that to the log.
    ///
    /// # Errors
    /// [`ReasonInvalid`] if the reason does not name one.
    pub fn open<R: SupportRole>(proof: &HasRole<R>, reason: &str) -> Result<Self, ReasonInvalid> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > Self::MAX_REASON || reason.chars().any(char::is_control) {
            return Err(ReasonInvalid);
        }
        let opened = Self { caller: proof.caller().clone(), role: R::NAME, reason: reason.into() };
        opened.record("opened", "");
        Ok(opened)
    }

    /// Who looks.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn record(&self, action: &'static str, table: &'static str) {
        tracing::warn!(
            target: "countersign::support",
            action,
            table,
            subject = %self.caller.subject(),
            session = self.caller.session().map(tracing::field::display),
            token = %self.caller.token_id(),
            role = self.role,
            reason = &*self.reason,
            "looking across organisations"
        );
    }
}

impl fmt::Debug for CrossOrganisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossOrganisation")
            .field("subject", self.caller.subject())
            .field("role", &self.role)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// A row, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned<T> {
    /// The organisation, as it stands in the row.
    pub organisation: String,
    /// The row.
    pub row: T,
}
