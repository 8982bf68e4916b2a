//! Services that know nothing of our library: Express with express-oauth2-jwt-bearer, FastAPI with PyJWT.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{node, path, python};
use crate::process::Process;

/// A service in another language, and what the audit is told about it.
#[derive(Debug)]
pub(crate) struct ForeignService {
    process: Process,
    folder: TempDir,
    name: &'static str,
}

impl ForeignService {
    /// Express; its key set is at that address.
    pub(crate) fn express(key_set: &str, faulty: bool) -> Self {
        Self::start("express_service", node("express_service.mjs"), key_set, faulty)
    }

    /// FastAPI; its key set is at that address.
    pub(crate) fn fastapi(key_set: &str, faulty: bool) -> Self {
        Self::start("fastapi_service", python("fastapi_service.py"), key_set, faulty)
    }

    fn start(name: &'static str, mut command: std::process::Command, key_set: &str, faulty: bool) -> Self {
        command.arg(key_set).args(faulty.then_some("--faulty"));
        let process = Process::start(command);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("openapi.json"), process.ready["openapi"].to_string()).unwrap();
        Self { process, folder, name }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        self.process.listening()
    }

    /// A file of its own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the audit is told about it.
    pub(crate) fn settings(&self) -> PathBuf {
        path(&format!("{}.audit.toml", self.name))
    }

    /// What its library is known to let through, each with the reason.
    pub(crate) fn baseline(&self) -> PathBuf {
        path(&format!("{}.baseline.json", self.name))
    }
}
