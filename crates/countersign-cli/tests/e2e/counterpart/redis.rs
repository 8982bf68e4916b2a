//! Redis from Debian: the store that several gateways share.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::port::Port;

/// A running server without persistence; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Child,
    folder: TempDir,
    /// Over a restart, too.
    port: Port,
}

impl Redis {
    /// One for this test alone.
    pub(crate) fn start() -> Self {
        let port = Port::reserved();
        let folder = tempfile::tempdir().unwrap();
        Self { child: run(&folder, port.address.port()), folder, port }
    }

    /// `valkey://address`.
    pub(crate) fn url(&self) -> String {
        format!("valkey://{}", self.address())
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.child = run(&self.folder, self.address().port());
    }

    /// Sends one command and gives back what is answered.
    pub(crate) fn command(&self, parts: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        let output = command.args(["-p", &self.address().port().to_string()]).args(parts).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::zombie_processes,
    reason = "another process starts in its own time; if it does not, the test ends, and it with it"
)]
fn run(folder: &TempDir, port: u16) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap_or_else(|error| panic!("redis-server: {error}; run `./test e2e`"));
    for _ in 0..6_000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not answer")
}
