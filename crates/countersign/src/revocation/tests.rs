mod messages;
mod table;

use proptest::prelude::*;

use super::{Cursor, Epoch, Revocation, Target};
use crate::{OrganisationId, UnixTime};

const ISSUER: &str = "https://issuer.test";

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn targets() -> impl Strategy<Value = Target> {
    let id =
        || prop_oneof!["[a-c]", "\\PC{1,40}", Just("*".to_owned()), Just("\"\\\u{0}\u{1f600}".to_owned())];
    prop_oneof![
        Just(Target::All),
        "[a-c]".prop_map(|id| Target::Organisation(OrganisationId::new(&id).unwrap())),
        id().prop_map(|id| Target::IssuedTo(id.into())),
        id().prop_map(|id| Target::Session(id.into())),
        id().prop_map(|id| Target::Subject(id.into())),
        id().prop_map(|id| Target::Token(id.into())),
    ]
}

fn revocations() -> impl Strategy<Value = Revocation> {
    (targets(), 0..20_u64, 0..20_u64).prop_map(|(target, since, life)| Revocation {
        target,
        at: at(since),
        expires: at(since + life),
    })
}

fn cursors() -> impl Strategy<Value = Cursor> {
    ("[A-Za-z0-9_-]{1,64}", any::<u64>())
        .prop_map(|(epoch, seq)| Cursor { epoch: Epoch::new(&epoch).unwrap(), seq })
}
