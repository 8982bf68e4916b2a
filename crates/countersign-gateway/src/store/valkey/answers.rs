//! The second-level cache: a thread of its own between the workers and the server.

use std::{fmt, io, sync::Arc, thread, time::Duration};

use redis::{Value, cmd};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::connection::Link;
use crate::{
    clock::Clock,
    config::resolved::StoreConfig,
    session::shared::{Found, SharedCache, Unread},
};

/// The most requests that wait for the thread; further finds wait for a place, and what is to be kept is not.
const WAITING: usize = 1_024;
/// The most requests sent together. The driver waits for each answer of a pipeline, even when the one before it did not
/// come in time: a server that freezes costs this many time-outs at most.
const AT_ONCE: usize = 8;

enum Request {
    Find(String, oneshot::Sender<Result<Option<Vec<u8>>, Unread>>),
    Forget(String),
    Keep(String, Vec<u8>, Duration),
}

/// Sealed answers in Valkey or Redis.
pub struct ValkeyAnswers {
    requests: mpsc::Sender<Request>,
    prefix: String,
    /// Nobody waits longer for an answer, whatever the thread waits for.
    timeout: Duration,
}

impl ValkeyAnswers {
    /// Starts the thread. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(config: &Arc<StoreConfig>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (requests, receiver) = mpsc::channel(WAITING);
        let (prefix, timeout) = (format!("{}:session:", config.name), config.timeout);
        let link = Link::new(Arc::clone(config), clock);
        thread::Builder::new().name("shared-answers".to_owned()).spawn(move || serve(link, receiver))?;
        Ok(Self { requests, prefix, timeout })
    }

    /// What cannot be handed over is not done: it is a cache.
    fn hand_over(&self, request: Request) {
        drop(self.requests.try_send(request));
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl SharedCache for ValkeyAnswers {
    fn find<'a>(&'a self, name: &'a str) -> Found<'a> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let asked = async {
                self.requests.send(Request::Find(self.name(name), reply)).await.map_err(|_| Unread)?;
                answer.await.map_err(|_| Unread)?
            };
            timeout(self.timeout, asked).await.map_err(|_| Unread)?
        })
    }

    fn keep(&self, name: String, value: Vec<u8>, life: Duration) {
        self.hand_over(Request::Keep(self.name(&name), value, life));
    }

    fn forget(&self, name: String) {
        self.hand_over(Request::Forget(self.name(&name)));
    }
}

/// Until the last sender is gone.
fn serve(mut link: Link, mut requests: mpsc::Receiver<Request>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while requests.blocking_recv_many(&mut batch, AT_ONCE) > 0 {
        let mut pipeline = redis::pipe();
        let mut waiting = Vec::new();
        for (place, request) in batch.drain(..).enumerate() {
            match request {
                Request::Find(name, reply) => {
                    waiting.push((place, reply));
                    pipeline.add_command(one("GET", &name));
                }
                Request::Forget(name) => {
                    pipeline.add_command(one("DEL", &name));
                }
                Request::Keep(name, value, life) => {
                    let mut command = one("SET", &name);
                    let millis = u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1);
                    command.arg(value).arg("PX").arg(millis);
                    pipeline.add_command(command);
                }
            }
        }
        // A store that fails is told of by the control thread, which uses it too.
        let mut values = link.pipeline(&pipeline).unwrap_or_default();
        for (place, reply) in waiting {
            let value = values.get_mut(place).map(|value| std::mem::replace(value, Value::Nil));
            let found = match value {
                Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
                Some(Value::Nil) => Ok(None),
                _ => Err(Unread),
            };
            // Who gave up waiting does not want it any more.
            let _ = reply.send(found);
        }
    }
}

fn one(command: &str, name: &str) -> redis::Cmd {
    let mut command = cmd(command);
    command.arg(name);
    command
}

impl fmt::Debug for ValkeyAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValkeyAnswers").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
