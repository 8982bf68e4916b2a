//! What log, metrics, request lines and audit log say, and what they never say.

mod audit;
mod lines;
mod metrics;
mod secrets;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use countersign::{Clock, SessionId, UnixTime};
use countersign_gateway::{
    error::Refusal,
    observe::{Observation, Refused, SessionEvent, SessionSeen, TokenSigned},
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const TIME: &str = "2027-01-15T08:00:00Z";

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

/// A stream that can be looked at.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refused(refusal: Refusal, session: &SessionId) -> Observation<'_> {
    Observation::Refused(Refused {
        refusal,
        decision: "d-17",
        route: Some("/orders/"),
        session: Some(session),
        client: Some([192, 0, 2, 7].into()),
        detail: Some("needs editor"),
    })
}

fn began(session: &SessionId) -> Observation<'_> {
    Observation::Session(SessionSeen {
        event: SessionEvent::Began,
        session,
        subject: None,
        organisation: None,
        reason: None,
    })
}

/// Calls `with` with a signed token's observation.
fn signed(session: &SessionId, with: impl FnOnce(Observation<'_>)) {
    with(Observation::TokenSigned(TokenSigned {
        jti: &"t-1".into(),
        kid: Some(&"k-1".into()),
        subject: &"ada".into(),
        organisation: None,
        session: Some(session),
        audience: &"orders".into(),
        route: "/orders/",
        expires: UnixTime::from_secs(NOW.as_secs() + 300),
        bytes: 812,
    }));
}
