//! The one place from which tasks are started.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Starts tasks on the current worker and counts those that run.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    running: Arc<AtomicUsize>,
}

impl Tasks {
    /// Starts a task that nobody waits for.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = Running::begin(&self.running);
        drop(tokio::spawn(async move {
            let _running = running;
            task.await;
        }));
    }

    /// Tasks that run at present.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
