//! A server in a folder of its own, reached through a socket in it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub(super) struct Server {
    process: Child,
    folder: tempfile::TempDir,
    databases: AtomicU32,
}

impl Server {
    /// Needs Debian's package `postgresql`, or its programs in the path.
    pub(super) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("countersign-postgres-").tempdir().unwrap();
        let is_root =
            fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap() == 0;
        if is_root {
            // The server refuses to be run by root.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let command = |program: &str| {
            let program = find(program);
            if !is_root {
                return Command::new(program);
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
            command
        };
        let data = folder.path().join("data");
        let sockets = folder.path().as_os_str();
        run(command("initdb")
            .args(["--username=owner", "--auth=trust", "--no-sync", "-E", "UTF8", "-D"])
            .arg(&data));
        let process = command("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(sockets)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, folder, databases: AtomicU32::new(0) }
    }

    fn options(&self, role: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new().socket(self.folder.path()).username(role).database(database)
    }

    /// A new database, as its owner (a superuser) and as the service's role.
    pub(super) async fn database(&self) -> (PgPool, PgPool) {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let patient = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(30));
        let mut admin = patient.clone().connect_with(self.options("owner", "postgres")).await;
        for _ in 0..300 {
            if admin.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            admin = patient.clone().connect_with(self.options("owner", "postgres")).await;
        }
        let admin = admin.unwrap();
        if number == 0 {
            sqlx::raw_sql("CREATE ROLE service LOGIN").execute(&admin).await.unwrap();
        }
        let name = format!("test_{number}");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
        admin.close().await;
        let owner = patient.clone().connect_with(self.options("owner", &name)).await.unwrap();
        (owner, patient.connect_with(self.options("service", &name)).await.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Interrupted, it gives back its shared memory; killed, it would not.
        let interrupted = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        if !interrupted.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
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
