//! The configuration: read, checked, completed.
//!
//! 1. A file is TOML. [`KEYS`] is the one table of what may stand in it: the parser, its errors, the reference page
//!    ([`mod@reference`]) and the JSON schema ([`schema`]) read it, so none of them can say what another does not.
//! 2. A key that is not in the table is an error, never ignored.
//! 3. All faults of a file are found in one run, each with line, column, key, what was found and what is expected.
//! 4. Secrets never stand in the file. They come from a file or variable that it names, through [`Environment`]. A
//!    file that group or others can write is refused; one that everybody can read needs `insecure_secret_files`.
//! 5. Every default is safe. What weakens security has a key that begins with `insecure_`, and
//!    [`Config::insecure`](resolved::Config::insecure) tells which are on.
//! 6. No error, and no text that shows one, holds a secret: values of unknown keys, URLs with a password and words
//!    where a secret's place should be named are masked.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use countersign_gateway::config::{Config, SystemEnvironment};
//!
//! let text = r#"
//! issuer = "https://shop.example"
//! [session]
//! cookie = "SESSION"
//! whoami = "https://shop.example/me"
//! [[route]]
//! path = "/orders/"
//! upstream = "http://127.0.0.1:9001"
//! audience = "orders"
//! "#;
//! let config = Config::from_toml("gateway.toml", text, &SystemEnvironment, NonZeroUsize::MIN)?;
//! assert_eq!(config.routes.len(), 1);
//!
//! let wrong = text.replace("upstream", "upstraem");
//! let errors = Config::from_toml("gateway.toml", &wrong, &SystemEnvironment, NonZeroUsize::MIN).unwrap_err();
//! assert!(errors.to_string().contains("gateway.toml:8:1: route[1].upstraem: is not a key; did you mean `upstream`?"));
//! # Ok::<(), countersign_gateway::config::ConfigErrors>(())
//! ```

mod environment;
mod error;
mod key;
mod keys;
mod masked;
mod read;
mod reader;
pub mod reference;
mod report;
pub mod resolved;
pub mod schema;
pub(crate) mod secret;
mod unknown;
mod value;

use std::{num::NonZeroUsize, path::Path};

pub use environment::{Environment, FileContent, MAX_FILE_BYTES, SystemEnvironment, unreadable};
pub use error::{ConfigError, ConfigErrorCode, ConfigErrors};
pub use key::{Absent, Key, Kind};
pub use keys::KEYS;
pub use report::ConfigReport;
pub use resolved::Config;
use toml::de::DeTable;

use crate::config::reader::{Fault, Reader};

impl Config {
    /// Reads a configuration from its text. `file_name` names it in errors, and relative paths start at its folder.
    /// `cores` is the default of `workers`.
    ///
    /// # Errors
    /// Every fault of the text and of the files and variables it names.
    pub fn from_toml(
        file_name: &str,
        text: &str,
        environment: &dyn Environment,
        cores: NonZeroUsize,
    ) -> Result<Self, ConfigErrors> {
        // What is before the byte order mark of a file is nothing.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (document, syntax) = DeTable::parse_recoverable(text);
        let mut reader =
            Reader::new(text, environment, Path::new(file_name).parent().unwrap_or_else(|| Path::new("")));
        for error in &syntax {
            let span = error.span().unwrap_or(0..0);
            let problem = format!("is not TOML: {}", error.message());
            reader.fault_at(String::new(), span, None, Fault::new(ConfigErrorCode::Syntax, problem));
        }
        reader.unknown_keys(&document);
        let config = read::config(&mut reader, &document, cores);
        let Reader { mut errors, masks, .. } = reader;
        if !syntax.is_empty() {
            keep_certain(&mut errors);
        }
        drop_misspelt(&mut errors);
        errors.sort_by(|a, b| (a.line, a.column, &a.key).cmp(&(b.line, b.column, &b.key)));
        errors.dedup();
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors::new(file_name, text, &masks, errors)),
        }
    }

    /// Reads a configuration from a file of at most [`MAX_FILE_BYTES`].
    ///
    /// # Errors
    /// The file cannot be read, or as [`Self::from_toml`].
    pub fn from_file(
        file: &Path,
        environment: &dyn Environment,
        cores: NonZeroUsize,
    ) -> Result<Self, ConfigErrors> {
        let name = file.display().to_string();
        let alone = |code, problem: String| {
            let mut reader = Reader::new("", environment, Path::new(""));
            reader.fault_at(String::new(), 0..0, None, Fault::new(code, problem));
            ConfigErrors::new(&name, "", &[], reader.errors)
        };
        let content = environment
            .read_file(file)
            .map_err(|error| alone(ConfigErrorCode::Unreadable, unreadable(&error)))?;
        let text = std::str::from_utf8(content.bytes.expose())
            .map_err(|_| alone(ConfigErrorCode::Syntax, "is not UTF-8".to_owned()))?;
        Self::from_toml(&name, text, environment, cores)
    }
}

/// What is missing because its name is misspelt is one fault, not two.
fn drop_misspelt(errors: &mut Vec<ConfigError>) {
    let parent = |key: &str| key.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
    let misspelt: Vec<(String, String)> = errors
        .iter()
        .filter_map(|error| error.nearest.as_ref().map(|nearest| (parent(&error.key), nearest.clone())))
        .collect();
    errors.retain(|error| {
        let here = parent(&error.key);
        let is_it = |(table, name): &(String, String)| *table == here && keys::name_of(&error.key) == name;
        error.code != ConfigErrorCode::Missing || !misspelt.iter().any(is_it)
    });
}

/// Of a text that is not TOML, what was understood of it is not certain: keeps the faults that are.
fn keep_certain(errors: &mut Vec<ConfigError>) {
    let broken: Vec<usize> =
        errors.iter().filter(|error| error.code == ConfigErrorCode::Syntax).map(|error| error.line).collect();
    errors.retain(|error| match error.code {
        ConfigErrorCode::Syntax => true,
        ConfigErrorCode::InvalidValue | ConfigErrorCode::UnknownKey | ConfigErrorCode::WrongType => {
            !broken.contains(&error.line)
        }
        _ => false,
    });
}

impl ConfigErrors {
    fn new(file: &str, text: &str, masks: &[std::ops::Range<usize>], errors: Vec<ConfigError>) -> Self {
        let masked_text = masked::masked(text, masks, &errors);
        Self { file: file.to_owned(), masked_text, errors }
    }
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, environment: &'a dyn Environment, folder: &'a Path) -> Self {
        Self {
            text,
            lines: error::Lines::new(text),
            environment,
            folder,
            errors: Vec::new(),
            masks: Vec::new(),
            insecure: Vec::new(),
            any_secret_file: false,
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests;
