//! What is told of a verdict, and what one that is neither "live" nor "no" does.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::Level;

use super::House;
use crate::{
    error::{Half, Refusal},
    observe::log,
    session::source::Verdict,
};

/// A stream that can be looked at.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the log says at its default level while somebody is refused.
async fn logged(verdict: Verdict, expected: Refusal) -> String {
    let kept = Kept::default();
    let (dispatch, guard) = log::dispatch(false, Level::INFO, kept.clone()).unwrap();
    let current = tracing::dispatcher::set_default(&dispatch);
    let house = House::new(vec![Ok(verdict)]);
    assert_eq!(house.resolve("one").await.unwrap_err(), expected);
    drop((current, dispatch, guard));
    String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_two_that_are_asked_the_log_tells_which_said_no() {
    for half in [Half::Introspection, Half::Userinfo] {
        let text = logged(Verdict::No(Some(half)), Refusal::SessionEnded).await;
        assert!(text.contains("look-up") && text.contains(half.said_no()), "{text}");
    }
    assert_eq!(logged(Verdict::No(None), Refusal::SessionEnded).await, "", "there is nobody else");
}
