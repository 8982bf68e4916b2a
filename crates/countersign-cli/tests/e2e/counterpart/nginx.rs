//! nginx from Debian: a service, a careless shared cache in front of the gateway, a load balancer, an end of TLS.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rcgen::{CertifiedKey, KeyPair};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::path;
use crate::port::Port;

/// A running nginx; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    folder: TempDir,
    port: Port,
}

impl Nginx {
    /// A service that tells what it saw.
    pub(crate) async fn service() -> Self {
        Self::start("nginx_service.conf", "").await
    }

    /// A cache in front of a gateway.
    pub(crate) async fn shared_cache(gateway: &str) -> Self {
        Self::start("nginx_shared_cache.conf", gateway).await
    }

    /// A load balancer in front of several gateways.
    pub(crate) async fn in_front_of(gateways: &[&str]) -> Self {
        let servers: String = gateways.iter().map(|gateway| format!("server {gateway};\n")).collect();
        Self::start("nginx_replicas.conf", &servers).await
    }

    /// TLS in front of a server that has none, as `localhost`.
    pub(crate) async fn tls_in_front_of(origin: &str, certificate: &CertifiedKey<KeyPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("certificate.pem"), certificate.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        Self::start_in(folder, "nginx_tls.conf", origin).await
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// `http://address`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    async fn start(name: &str, behind: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), name, behind).await
    }

    /// nginx cannot choose a free port by itself.
    async fn start_in(folder: TempDir, name: &str, behind: &str) -> Self {
        let template = fs::read_to_string(path(name)).unwrap();
        let port = Port::reserved();
        let config = template
            .replace("@PORT@", &port.address.port().to_string())
            .replace("@FOLDER@", folder.path().to_str().unwrap())
            .replace("@BEHIND@", behind);
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let nginx = Self { child: run(folder.path()), folder, port };
        let answers = async {
            while TcpStream::connect(nginx.port.address).await.is_err() {
                sleep(Duration::from_millis(10)).await
            }
        };
        let up = timeout(Duration::from_secs(60), answers).await.is_ok();
        assert!(up, "nginx does not start with {name}");
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        if std::thread::panicking() && !log.is_empty() {
            eprintln!("--- nginx's log\n{log}---");
        }
    }
}

fn run(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("nginx: {error}"))
}
