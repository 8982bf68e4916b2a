//! The second level of the sessions of a single gateway: a losable file beside the store, so that a restart asks the
//! authorization server for nobody anew, and notices what changed meanwhile.
//!
//! 1. What is kept is sealed under the credentials it is of: the file is worth nothing to who reads it.
//! 2. A thread of its own reads and writes it. Workers hand requests over by a bounded queue: who wants to find
//!    waits for a place, what is to be kept does not. Nobody waits longer than [`FIND_TIMEOUT`]; where nothing was found
//!    for that long, nobody asks for a while. What could not be read stays.
//! 3. Nothing that happens to the file is fatal: one that is damaged, of another release or open to others is made anew;
//!    while the disk is full nothing is kept. Both are told of once.

mod file;

use std::{
    fmt, io,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use countersign::UnixTime;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::file::{AnswerFile, Write};
use super::super::StateDirectory;
use crate::{
    clock::{Clock, Now},
    observe::{Observation, Observer},
    session::shared::{Found, SharedCache, Unread},
};

/// File name in `state_dir`.
const FILE: &str = "answers.db";
/// The most requests that wait for the thread.
const WAITING: usize = 1_024;
/// The most requests done in one transaction.
const AT_ONCE: usize = 64;
/// The longest a look-up waits for the file.
///
/// Ten thousand sessions that come at once after a restart are read in less.
const FIND_TIMEOUT: Duration = Duration::from_millis(500);
/// After that, the file is left alone for so long.
const SILENCE: Duration = Duration::from_secs(5);
/// The code of a file that does not do what it should.
const UNUSABLE: &str = "answers_unusable";

enum Request {
    Find(String, oneshot::Sender<Result<Option<Vec<u8>>, Unread>>),
    Write(Write),
}

/// Sealed answers in `state_dir/answers.db`.
pub struct EmbeddedAnswers {
    requests: mpsc::Sender<Request>,
    clock: Arc<dyn Clock>,
    silent_until: AtomicU64,
    /// When the thread answered last, a millisecond later; 0 if it never did.
    answered: AtomicU64,
    /// [`FIND_TIMEOUT`], but for tests on a busy machine.
    find_timeout: Duration,
}

impl EmbeddedAnswers {
    /// Starts the thread, which opens the file. At most `rows` answers are kept, of 256 MiB together.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        directory: &StateDirectory,
        rows: NonZeroUsize,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> io::Result<Self> {
        let (requests, receiver) = mpsc::channel(WAITING);
        // Not the folder itself: the thread may end a little later than the gateway that has it.
        let server = Server {
            path: directory.file(FILE),
            rows,
            file: None,
            began: clock.now(),
            clock: Arc::clone(&clock),
            observer,
            failing: false,
        };
        thread::Builder::new().name("kept-answers".to_owned()).spawn(move || server.serve(receiver))?;
        Ok(Self {
            requests,
            clock,
            silent_until: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            find_timeout: FIND_TIMEOUT,
        })
    }

    /// What cannot be handed over is not done: it is a cache.
    fn hand_over(&self, request: Request) {
        drop(self.requests.try_send(request));
    }
}

impl SharedCache for EmbeddedAnswers {
    fn find<'a>(&'a self, name: &'a str) -> Found<'a> {
        Box::pin(async move {
            if self.clock.now().monotonic.as_millis() < self.silent_until.load(Ordering::Relaxed) {
                return Err(Unread);
            }
            let (reply, answer) = oneshot::channel();
            let asked = async {
                self.requests.send(Request::Find(name.to_owned(), reply)).await.map_err(|_| Unread)?;
                answer.await.map_err(|_| Unread)?
            };
            let answer = timeout(self.find_timeout, asked).await;
            let now = self.clock.now().monotonic.as_millis();
            let Ok(answer) = answer else {
                // Others have their answers: it is busy and not broken.
                let answered = self.answered.load(Ordering::Relaxed);
                if answered == 0 || now.saturating_sub(answered) >= millis(self.find_timeout) {
                    self.silent_until.store(now.saturating_add(millis(SILENCE)), Ordering::Relaxed);
                }
                return Err(Unread);
            };
            if answer.is_ok() {
                self.answered.fetch_max(now.saturating_add(1), Ordering::Relaxed);
            }
            answer
        })
    }

    fn keep(&self, name: String, sealed: Vec<u8>, life: Duration) {
        let until = self.clock.now().wall.saturating_add(life);
        self.hand_over(Request::Write(Write::Keep { name, sealed, until }));
    }

    fn forget(&self, name: String) {
        self.hand_over(Request::Write(Write::Forget(name)));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for EmbeddedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedAnswers")
    }
}

/// The thread's side.
struct Server {
    path: PathBuf,
    rows: NonZeroUsize,
    file: Option<AnswerFile>,
    began: Now,
    clock: Arc<dyn Clock>,
    observer: Observer,
    failing: bool,
}

impl Server {
    /// Until the last sender is gone.
    fn serve(mut self, mut requests: mpsc::Receiver<Request>) {
        self.open();
        let mut batch = Vec::with_capacity(AT_ONCE);
        while requests.blocking_recv_many(&mut batch, AT_ONCE) > 0 {
            if self.file.is_none() {
                self.open();
            }
            self.work(&mut batch);
        }
    }

    fn open(&mut self) {
        match AnswerFile::open(&self.path, self.rows) {
            Ok((file, None)) => self.file = Some(file),
            Ok((file, Some(reason))) => {
                self.file = Some(file);
                let detail = format!("`{}` was made anew: {reason}", self.path.display());
                self.observer.observe(Observation::Store { failure: Some(UNUSABLE), detail: &detail });
            }
            Err(error) => self.fails(&error.to_string()),
        }
    }

    /// In the order in which it was asked: who finds after somebody kept finds that.
    fn work(&mut self, batch: &mut Vec<Request>) {
        let now = self.believed_time();
        let Some(file) = &mut self.file else { return batch.clear() };
        let mut writes = Vec::new();
        let mut outcome = Ok(());
        for request in batch.drain(..) {
            match request {
                Request::Write(write) => writes.push(write),
                Request::Find(name, reply) => {
                    outcome = outcome.and_then(|()| file.write(std::mem::take(&mut writes), now));
                    let found = file.find(&name, now);
                    // Who gave up waiting does not want it any more.
                    let _ = reply.send(found.as_ref().map(Clone::clone).map_err(|_| Unread));
                    outcome = outcome.and_then(|()| found.map(drop));
                }
            }
        }
        match outcome.and_then(|()| file.write(writes, now)) {
            Ok(()) if std::mem::take(&mut self.failing) => {
                let detail = "answers are kept again";
                self.observer.observe(Observation::Store { failure: None, detail });
            }
            Ok(()) => {}
            Err(error) => {
                if file::is_damaged(&error) {
                    self.file = None;
                }
                self.fails(&error.to_string());
            }
        }
    }

    /// The time, as far as something may be over because of it: a clock that is set ahead ends nothing before its time.
    fn believed_time(&self) -> UnixTime {
        let now = self.clock.now();
        let passed = now.monotonic.saturating_since(self.began.monotonic);
        now.wall.min(self.began.wall.saturating_add(passed))
    }

    fn fails(&mut self, detail: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            let detail = format!("answers are not kept for the next start: {detail}");
            self.observer.observe(Observation::Store { failure: Some(UNUSABLE), detail: &detail });
        }
    }
}

#[cfg(test)]
mod tests;
