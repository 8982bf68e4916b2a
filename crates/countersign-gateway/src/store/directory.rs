//! The folder that holds keys, audit log and socket: entered by one gateway, readable by its owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::StoreError;

/// Permission bits of the folder.
const FOLDER_MODE: u32 = 0o700;
/// Permission bits of every file in it.
const FILE_MODE: u32 = 0o600;
/// The largest file [`StateDirectory::read`] reads: a key ring of 64 RSA keys of 8,192 bits is half as long.
const MAX_READ: u64 = 1024 * 1024;

/// An entered `state_dir`: exists, is closed to other users, and is locked against a second gateway.
///
/// The lock is the operating system's (`flock` on `lock`), so that it ends with the process, however it ends.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    lock: File,
}

impl Drop for StateDirectory {
    /// Closing the file is not enough: a process just being started by another thread holds a copy of it until
    /// it has become its own program, and the lock with it.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(path = %self.path.display(), %error, "the lock ends with the file instead");
        }
    }
}

impl StateDirectory {
    /// Makes the folder (mode 0700) if there is none, checks it and locks it.
    ///
    /// # Errors
    /// [`StoreError::Open`] when other users may enter it, [`StoreError::InUse`] when another gateway has it,
    /// [`StoreError::File`] when it cannot be made or entered.
    pub fn enter(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(at(path))?;
        closed(path, FOLDER_MODE)?;
        let lock_path = path.join("lock");
        let lock = private().create(true).truncate(false).open(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(StoreError::File { path: lock_path, error }),
        }
    }

    /// Whether [`Self::enter`] could, without making or locking anything: for `check`. `false`: there is no such folder,
    /// and it could be made. Whether a gateway has it is not looked at.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn look(path: &Path) -> Result<bool, StoreError> {
        let is_there = match fs::metadata(path) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(at(path)(error)),
        };
        if is_there {
            closed(path, FOLDER_MODE)?;
        }
        let nearest = path.ancestors().find(|folder| folder.exists()).unwrap_or_else(|| Path::new("."));
        let probe = nearest.join(format!(".countersign-check-{}", std::process::id()));
        private().create_new(true).open(&probe).map_err(at(nearest))?;
        fs::remove_file(&probe).map_err(at(&probe))?;
        Ok(is_there)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes sure the file exists and is readable by its owner alone. An empty file is made if there is none.
    pub(super) fn prepare(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.file(name);
        prepare_private(&path)?;
        Ok(path)
    }

    /// The content of a small file, `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Open`] when other users may read it, [`StoreError::File`] when it cannot be read or is
    /// longer than 1 MiB.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read_private(&self.file(name))
    }

    /// Writes a small file whole; the content may be lost with the machine's power, and the file be empty then.
    ///
    /// # Errors
    /// [`StoreError::File`] when it cannot be written.
    pub(super) fn note(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        self.replace(name, content, |_| Ok(()))
    }

    /// Writes a small file whole: a reader sees the old content or the new, also after a crash.
    ///
    /// # Errors
    /// [`StoreError::File`] when it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        self.replace(name, content, |file| file.sync_all())?;
        let folder = || File::open(&self.path)?.sync_all();
        folder().map_err(at(&self.path))
    }

    fn replace(
        &self,
        name: &str,
        content: &[u8],
        settle: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = private().create(true).truncate(true).open(&new)?;
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            file.write_all(content)?;
            settle(&file)?;
            fs::rename(&new, &path)
        };
        write().map_err(at(&path))
    }
}

/// Makes sure a file exists and is readable by its owner alone. An empty file is made if there is none.
pub(super) fn prepare_private(path: &Path) -> Result<(), StoreError> {
    private().create(true).truncate(false).open(path).map_err(at(path))?;
    closed(path, FILE_MODE)
}

/// The content of a small file that only its owner may read, `None` if there is none.
fn read_private(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::File { path: path.to_owned(), error }),
    };
    closed(path, FILE_MODE)?;
    let mut content = Vec::new();
    let read = file.take(MAX_READ.saturating_add(1)).read_to_end(&mut content).map_err(at(path))?;
    if read as u64 > MAX_READ {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB");
        return Err(StoreError::File { path: path.to_owned(), error });
    }
    Ok(Some(content))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    options
}

/// Refuses a file or folder with any permission bit that is not in `wanted`.
fn closed(path: &Path, wanted: u32) -> Result<(), StoreError> {
    let mode = fs::metadata(path).map_err(at(path))?.mode() & 0o7777;
    let beyond_owner = mode & 0o077;
    if beyond_owner == 0 { Ok(()) } else { Err(StoreError::Open { path: path.to_owned(), mode, wanted }) }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    |error| StoreError::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
    };

    use super::StateDirectory;

    #[test]
    fn a_directory_is_looked_at_without_leaving_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("state");
        assert!(!StateDirectory::look(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let entered = StateDirectory::enter(&path).unwrap();
        let before = fs::read_dir(&path).unwrap().count();
        assert!(StateDirectory::look(&path).unwrap(), "also while a gateway has it");
        assert_eq!(fs::read_dir(&path).unwrap().count(), before);
        drop(entered);
        fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        assert_eq!(StateDirectory::look(&path).unwrap_err().code(), "store_open_to_others");
        fs::write(folder.path().join("file"), "").unwrap();
        fs::set_permissions(folder.path().join("file"), Permissions::from_mode(0o600)).unwrap();
        for no_folder in [folder.path().join("file"), folder.path().join("file").join("state")] {
            assert_eq!(StateDirectory::look(&no_folder).unwrap_err().code(), "store_file");
        }
    }

    /// A program that is being started at that moment, by whatever thread, has a copy of every open file.
    #[test]
    fn a_directory_that_was_left_can_be_entered_though_a_copy_of_its_lock_is_open_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let entered = StateDirectory::enter(&path).unwrap();
        let copy = entered.lock.try_clone().unwrap();
        assert_eq!(StateDirectory::enter(&path).unwrap_err().code(), "store_in_use");
        drop(entered);
        StateDirectory::enter(&path).unwrap();
        drop(copy);
    }
}
