//! What the gateway leans on, and whether it is there. None of it makes the gateway unready: what is in memory is served,
//! and to take every gateway out because of an outage would make one of everything.

use std::sync::PoisonError;

use countersign::UnixTime;

use super::control::ControlRoom;
use crate::{
    admin::{Away, Dependence},
    config::resolved::{Endpoint, SourceConfig, StoreConfig},
    session::source::bare,
};

/// The code of a store that cannot be read.
const STORE_UNAVAILABLE: &str = "store_unavailable";
/// The code of revocations that hold here and are not written yet.
const PENDING: &str = "revocations_pending";

impl ControlRoom {
    pub(super) fn asked_now(&self) -> Option<Dependence> {
        let at = {
            let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
            asked(&present.session.source)?
        };
        let outage = self.household.observer.metrics().outages().source();
        let away =
            outage.map(|outage| Away { since: outage.since, reason: Some(cause(&outage.reason, &at)) });
        Some(Dependence { at, away })
    }

    pub(super) fn store_now(&self) -> Option<Dependence> {
        let at = {
            let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
            servers(present.store.as_deref()?)
        };
        let since = |unread| self.household.clock.now().wall.saturating_sub(unread);
        let away = self.household.memory.ledger().unread_for().map(since);
        Some(Dependence { at, away: away.map(|since: UnixTime| Away { since, reason: None }) })
    }

    /// Codes of what is away now.
    pub(super) fn outages(&self) -> impl Iterator<Item = &'static str> {
        let ledger = self.household.memory.ledger();
        let source = self.household.observer.metrics().outages().source().map(|outage| outage.code);
        let store = ledger.unread_for().is_some().then_some(STORE_UNAVAILABLE);
        let pending = (ledger.pending() > 0).then_some(PENDING);
        [source, store, pending].into_iter().flatten()
    }
}

/// How the authorization server is asked, without credentials.
fn asked(source: &SourceConfig) -> Option<String> {
    let at = |endpoint: &Endpoint| match endpoint {
        Endpoint::Discovered(issuer) => format!("of {issuer}"),
        Endpoint::Given(uri) => bare(uri),
    };
    Some(match source {
        SourceConfig::Nobody => return None,
        SourceConfig::Introspection(one) => format!("introspection {}", at(&one.endpoint)),
        SourceConfig::IntrospectionAndUserinfo(one, two) => {
            format!("introspection {} and userinfo {}", at(&one.endpoint), at(&two.endpoint))
        }
        SourceConfig::Userinfo(one) => format!("userinfo {}", at(&one.endpoint)),
        SourceConfig::Whoami(one) => format!("whoami {}", bare(&one.endpoint)),
    })
}

fn servers(store: &StoreConfig) -> String {
    let servers: Vec<String> =
        store.servers.iter().map(|server| format!("{}:{}", server.host, server.port)).collect();
    servers.join(", ")
}

/// Why, without what the line says already.
fn cause(reason: &str, at: &str) -> String {
    let cause = reason.strip_prefix("cannot be asked: ").unwrap_or(reason);
    let shorter = cause.split_once(": ").filter(|(place, _)| at.split(' ').any(|word| word == *place));
    shorter.map_or(cause, |(_, cause)| cause).to_owned()
}

#[cfg(test)]
mod tests {
    use super::cause;

    #[test]
    fn a_cause_names_another_address_only() {
        let at = "introspection http://127.0.0.1:9/a and userinfo http://127.0.0.1:9/b";
        for (reason, shown) in [
            ("cannot be asked: http://127.0.0.1:9/b: connection refused", "connection refused"),
            (
                "cannot be asked: http://127.0.0.1:9/c: connection refused",
                "http://127.0.0.1:9/c: connection refused",
            ),
            ("cannot be asked: status 503", "status 503"),
            ("no answer within the time-out", "no answer within the time-out"),
        ] {
            assert_eq!(cause(reason, at), shown);
        }
    }
}
