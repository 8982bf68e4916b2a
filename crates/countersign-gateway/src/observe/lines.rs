//! A bounded queue of lines and the thread that writes them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

/// Lines that wait to be written; one more is lost and counted.
pub(super) const QUEUE_LINES: usize = 4_096;
/// Bytes that are written at once.
const BATCH_BYTES: usize = 64 * 1024;
/// How long the end of the process waits for lines that are still queued.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where lines end up.
pub(super) trait Sink: Send + 'static {
    /// Writes whole lines. On an error nothing of them may stay, or at least no half line.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;
    /// A line that says that `count` lines were lost before it.
    fn lost(&self, count: u64) -> Vec<u8>;
    /// Writing began to fail.
    fn failing(&self, error: &io::Error);
    /// Writing works again.
    fn recovered(&self);
}

/// The sending side; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    losses: Arc<Losses>,
}

/// What was lost. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Losses {
    lost: AtomicU64,
    failing: AtomicBool,
}

impl Losses {
    /// Lines lost since the start, to a full queue or a failing write.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Whether the last write failed.
    #[must_use]
    pub fn failing(&self) -> bool {
        self.failing.load(Relaxed)
    }
}

/// Ends the writing thread when it is dropped, after the lines that are queued; waits for at most two seconds.
#[derive(Debug)]
pub struct LinesGuard {
    queue: SyncSender<Message>,
    ended: Receiver<()>,
}

impl Drop for LinesGuard {
    fn drop(&mut self) {
        // A full queue means a stuck sink: then nothing is waited for.
        if self.queue.try_send(Message::End).is_ok() {
            let _ = self.ended.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    End,
}

impl Lines {
    /// Starts the writing thread.
    pub(super) fn start(name: &str, sink: impl Sink) -> io::Result<(Self, LinesGuard)> {
        Self::with_capacity(name, QUEUE_LINES, sink)
    }

    fn with_capacity(name: &str, capacity: usize, sink: impl Sink) -> io::Result<(Self, LinesGuard)> {
        let (queue, messages) = sync_channel(capacity);
        let (end, ended) = channel();
        let losses = Arc::new(Losses::default());
        let writer = Writer { sink, losses: Arc::clone(&losses), told: 0 };
        thread::Builder::new().name(name.to_owned()).spawn(move || writer.run(messages, end))?;
        Ok((Self { queue: queue.clone(), losses }, LinesGuard { queue, ended }))
    }

    /// Queues one line, which ends with a line feed. Never waits: a line that finds no room is lost and counted.
    pub(super) fn send(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Message::Line(line))
        {
            self.losses.lost.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn losses(&self) -> Arc<Losses> {
        Arc::clone(&self.losses)
    }
}

struct Writer<S> {
    sink: S,
    losses: Arc<Losses>,
    /// Losses that a line in the sink tells of.
    told: u64,
}

impl<S: Sink> Writer<S> {
    /// Writes until [`Message::End`], then drops `end`, which the guard waits for.
    fn run(mut self, messages: Receiver<Message>, end: Sender<()>) {
        while let Ok(Message::Line(mut batch)) = messages.recv() {
            let mut count = 1;
            let mut last = false;
            while batch.len() < BATCH_BYTES {
                match messages.try_recv() {
                    Ok(Message::Line(line)) => {
                        batch.extend_from_slice(&line);
                        count += 1;
                    }
                    Ok(Message::End) => {
                        last = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.write(batch, count);
            if last {
                break;
            }
        }
        // From here on a line finds no queue, and is counted as lost.
        self.losses.lost.fetch_add(messages.try_iter().count() as u64, Relaxed);
        drop(messages);
        drop(end);
    }

    fn write(&mut self, batch: Vec<u8>, count: u64) {
        let lost = self.losses.lost();
        let batch = if lost > self.told {
            let mut with_loss = self.sink.lost(lost - self.told);
            with_loss.extend_from_slice(&batch);
            with_loss
        } else {
            batch
        };
        match self.sink.write(&batch) {
            Ok(()) => {
                self.told = lost;
                if self.losses.failing.swap(false, Relaxed) {
                    self.sink.recovered();
                }
            }
            Err(error) => {
                self.losses.lost.fetch_add(count, Relaxed);
                if !self.losses.failing.swap(true, Relaxed) {
                    self.sink.failing(&error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
