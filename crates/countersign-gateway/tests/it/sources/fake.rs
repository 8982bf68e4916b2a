//! A server on raw TCP: it answers bytes, or hangs, drips, lies, closes; and keeps what it was sent.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// Request line and header section, lines separated by CRLF.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Arrived {
    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
    }

    /// The one value of a header field; panics if there are two.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value);
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    /// Names of all header fields, sorted.
    pub(crate) fn header_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        names.sort();
        names
    }

    /// Pairs of a form body, decoded.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        self.body
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (form_decoded(name), form_decoded(value))
            })
            .collect()
    }
}

/// `%XX` and `+` read back.
pub(crate) fn form_decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(out).unwrap()
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes and waits for the next request.
    Send(Vec<u8>),
    /// Sends these bytes and closes.
    SendAndClose(Vec<u8>),
    /// Sends one byte at a time with a pause between, then hangs.
    Drip(Vec<u8>, Duration),
    /// Says nothing and keeps the connection open.
    Hang,
    /// Sends these bytes again and again until the client has enough.
    Flood { head: Vec<u8>, piece: Vec<u8> },
}

type Respond = Arc<dyn Fn(&Arrived) -> Act + Send + Sync>;

/// A JSON answer with its length.
pub(crate) fn json(status: u16, body: &str) -> Act {
    answer(status, "content-type: application/json\r\n", body)
}

/// An answer with its length and more header lines, each ended by CRLF.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Send(format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes())
}

/// The fake server. Stops when dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// Starts on a free port of this machine; `respond` decides what each request gets.
    pub(crate) async fn start(respond: impl Fn(&Arrived) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let respond: Respond = Arc::new(respond);
        let task = tokio::spawn({
            let (arrived, connections) = (Arc::clone(&arrived), Arc::clone(&connections));
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(stream, Arc::clone(&respond), Arc::clone(&arrived)));
                }
            }
        });
        Self { address, arrived, connections, task }
    }

    /// One that does the same with every request.
    pub(crate) async fn always(act: Act) -> Self {
        Self::start(move |_| act.clone()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(crate) fn only(&self) -> Arrived {
        let mut arrived = self.arrived();
        assert_eq!(arrived.len(), 1, "{arrived:?}");
        arrived.remove(0)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, respond: Respond, arrived: Arc<Mutex<Vec<Arrived>>>) {
    while let Some(request) = read(&mut stream).await {
        let act = respond(&request);
        arrived.lock().unwrap().push(request);
        let sent = match act {
            Act::Send(bytes) => stream.write_all(&bytes).await,
            Act::SendAndClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Drip(bytes, pause) => {
                for byte in bytes {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
                hang(&mut stream).await
            }
            Act::Hang => hang(&mut stream).await,
            Act::Flood { head, piece } => {
                let _ = stream.write_all(&head).await;
                while stream.write_all(&piece).await.is_ok() {}
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Until the client goes away.
async fn hang(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

async fn read(stream: &mut TcpStream) -> Option<Arrived> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut request = Arrived { head, body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
