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
use tokio::sync::OnceCell;

pub(super) struct Server {
    process: Child,
    folder: tempfile::TempDir,
    databases: AtomicU32,
    cleared: OnceCell<(PgPool, PgPool)>,
}

/// Takes everything away that a case may have left in its database.
const CLEAR: &str = "
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', one.nspname);
    END LOOP;
    FOR one IN SELECT fdwname FROM pg_foreign_data_wrapper LOOP
        EXECUTE format('DROP FOREIGN DATA WRAPPER %I CASCADE', one.fdwname);
    END LOOP;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
    EXECUTE format('ALTER ROLE service IN DATABASE %I RESET ALL', current_database());
END $$;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
RESET ALL;
";

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
        Self { process, folder, databases: AtomicU32::new(0), cleared: OnceCell::new() }
    }

    fn options(&self, role: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new().socket(self.folder.path()).username(role).database(database)
    }

    /// The database of all cases that need none of their own, empty: a new one costs ten times as much.
    pub(super) async fn cleared(&self) -> (PgPool, PgPool) {
        let (owner, service) = self.cleared.get_or_init(|| self.database()).await.clone();
        sqlx::raw_sql(CLEAR).execute(&owner).await.unwrap();
        sqlx::raw_sql("RESET ALL").execute(&service).await.unwrap();
        (owner, service)
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
