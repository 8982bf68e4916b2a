//! The machine, as far as a configuration depends on it: variables and files.

use std::{fmt, fs::File, io, io::Read, path::Path};

use countersign::Secret;

/// Variables and files that a configuration names.
pub trait Environment: fmt::Debug {
    /// The value of a variable; `None` if it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The bytes of a file and who may touch it.
    ///
    /// # Errors
    /// The file does not exist, cannot be read, is not a regular file, or has more than [`MAX_FILE_BYTES`].
    fn read_file(&self, path: &Path) -> io::Result<FileContent>;
}

/// Why a file was not read, in words.
#[must_use]
pub fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => format!("cannot be read ({kind})"),
    }
}

/// The longest file a configuration may name: 256 KiB.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// What was found in a file.
#[derive(Debug)]
pub struct FileContent {
    /// All of it.
    pub bytes: Secret<Vec<u8>>,
    /// Unix permission bits; `None` where there are none.
    pub mode: Option<u32>,
}

/// The real machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read_file(&self, path: &Path) -> io::Result<FileContent> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Secret::new(Vec::new());
        read_bounded(&file, &mut bytes)?;
        Ok(FileContent { bytes, mode: mode_of(&metadata) })
    }
}

fn read_bounded(file: &File, bytes: &mut Secret<Vec<u8>>) -> io::Result<()> {
    let mut found = Vec::new();
    file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut found)?;
    let length = u64::try_from(found.len()).unwrap_or(u64::MAX);
    *bytes = Secret::new(found);
    if length > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 256 KiB"));
    }
    Ok(())
}

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> Option<u32> {
    None
}
