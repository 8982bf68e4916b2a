//! Signatures that take longer than a thread that serves may stand still.
//!
//! 1. They are made on the blocking pool, so many at once: without a bound a storm of them, as after a change of keys,
//!    would take every thread of the pool and leave little of the processor to what is served from memory.
//! 2. The others wait in the order in which they came, as long as their clients do. Whoever goes away leaves the queue; a
//!    signature that has begun keeps its place until it is made.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::spawn_blocking};

/// Where slow signatures are made.
#[derive(Debug)]
pub struct SlowSigning(Arc<Semaphore>);

impl SlowSigning {
    /// So many at once, and at least one.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Signs when it is this one's turn; `None` if that panicked.
    pub(crate) async fn make<T, F>(&self, sign: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let made = spawn_blocking(move || {
            let _place = place;
            sign()
        });
        made.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Condvar, Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        task::{Context, Waker},
        time::Duration,
    };

    use tokio::{runtime::Builder, task::spawn_blocking, time::timeout};

    use super::SlowSigning;

    /// Only a test that fails waits for so long.
    const LONG: Duration = Duration::from_secs(30);

    /// Tells of every signature that begins, and holds it until it is opened.
    #[derive(Debug)]
    struct Gate {
        is_open: Mutex<bool>,
        opened: Condvar,
        begun: mpsc::Sender<()>,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Gate {
        fn new() -> (Self, mpsc::Receiver<()>) {
            let (begun, begins) = mpsc::channel();
            let (is_open, opened) = (Mutex::default(), Condvar::new());
            (Self { is_open, opened, begun, now: 0.into(), most: 0.into() }, begins)
        }

        fn pass(&self) {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.begun.send(()).unwrap();
            drop(self.opened.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
            self.now.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Opens it, also when the test fails: the runtime would wait for its threads.
    struct Opens(Arc<Gate>);

    impl Drop for Opens {
        fn drop(&mut self) {
            *self.0.is_open.lock().unwrap() = true;
            self.0.opened.notify_all();
        }
    }

    #[test]
    fn only_so_many_are_made_at_once_whoever_goes_away_and_all_in_the_end() {
        // Of three threads two stand at the gate: what is handed to the pool then goes through the third, in order.
        let runtime = Builder::new_current_thread().enable_time().max_blocking_threads(3).build().unwrap();
        runtime.block_on(async {
            let (signing, (gate, begins)) = (SlowSigning::new(2), Gate::new());
            let gate = Arc::new(gate);
            let opens = Opens(Arc::clone(&gate));
            let make = |number| {
                let gate = Arc::clone(&gate);
                signing.make(move || {
                    gate.pass();
                    number
                })
            };
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting: Vec<_> = (0..10).map(|number| Box::pin(make(number))).collect();
            for made in &mut waiting {
                assert!(made.as_mut().poll(&mut context).is_pending());
            }
            for _ in 0..2 {
                begins.recv_timeout(LONG).unwrap();
            }
            // One goes away while it waits, one while a thread is at it.
            drop(waiting.remove(4));
            drop(waiting.remove(0));
            for made in &mut waiting {
                assert!(made.as_mut().poll(&mut context).is_pending());
            }
            let third = timeout(LONG, spawn_blocking(|| ())).await;
            assert!(third.is_ok(), "a third signature has the thread");
            assert_eq!(begins.try_iter().count(), 0);
            drop(opens);
            let mut made = Vec::new();
            for waiting in waiting {
                made.push(waiting.await.unwrap());
            }
            assert_eq!(made, [1, 2, 3, 5, 6, 7, 8, 9]);
            assert_eq!(begins.try_iter().count(), 7, "what was begun for nobody was one of the two");
            assert_eq!(gate.most.load(Ordering::SeqCst), 2);
        });
    }

    #[tokio::test]
    async fn a_panic_gives_its_place_back() {
        let signing = SlowSigning::new(1);
        assert_eq!(signing.make(|| panic!("planted")).await, None::<()>);
        assert_eq!(signing.make(|| 7).await, Some(7));
    }
}
