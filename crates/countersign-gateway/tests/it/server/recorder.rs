//! A service that speaks in raw bytes and remembers what it got.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What a recording service got.
#[derive(Debug, Default)]
pub(crate) struct Record {
    requests: Mutex<Vec<(String, Vec<u8>)>>,
    /// The bytes of each request, also of those that never became whole.
    begun: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

type Seen = Arc<Mutex<Vec<u8>>>;

impl Record {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<(String, Vec<u8>)> {
        self.requests.lock().unwrap().clone()
    }

    /// Every byte that arrived, by the request it was read for: also of those that never became whole.
    pub(crate) fn begun(&self) -> Vec<Vec<u8>> {
        let begun = self.begun.lock().unwrap();
        begun.iter().map(|seen| seen.lock().unwrap().clone()).filter(|bytes| !bytes.is_empty()).collect()
    }

    /// Remembers bytes that the service has read by itself.
    pub(crate) fn note(&self, bytes: &[u8]) {
        self.begun.lock().unwrap().push(Arc::new(Mutex::new(bytes.to_vec())));
    }

    /// Reads one request and remembers it.
    pub(crate) async fn take(&self, socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
        let seen = Seen::default();
        self.begun.lock().unwrap().push(Arc::clone(&seen));
        let request =
            read_message(socket, &mut |bytes| seen.lock().unwrap().extend_from_slice(bytes)).await?;
        self.requests.lock().unwrap().push(request.clone());
        Some(request)
    }
}

/// A recording service. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    pub(crate) record: Arc<Record>,
    _accepting: JoinSet<()>,
}

impl Recorder {
    /// Runs `each` for every connection, with its number from 0.
    pub(crate) async fn start<F, R>(each: F) -> Self
    where
        F: Fn(TcpStream, usize, Arc<Record>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let mut accepting = JoinSet::new();
        accepting.spawn({
            let record = Arc::clone(&record);
            async move {
                let mut connections = JoinSet::new();
                while let Ok((socket, _)) = listener.accept().await {
                    let number = record.connections.fetch_add(1, Ordering::SeqCst);
                    socket.set_nodelay(true).unwrap();
                    connections.spawn(each(socket, number, Arc::clone(&record)));
                }
            }
        });
        Self { address, record, _accepting: accepting }
    }

    /// Answers every request with `response`.
    pub(crate) async fn answering(response: &'static str) -> Self {
        Self::start(move |mut socket, _, record| async move {
            while record.take(&mut socket).await.is_some() {
                socket.write_all(response.as_bytes()).await.unwrap();
            }
        })
        .await
    }
}

/// A short answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One message: its head, and the raw bytes of its body by `Content-Length` or chunks. `None` at the end of the
/// stream.
pub(crate) async fn message(socket: &mut (impl AsyncReadExt + Unpin)) -> Option<(String, Vec<u8>)> {
    read_message(socket, &mut |_| {}).await
}

/// The same; every byte is told of as it comes.
async fn read_message(
    socket: &mut (impl AsyncReadExt + Unpin),
    tell: &mut (impl FnMut(&[u8]) + Send),
) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        read_byte(socket, &mut head, tell).await?;
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_ascii_lowercase();
    let mut body = Vec::new();
    if lower.contains("\r\ntransfer-encoding: chunked\r\n") {
        while !(body.ends_with(b"\r\n\r\n") && (body.starts_with(b"0\r\n") || find(&body, b"\r\n0\r\n"))) {
            read_byte(socket, &mut body, tell).await?;
        }
    } else if let Some(at) = lower.find("\r\ncontent-length: ") {
        let length = lower[at + 18..].split("\r\n").next().unwrap().parse().unwrap();
        body.resize(length, 0);
        let mut filled = 0;
        while filled < length {
            let more = socket.read(&mut body[filled..]).await.ok().filter(|more| *more > 0)?;
            tell(&body[filled..filled + more]);
            filled += more;
        }
    }
    Some((head, body))
}

async fn read_byte(
    socket: &mut (impl AsyncReadExt + Unpin),
    bytes: &mut Vec<u8>,
    tell: &mut (impl FnMut(&[u8]) + Send),
) -> Option<()> {
    let byte = socket.read_u8().await.ok()?;
    tell(&[byte]);
    bytes.push(byte);
    Some(())
}

fn find(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
