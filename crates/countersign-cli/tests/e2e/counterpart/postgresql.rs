//! PostgreSQL from Debian, which takes connections over TCP with TLS alone.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::port::Port;

/// How often it is asked whether it takes connections.
const ATTEMPTS: usize = 1_200;

/// A running server with a certificate for `localhost`; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Postgresql {
    child: Child,
    folder: TempDir,
    port: Port,
}

impl Postgresql {
    /// One for this test alone.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("countersign-postgres-").tempdir().unwrap();
        let port = Port::reserved();
        let authority = authority("countersign test");
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = server.signed_by(&key, &authority).unwrap();
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("other-ca.pem", self::authority("another").pem()),
            ("server.pem", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        run(Command::new("chmod").arg("600").arg(folder.path().join("server.key")));
        if is_root() {
            // The server refuses to be run by root.
            run(Command::new("chown").args(["-R", "postgres"]).arg(folder.path()));
        }
        let data = folder.path().join("data");
        run(command("initdb")
            .args(["--username=owner", "--auth=trust", "--no-sync", "-E", "UTF8", "-D"])
            .arg(&data));
        fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
            .unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", port.address.port()),
            "fsync=off".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", place("server.pem")),
            format!("ssl_key_file={}", place("server.key")),
        ];
        let mut server = command("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in settings {
            server.args(["-c", &setting]);
        }
        server.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self { child: server.spawn().unwrap(), folder, port };
        started.wait();
        started
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "another process starts in its own time; if it does not, the test ends, and it with it"
    )]
    fn wait(&self) {
        for _ in 0..ATTEMPTS {
            if self.psql("SELECT 1").output().unwrap().status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("PostgreSQL does not answer")
    }

    fn psql(&self, sql: &str) -> Command {
        let mut psql = command("psql");
        psql.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "owner",
            "-d",
            "postgres",
            "-p",
            &self.port.address.port().to_string(),
        ]);
        psql.arg("-h").arg(self.folder.path()).args(["-c", sql]);
        psql
    }

    /// Carries SQL out, as the superuser.
    pub(crate) fn carry_out(&self, sql: &str) {
        run(&mut self.psql(sql));
    }

    /// `postgres://…`, as the service; the query is added.
    pub(crate) fn url(&self, host: &str, query: &str) -> String {
        format!("postgres://service@{host}:{}/postgres{query}", self.port.address.port())
    }

    /// A file beside it: `ca.pem` has signed its certificate, `other-ca.pem` has not.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        // Interrupted, it gives back its shared memory; killed, it would not.
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if !interrupted.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// One of its programs, run as the user that Debian has made for it if we are root.
fn command(program: &str) -> Command {
    let program = find(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Debian keeps the programs of each version in a folder of their own, outside of the path.
fn find(program: &str) -> OsString {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found: Option<PathBuf> =
        versions.map(|version| version.path().join("bin").join(program)).find(|path| Path::is_file(path));
    found.map_or_else(|| program.into(), PathBuf::into_os_string)
}

fn run(command: &mut Command) {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; is postgresql installed?"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
