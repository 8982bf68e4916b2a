//! One connection to the server, found anew when it is lost.

use std::{
    fmt, io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionInfo, ConnectionLike as _, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind, TlsCertificates, Value,
    cmd,
};

use super::PAUSE;
use crate::{
    clock::{Clock, Moment},
    config::resolved::{StoreConfig, StoreServer},
    store::StoreError,
};

/// The way to the server.
pub(super) struct Link {
    dialler: Dialler,
    /// A connection that was not made in time: its thread may still wait for a server that is frozen. There is one at
    /// most.
    dialling: Option<Receiver<Result<Connection, RedisError>>>,
    clock: Arc<dyn Clock>,
    connection: Option<Connection>,
    /// After a failure nothing is tried before this moment.
    not_before: Moment,
}

impl Link {
    pub(super) fn new(config: Arc<StoreConfig>, clock: Arc<dyn Clock>) -> Self {
        let dialler = Dialler { config };
        Self { dialler, dialling: None, clock, connection: None, not_before: Moment::from_millis(0) }
    }

    /// Sends one command and reads its answer, within the time-out.
    pub(super) fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, StoreError> {
        self.with(|connection| command.query(connection))
    }

    /// Sends several commands together and reads their answers.
    pub(super) fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.with(|connection| pipeline.query(connection))
    }

    fn with<T>(
        &mut self,
        call: impl FnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        if self.clock.now().monotonic < self.not_before {
            return Err(StoreError::Unavailable("it failed a moment ago".to_owned()));
        }
        let outcome = self.connected().and_then(call);
        outcome.map_err(|error| {
            // An answer that comes late would be taken for the next one's: the connection is done with.
            self.connection = None;
            let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
            let now = self.clock.now().monotonic.as_millis();
            // A connection that was kept and is closed is not a server that is down.
            if !error.is_connection_dropped() {
                self.not_before = Moment::from_millis(now.saturating_add(pause));
            }
            StoreError::Unavailable(reason(&error, &self.dialler.config))
        })
    }

    fn connected(&mut self) -> Result<&mut Connection, RedisError> {
        if let Some(connection) = &mut self.connection
            && !connection.is_open()
        {
            self.connection = None;
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect_in_time()?,
        };
        Ok(self.connection.insert(connection))
    }

    /// The driver bounds the connection but not what it says first, which a frozen server never answers.
    fn connect_in_time(&mut self) -> Result<Connection, RedisError> {
        let dialling = match self.dialling.take() {
            Some(dialling) => dialling,
            None => self.dialler.clone().dial()?,
        };
        match dialling.recv_timeout(self.dialler.config.timeout) {
            Ok(connection) => connection,
            Err(RecvTimeoutError::Timeout) => {
                self.dialling = Some(dialling);
                Err(io::Error::from(io::ErrorKind::TimedOut).into())
            }
            Err(RecvTimeoutError::Disconnected) => Err(nowhere()),
        }
    }
}

/// Makes connections.
#[derive(Clone)]
struct Dialler {
    config: Arc<StoreConfig>,
}

impl Dialler {
    /// Connects in a thread of its own.
    fn dial(self) -> Result<Receiver<Result<Connection, RedisError>>, RedisError> {
        let (made, dialling) = mpsc::sync_channel(1);
        let dial = move || drop(made.send(self.connect()));
        thread::Builder::new().name("store-connecting".to_owned()).spawn(dial)?;
        Ok(dialling)
    }

    fn connect(&self) -> Result<Connection, RedisError> {
        let Some(master) = &self.config.sentinel else {
            let Some(server) = self.config.servers.first() else { return Err(nowhere()) };
            return self.open(server);
        };
        let mut last = nowhere();
        for sentinel in &self.config.servers {
            match self.ask_sentinel(sentinel, master).and_then(|server| self.open(&server)) {
                Ok(mut connection) => match role(&mut connection) {
                    Ok(role) if role == "master" => return Ok(connection),
                    // Its sentinel has not heard of the fail-over yet.
                    Ok(_) => last = (ErrorKind::Server(ServerErrorKind::ReadOnly), "not the primary").into(),
                    Err(error) => last = error,
                },
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask_sentinel(&self, sentinel: &StoreServer, master: &str) -> Result<StoreServer, RedisError> {
        // Sentinels have no databases, and most have no password.
        let info = self.address(sentinel).into_connection_info()?;
        let mut connection = self.connect_to(info)?;
        let mut command = cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let found: Option<(String, u16)> = command.query(&mut connection)?;
        found.map(|(host, port)| StoreServer { host, port }).ok_or_else(|| {
            (ErrorKind::InvalidClientConfig, "the sentinel knows no primary of that name").into()
        })
    }

    fn open(&self, server: &StoreServer) -> Result<Connection, RedisError> {
        let config = &self.config;
        let mut settings =
            RedisConnectionInfo::default().set_db(i64::from(config.database)).set_skip_set_lib_name();
        if let Some(username) = &config.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &config.password {
            settings = settings.set_password(password.expose());
        }
        self.connect_to(self.address(server).into_connection_info()?.set_redis_settings(settings))
    }

    fn connect_to(&self, info: ConnectionInfo) -> Result<Connection, RedisError> {
        let timeout = self.config.timeout;
        let client = if self.config.tls {
            // TLS by the library the gateway uses everywhere; a second call finds it installed.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
            let root_cert = self.config.ca.clone();
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?
        } else {
            Client::open(info)?
        };
        let connection = client.get_connection_with_timeout(timeout)?;
        let patience = Some(timeout.max(Duration::from_millis(1)));
        connection.set_read_timeout(patience)?;
        connection.set_write_timeout(patience)?;
        Ok(connection)
    }

    fn address(&self, server: &StoreServer) -> ConnectionAddr {
        let (host, port) = (server.host.clone(), server.port);
        if self.config.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }
}

fn role(connection: &mut Connection) -> Result<String, RedisError> {
    let info: String = cmd("INFO").arg("replication").query(connection)?;
    let role = info.lines().find_map(|line| line.strip_prefix("role:"));
    Ok(role.unwrap_or_default().trim().to_owned())
}

fn nowhere() -> RedisError {
    (ErrorKind::InvalidClientConfig, "no server is configured").into()
}

/// Names the kind of failure and the server's own word for it; never what was sent.
fn reason(error: &RedisError, config: &StoreConfig) -> String {
    let servers: Vec<String> =
        config.servers.iter().map(|server| format!("{}:{}", server.host, server.port)).collect();
    let servers = servers.join(", ");
    if error.is_timeout() {
        return format!("{servers} gives no answer in time");
    }
    if error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "NOPERM" | "WRONGPASS"))
    {
        let user = config.username.as_deref().unwrap_or("default");
        return format!("{servers} refuses user `{user}` (`store.username`, `store.password_file`)");
    }
    match (error.code(), error.is_io_error()) {
        (Some("NOINFO"), _) => {
            "it does not say which server it is: allow its user `INFO` (`+info`)".to_owned()
        }
        (Some(code), _) => format!("{servers} answers {code}"),
        (None, true) => format!("no connection to {servers}"),
        (None, false) => format!("{servers}: {:?}", error.kind()),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("connected", &self.connection.is_some()).finish_non_exhaustive()
    }
}
