//! Whatever stands in a configuration, it is read or refused with a place for each fault, and no secret is repeated.

use std::{io, num::NonZeroUsize, path::Path};

use countersign::Secret;
use countersign_gateway::{
    config::{Config, Environment, FileContent, resolved::RouteKind},
    http::path,
};

/// Every file and every variable holds it; no input can.
const SECRET: &str = "secret-2b7e151628aed2a6abf7158809cf4f3c";

/// A machine on which every file exists, and every variable but the one that is no secret.
#[derive(Debug)]
struct Machine;

impl Environment for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        (name != "STATE_DIRECTORY").then(|| SECRET.to_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<FileContent> {
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("pem") => format!("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n{SECRET}\n"),
            _ => SECRET.to_owned(),
        };
        Ok(FileContent { bytes: Secret::new(text.into_bytes()), mode: Some(0o400) })
    }
}

/// Reads the input as a configuration.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.contains(SECRET) {
        return;
    }
    match Config::from_toml("gateway.toml", text, &Machine, NonZeroUsize::MIN) {
        Ok(config) => {
            assert!(!format!("{config:?}").contains(SECRET));
            assert!(!config.routes.is_empty());
            assert!(config.session.cookie.is_some() || config.session.bearer);
            for route in &config.routes {
                assert!(route.path.starts_with('/') && route.path.ends_with('/'), "{:?}", route.path);
                // No request could ever match another one.
                assert_eq!(path::check(&route.path), Ok(()), "{:?}", route.path);
                assert!(!route.upstreams.is_empty());
                if let RouteKind::Translate(translate) = &route.kind {
                    assert!(!translate.audience.as_str().is_empty());
                }
            }
        }
        Err(errors) => {
            assert!(!errors.errors.is_empty());
            assert!(!format!("{errors}{errors:?}").contains(SECRET));
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            assert_eq!(errors.masked_text.len(), text.len());
            assert_eq!(errors.masked_text.lines().count(), text.lines().count());
            for error in &errors.errors {
                assert!(error.line >= 1 && error.column >= 1 && error.line <= text.split('\n').count());
                assert!(error.span.end <= text.len() && text.is_char_boundary(error.span.start));
            }
        }
    }
}
