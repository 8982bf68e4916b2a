//! Whole clusters in one process: real stages, cache, flights, ledger, keepers and key rings of several gateways, and
//! real verifiers and feeds of several services; simulated time, clocks, authorization server, store and links.
//!
//! A seed decides everything that happens. A seed that breaks a rule is printed with its story, and told again by
//! `SIMULATED_SEED=n`; `SIMULATED_SEEDS=10000` plays so many instead of the usual 300.
//!
//! What happens: requests, log-ins and log-outs; users revoked and lifted; roles given and taken away; gateways that
//! crash with everything they have under way; an authorization server that hangs, lies and dies, in a third of all
//! worlds replaces cookies, and in a fifth names its sessions and tells gateways of log-outs; a store that is away, loses
//! answers, goes back to a copy, or is written by somebody who mixes up sealed answers; links cut between any two; on the
//! way to services messages that are late or get lost one by one, pages of snapshots that do not come, streams that break
//! with and without a sign; clocks that are set; keys that rotate and are retired. In a quarter of all worlds gateways
//! serve old answers in an outage (`stale_if_error`). One service in two refuses everything while its feed is lost.
//!
//! What must hold, whatever happens:
//! 1. A token names the owner of the cookie it was made from, and the owner's organisation. A browser is given no cookie
//!    of another session.
//! 2. It ends with its session at the latest.
//! 3. After a revocation was acknowledged, the gateway that acknowledged refuses at once; the others as soon as they could
//!    read the store for [`SPREAD`]; services so long after that, and after what a message takes, or they take their feed
//!    for lost three seconds later. Nobody forgets it unless the store went back and with it everybody who knew; who knows
//!    it puts it back.
//! 4. A service accepts every token that is not over, not revoked, and not of a retired key. While keys only rotate it
//!    never has to ask for one: the key set it fetched in the last five minutes has it. Just after a key was retired it
//!    may have to ask for the next one, of a gateway that has read of it.
//! 5. A service refuses what a retired key signed as soon as it has read the key set of a gateway that knows; a gateway
//!    that knows hands it out no more. Every gateway knows soon after it could read of it, whatever became of the store
//!    meanwhile.
//! 6. One gateway asks about one session once at a time; at most [`replica::MAX_WAITERS`] wait for the answer, and none of
//!    them longer than for one look-up; for two, where a session was found to have changed meanwhile. Where something was
//!    revoked, as many more wait for the next second to be signed for.
//! 7. No outage of the authorization server becomes a log-out, and none of the store. Nobody is let in after the end of
//!    their session, nor for longer after the server ended it than an answer may be served; once a gateway has been told
//!    so, for no longer than a recheck and a look-up.
//! 8. No token says more than its user could do in the time of a recheck and a look-up. Where a gateway finds less power
//!    than a token says that it handed out, that token is revoked; the other gateways hand out nothing that says more, and
//!    services accept nothing that does, in the time of 3.
//! 9. A service that has heard no heartbeat for three seconds takes its feed for lost, and refuses everything if it is told
//!    to; one in whose way nothing was for [`judge::CAUGHT_UP`] does not.
//!
//! What is not in it: HTTP; the signatures of the feed, and the tasks that read its bytes; what a gateway makes of a log-out
//! token before it revokes; token exchange and `legacy` routes.

mod browsers;
mod judge;
mod link;
mod mutation;
mod power;
mod random;
mod replica;
mod server;
mod service;
mod store;
mod world;

use std::time::Duration;

use self::{
    mutation::Mutation,
    world::{Counts, World},
};

/// After so long with nothing in the way, everybody knows of a revocation.
const SPREAD: Duration = Duration::from_secs(1);
/// Seeds that every test run plays.
const SEEDS: u64 = 300;
/// What is broken on purpose is noticed in one of so many.
const NOTICED_WITHIN: u64 = 300;
/// What happens in one seed.
const STEPS: usize = 60;

/// Seeds that once broke a rule, each in the simulation of its time. Every run plays them first.
/// 121: two fail-overs in one second, and two numberings of one name. 447: a gateway signs for a session that is revoked in
/// a store it cannot reach, and the token outlives the revocation. 2307: the same, and it never learns of it. 3731: a
/// session moves to a cookie that was known already, with more power. 3880: whoever waits to be signed for is not counted.
const ONCE_BROKEN: [u64; 7] = [2642, 6585, 121, 447, 2307, 3731, 3880];

/// Plays one seed; its story, the rule it broke, and what happened how often.
fn play(seed: u64, mutation: Option<Mutation>) -> (Vec<String>, Option<String>, Counts) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, mutation);
        for _ in 0..STEPS {
            world.step().await;
            if world.broken().is_some() {
                break;
            }
        }
        world.told()
    })
}

#[expect(clippy::disallowed_methods, reason = "how many seeds is asked for on the command line")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_seed_breaks_a_rule() {
    let seeds: Vec<u64> = match (asked("SIMULATED_SEED"), asked("SIMULATED_SEEDS")) {
        (Some(one), _) => vec![one],
        (None, many) => ONCE_BROKEN.into_iter().chain(0..many.unwrap_or(SEEDS)).collect(),
    };
    let (mut broken, mut happened) = (Vec::new(), Counts::new());
    for seed in seeds {
        let (story, rule, counts) = play(seed, None);
        counts.into_iter().for_each(|(what, times)| *happened.entry(what).or_default() += times);
        if let Some(rule) = rule {
            println!("seed {seed}: {rule}\n  {}", story.join("\n  "));
            broken.push(seed);
        }
    }
    happened.iter().for_each(|(what, times)| println!("{times:>12} {what}"));
    assert!(
        broken.is_empty(),
        "seeds that break a rule: {broken:?}; tell one again with SIMULATED_SEED=n, and keep it in ONCE_BROKEN"
    );
}

#[test]
fn a_seed_tells_the_same_story_again() {
    for seed in [1, 2, 3] {
        assert_eq!(play(seed, None), play(seed, None));
    }
}

/// Each mutation, and the rule that must notice.
#[test]
fn the_rules_notice_whatever_is_broken() {
    let mut silent = Vec::new();
    for (mutation, rule) in [
        (Mutation::AnswersForAnybody, "got a token of"),
        (Mutation::AsksInHalves, "asks twice at once"),
        (Mutation::BelievesForEver, "after its log-out"),
        (Mutation::Deaf, "after its log-out"),
        (Mutation::DropsKeysAtOnce, "refuses a token that is good"),
        (Mutation::IgnoresChanges, "power it knows to be taken away"),
        (Mutation::IgnoresHeartbeats, "takes its feed for lost"),
        (Mutation::IgnoresLessPower, "accepts a token after its log-out"),
        (Mutation::ImaginesHeartbeats, "takes its feed for current"),
        (Mutation::OutlivesSessions, "outlives its session"),
        (Mutation::PassesOverGaps, "accepts a token after its log-out"),
        (Mutation::RemembersForEver, "lives and is told to log in"),
        (Mutation::ServesForEver, "long after the server ended it"),
        (Mutation::ServesRevoked, "after its log-out"),
        (Mutation::TakesOutagesForNo, "lives and is told to log in"),
        (Mutation::UnnoticedFailOver, "does not put back"),
        (Mutation::UnboundedWaiters, "too many wait"),
    ] {
        let rules = (0..NOTICED_WITHIN).map(|seed| (seed, play(seed, Some(mutation)).1));
        let noticed =
            rules.into_iter().find(|(_, broken)| broken.as_ref().is_some_and(|it| it.contains(rule)));
        println!("{mutation:?}: {noticed:?}");
        if noticed.is_none() {
            silent.push(mutation);
        }
    }
    assert!(silent.is_empty(), "nothing notices {silent:?}");
}
