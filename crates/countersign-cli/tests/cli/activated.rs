//! Socket activation: a service manager listens, and the gateway takes over what comes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixListener,
    },
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::net::TcpSocket;

use crate::port::Port;

/// Longest wait for an answer, for the service's request and for a line.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a service manager does: the socket is file descriptor 3, and its variables name the process itself.
const MANAGER: &str = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0 </dev/null"#;
/// The variables are of another process, whose child this one is.
const PARENT_OF_MANAGER: &str = r#"LISTEN_FDS=1 LISTEN_PID=$PPID exec "$@" 3<&0 </dev/null"#;

/// `countersign run` in a folder, started with something to listen at.
fn run(folder: &Path, manager: &str, socket: impl Into<OwnedFd>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", manager, "sh", env!("CARGO_BIN_EXE_countersign"), "run", "--config", "gateway.toml"]);
    command.current_dir(folder).env_clear();
    command.stdin(Stdio::from(socket.into())).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running gateway that was given its socket.
struct Activated {
    child: Child,
    log: BufReader<ChildStderr>,
    ready: Value,
}

impl Activated {
    fn start(folder: &Path, manager: &str, socket: &TcpListener) -> Self {
        let mut child = run(folder, manager, socket.try_clone().unwrap()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut said = String::new();
            log.read_to_string(&mut said).unwrap();
            panic!("{line}{said}")
        });
        Self { child, log, ready }
    }

    /// SIGTERM; then it drains.
    fn terminate(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let mut line = String::new();
        while !line.contains("draining") {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended before it drained");
        }
    }

    /// Waits for its end; its exit code.
    fn ended(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("panicked"), "{rest}");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service that answers each request when it is told to. Its thread ends with the test's process.
fn service() -> (SocketAddr, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (came, coming) = channel();
    let (answer, answering) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            if came.send(()).is_err() || answering.recv().is_err() {
                return;
            }
            (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").unwrap();
        }
    });
    (address, coming, answer)
}

/// A folder with a configuration whose `listen` is another socket.
fn prepare(folder: &Path, listen: SocketAddr, service: SocketAddr) {
    fs::write(
        folder.join("gateway.toml"),
        format!(
            "issuer = \"https://shop.example\"\nlisten = \"{listen}\"\nadmin_listen = \"127.0.0.1:0\"\nstate_dir = \"state\"\n\
             workers = 1\n[session]\ncookie = \"SESSION\"\nuserinfo = \"http://127.0.0.1:9/\"\n\
             [[route]]\npath = \"/slow/\"\nupstream = \"http://{service}\"\npublic = true\n"
        ),
    )
    .unwrap();
}

/// The exit code and the complaint of a gateway that does not start.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    if !ready.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(ready, "", "it started: {complaint}");
    (output.status.code(), complaint)
}

/// A connection with a request on its way.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The whole answer to it.
fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The name of the first key in an answer.
fn key(answer: &str) -> String {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split("\"kid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn the_socket_outlives_the_gateway_and_no_request_is_lost() {
    const KEY_SET: &str = "/.well-known/jwks.json";
    let folder = tempfile::tempdir().unwrap();
    let (service, coming, tell) = service();
    let configured = Port::reserved();
    prepare(folder.path(), configured.address, service);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();

    let early: Vec<TcpStream> = (0..3).map(|_| ask(address, KEY_SET)).collect();
    let mut gateway = Activated::start(folder.path(), MANAGER, &socket);
    assert_eq!(gateway.ready["all_listening"], serde_json::json!([address.to_string()]));
    assert!(TcpStream::connect(configured.address).is_err(), "`listen` is not used");
    let keys: Vec<String> = early.into_iter().map(|stream| key(&answer(stream))).collect();

    let open = ask(address, "/slow/");
    coming.recv_timeout(PATIENCE).unwrap();
    gateway.terminate();
    tell.send(()).unwrap();
    let answered = answer(open);
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("late"), "{answered}");
    assert_eq!(gateway.ended(), Some(0));

    // Between two gateways clients wait, and are not refused.
    let between: Vec<TcpStream> = (0..3).map(|_| ask(address, KEY_SET)).collect();
    let mut gateway = Activated::start(folder.path(), MANAGER, &socket);
    for stream in between {
        assert_eq!(key(&answer(stream)), keys[0]);
    }
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn a_socket_that_was_handed_to_another_process_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (service, ..) = service();
    prepare(folder.path(), ([127, 0, 0, 1], 0).into(), service);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gateway = Activated::start(folder.path(), PARENT_OF_MANAGER, &socket);
    assert_ne!(gateway.ready["listening"], socket.local_addr().unwrap().to_string());
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
}

#[tokio::test]
async fn what_does_not_listen_for_tcp_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), ([127, 0, 0, 1], 0).into(), ([127, 0, 0, 1], 9).into());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let bound = bound.as_fd().try_clone_to_owned().unwrap();
    let handed: [(&str, OwnedFd, &str); 5] = [
        (
            "a file",
            fs::File::open(folder.path().join("gateway.toml")).unwrap().into(),
            "fd 3 is not a socket",
        ),
        ("UDP", UdpSocket::bind("127.0.0.1:0").unwrap().into(), "fd 3 is not a valid tcp socket"),
        (
            "a Unix socket",
            UnixListener::bind(folder.path().join("socket")).unwrap().into(),
            "fd 3 is not a valid tcp socket",
        ),
        ("a connection", connected.into(), "fd 3 does not listen"),
        ("a socket that nobody listens at", bound, "fd 3 does not listen"),
    ];
    for (what, socket, why) in handed {
        let (code, complaint) = refused(run(folder.path(), MANAGER, socket));
        assert_eq!(code, Some(1), "{what}: {complaint}");
        let said = format!("countersign run: the sockets that were handed over cannot be used: {why}\n");
        assert!(complaint.ends_with(&said), "{what}: {complaint}");
        assert!(!folder.path().join("state").exists(), "{what}: it began all the same");
    }
}
