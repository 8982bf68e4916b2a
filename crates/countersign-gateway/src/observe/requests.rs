//! A line for each forwarded request, for those who ask for it (`[log] requests = true`).
//!
//! Each worker appends to a buffer of its own, which no other worker touches; a thread swaps the buffers every
//! 100 ms and writes them to standard output as JSON lines. A full buffer (256 KiB) loses lines and counts them.
//! Lines of different workers are in order within 100 ms only.

use std::{
    io::{self, Write},
    mem,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, channel},
    },
    thread::{self, Thread},
    time::Duration,
};

use countersign::{SessionId, UnixTime};
use http::{Method, StatusCode};
use serde::Serialize;

use super::{labels::RouteLabel, lines::FLUSH_TIMEOUT, timestamp::Timestamp};

/// How often the buffers are written.
const INTERVAL: Duration = Duration::from_millis(100);
/// How much one worker's buffer holds.
const BUFFER_BYTES: usize = 256 * 1024;

/// One forwarded request. No credential, no query string, no header.
#[derive(Debug, Clone, Copy)]
pub struct RequestLine<'a> {
    /// When it was answered.
    pub time: UnixTime,
    /// The decision id.
    pub decision: &'a str,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The request's method.
    pub method: &'a Method,
    /// The path without its query.
    pub path: &'a str,
    /// What kind of route.
    pub kind: RouteLabel,
    /// Path prefix of the route.
    pub route: Option<&'a str>,
    /// Our name for the session.
    pub session: Option<&'a SessionId>,
    /// What was answered.
    pub status: StatusCode,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// From the request's head to the answer's end.
    pub duration: Duration,
}

/// Where one worker puts its lines; cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestLines(Arc<Buffer>);

#[derive(Debug, Default)]
struct Buffer {
    lines: Mutex<Vec<u8>>,
    lost: AtomicU64,
}

impl Buffer {
    fn locked(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    time: String,
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    method: &'a str,
    path: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a SessionId>,
    status: u16,
    bytes: u64,
    millis: u64,
}

impl RequestLines {
    /// Appends a line. Waits for no other worker and no disk; a line that finds no room is lost and counted.
    pub fn push(&self, line: &RequestLine<'_>) {
        let written = Written {
            time: Timestamp(line.time).to_string(),
            decision: line.decision,
            client: line.client,
            method: line.method.as_str(),
            path: line.path,
            kind: line.kind.label(),
            route: line.route,
            session: line.session,
            status: line.status.as_u16(),
            bytes: line.bytes,
            millis: u64::try_from(line.duration.as_millis()).unwrap_or(u64::MAX),
        };
        let Ok(mut bytes) = serde_json::to_vec(&written) else { return };
        bytes.push(b'\n');
        let mut lines = self.0.locked();
        if lines.len().saturating_add(bytes.len()) <= BUFFER_BYTES {
            lines.extend_from_slice(&bytes);
        } else {
            self.0.lost.fetch_add(1, Relaxed);
        }
    }
}

/// The writing thread and the buffers of all workers. Ends, with what is in the buffers, when it is dropped.
#[derive(Debug)]
pub struct RequestLog {
    buffers: Arc<[Arc<Buffer>]>,
    ending: Arc<AtomicBool>,
    writer: Thread,
    ended: Receiver<()>,
}

impl RequestLog {
    /// Starts the writing thread for `workers` workers; `sink` is standard output.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(workers: usize, sink: impl Write + Send + 'static) -> io::Result<Self> {
        let buffers: Arc<[Arc<Buffer>]> = (0..workers.max(1)).map(|_| Arc::default()).collect();
        let ending = Arc::new(AtomicBool::new(false));
        let (end, ended) = channel();
        let (theirs, flag) = (Arc::clone(&buffers), Arc::clone(&ending));
        let thread = thread::Builder::new().name("request-log".to_owned()).spawn(move || {
            run(&theirs, &flag, sink);
            drop(end);
        })?;
        Ok(Self { buffers, ending, writer: thread.thread().clone(), ended })
    }

    /// The lines of worker `index`.
    #[must_use]
    pub fn worker(&self, index: usize) -> RequestLines {
        let own = index.checked_rem(self.buffers.len()).and_then(|place| self.buffers.get(place));
        RequestLines(own.map(Arc::clone).unwrap_or_default())
    }

    /// What was lost.
    #[must_use]
    pub fn losses(&self) -> RequestLosses {
        RequestLosses(Arc::clone(&self.buffers))
    }
}

/// What the request lines of all workers lost; cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestLosses(Arc<[Arc<Buffer>]>);

impl RequestLosses {
    /// Lines lost since the start, to a full buffer or a failing write.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.iter().map(|buffer| buffer.lost.load(Relaxed)).sum()
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.ending.store(true, Relaxed);
        self.writer.unpark();
        let _ = self.ended.recv_timeout(FLUSH_TIMEOUT);
    }
}

fn run(buffers: &[Arc<Buffer>], ending: &AtomicBool, mut sink: impl Write) {
    let mut taken = Vec::new();
    loop {
        let last = ending.load(Relaxed);
        for buffer in buffers {
            taken.clear();
            mem::swap(&mut taken, &mut *buffer.locked());
            if !taken.is_empty() && sink.write_all(&taken).and_then(|()| sink.flush()).is_err() {
                let lines = taken.iter().filter(|byte| **byte == b'\n').count();
                buffer.lost.fetch_add(lines as u64, Relaxed);
            }
        }
        if last {
            break;
        }
        thread::park_timeout(INTERVAL);
    }
}
