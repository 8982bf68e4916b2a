//! Programs that others wrote, each started once and shared by all tests unless a test breaks it.

use std::{path::PathBuf, process::Command};

pub(crate) mod authorization_server;
pub(crate) mod foreign_service;
pub(crate) mod nginx;
pub(crate) mod postgresql;
pub(crate) mod redis;
pub(crate) mod session_application;
pub(crate) mod verifier;

/// A file beside the counterparts.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/counterparts").join(name)
}

/// A program in JavaScript.
pub(crate) fn node(name: &str) -> Command {
    assert!(path("node_modules").is_dir(), "the npm packages are missing: run `./test e2e`");
    let mut command = Command::new("node");
    command.arg(path(name));
    command
}

/// A program in Python, with the packages that `./test` installed.
pub(crate) fn python(name: &str) -> Command {
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.e2e/python");
    assert!(packages.is_dir(), "the Python packages are missing: run `./test e2e`");
    let mut command = Command::new("python3");
    command.arg(path(name)).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A program in JavaScript that needs no package.
pub(crate) fn bare_node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(path(name));
    command
}

/// A program in Python that needs the standard library alone.
pub(crate) fn bare_python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(path(name)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
