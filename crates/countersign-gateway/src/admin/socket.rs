//! The control socket.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener as StdListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::UnixListener;

use crate::store::{StateDirectory, StoreError};

/// Name in `state_dir`.
pub const SOCKET: &str = "control.sock";

/// The socket in `state_dir`, mode 0600; taken away when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    _directory: Arc<StateDirectory>,
}

impl ControlSocket {
    /// Makes the socket. One that a crashed gateway left behind is replaced: the lock of `state_dir` proves that
    /// no other gateway uses it.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::File`] when it cannot be made: a path over 107 bytes is the common reason.
    pub fn bind(directory: &Arc<StateDirectory>) -> Result<(Self, UnixListener), StoreError> {
        let path = directory.file(SOCKET);
        let listener = bind(&path).map_err(|error| StoreError::File { path: path.clone(), error })?;
        Ok((Self { path, _directory: Arc::clone(directory) }, listener))
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Between these two lines the folder (mode 0700) keeps others away.
    let listener = StdListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // A socket left behind does no harm: nobody answers, and the next start replaces it.
        let _ = fs::remove_file(&self.path);
    }
}
