//! How long a verifier waits for the table of revocations, by the number of its entries.
//!
//! `cargo bench -p countersign --bench revoked`
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures time and says what it was")]

use std::{hint::black_box, time::Instant};

use countersign::{
    Issuer, OrganisationId, Revocable, Revocations as _, SessionId, Subject, TokenId, UnixTime,
    revocation::{Revocation, Revoked, Target},
};

const ISSUER: &str = "https://shop.example";
const ROUNDS: u32 = 2_000_000;

fn main() {
    let (issuer, at) = (Issuer::from(ISSUER), UnixTime::from_secs(1_000));
    let organisation = OrganisationId::new("acme").ok();
    for entries in [0_usize, 1_000, 10_000, 100_000, 1_000_000] {
        let table = Revoked::new(ISSUER);
        let revoked = |target| Revocation { target, at, expires: at };
        let sessions = (0..entries).map(|n| revoked(Target::Session(format!("session-{n:035}").into())));
        // One of each other kind, so that every table is asked.
        let others = [Target::Subject("eve".into()), Target::Token("stolen".into())].into_iter().map(revoked);
        if table.replace(sessions.chain(others)).is_err() {
            println!("{entries} entries do not fit");
            continue;
        }
        // Names of tokens that are good, many, so that the caches of the machine do not hold them all.
        let names: Vec<(SessionId, TokenId)> =
            (0..4_096).map(|n| (format!("good-{n:038}").into(), format!("token-{n:016}").into())).collect();
        let subject = Subject::from("ann");
        let start = Instant::now();
        for (_, (session, token)) in (0..ROUNDS).zip(names.iter().cycle()) {
            let mut token = Revocable::new(&issuer, token, &subject, at);
            token.session = Some(session);
            token.organisation = organisation.as_ref();
            black_box(table.standing(black_box(&token)));
        }
        let each = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
        println!("{entries:>9} sessions: {each:.1} ns");
    }
}
