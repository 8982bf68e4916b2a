//! The audit log's file: append-only, rotated by size.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign::{Clock, SystemClock};

use super::{AuditLimits, Event, line};
use crate::observe::lines::Sink;

pub(super) struct AuditFile {
    path: PathBuf,
    limits: AuditLimits,
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    clock: Arc<dyn Clock>,
}

impl AuditFile {
    pub(super) fn open(path: PathBuf, limits: AuditLimits) -> io::Result<Self> {
        let (file, length) = append(&path)?;
        Ok(Self { path, limits, file, length, clock: Arc::new(SystemClock) })
    }

    /// `audit.jsonl.9` becomes `.10`, …, `audit.jsonl` becomes `.1`.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        for number in (1..self.limits.kept_files).rev() {
            move_if_there(&self.numbered(number), &self.numbered(number.saturating_add(1)))?;
        }
        if self.limits.kept_files > 0 {
            move_if_there(&self.path, &self.numbered(1))?;
        } else {
            fs::remove_file(&self.path)?;
        }
        (self.file, self.length) = append(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

impl Sink for AuditFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let more = lines.len() as u64;
        if self.length > 0 && self.length.saturating_add(more) > self.limits.file_bytes {
            self.rotate()?;
        }
        match self.file.write_all(lines) {
            Ok(()) => {
                self.length = self.length.saturating_add(more);
                Ok(())
            }
            Err(error) => {
                // A full disk may have taken half a line: the file ends with a whole one again.
                self.file.set_len(self.length)?;
                Err(error)
            }
        }
    }

    fn lost(&self, count: u64) -> Vec<u8> {
        line(&Event::LinesLost { count }, self.clock.now())
    }

    fn failing(&self, error: &io::Error) {
        tracing::error!(path = %self.path.display(), %error, "the audit log cannot be written");
    }

    fn recovered(&self) {
        tracing::info!(path = %self.path.display(), "the audit log is written again");
    }
}

/// Opens for appending; ends a last line that a crash left unfinished.
fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    let mut length = file.metadata()?.len();
    if length > 0 && !ends_with_line_feed(&file, length)? {
        (&file).write_all(b"\n")?;
        length = length.saturating_add(1);
    }
    Ok((file, length))
}

fn ends_with_line_feed(file: &File, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    file.read_exact_at(&mut last, length.saturating_sub(1))?;
    Ok(last == *b"\n")
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
