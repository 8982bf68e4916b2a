//! What is broken on purpose, so that it is known that the rules notice. None of it exists outside of tests.

/// A gateway, service or store that is wrong in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Any sealed answer opens under any credential.
    AnswersForAnybody,
    /// Each of two halves of a gateway asks for itself.
    AsksInHalves,
    /// What a gateway has found good once is good for it.
    BelievesForEver,
    /// No gateway follows what others write to the store.
    Deaf,
    /// A key is gone as soon as the next one signs.
    DropsKeysAtOnce,
    /// No gateway asks again about a session that another found to have changed.
    IgnoresChanges,
    /// Services do not hear that their feed lives.
    IgnoresHeartbeats,
    /// Services do not care for what was issued to a session before it had less power.
    IgnoresLessPower,
    /// Services hear heartbeats that nobody sent.
    ImaginesHeartbeats,
    /// That a session ends is heard an hour late.
    OutlivesSessions,
    /// Services do not miss what got lost on the way.
    PassesOverGaps,
    /// What was no session never becomes one.
    RemembersForEver,
    /// Where answers are served in an outage, they are for an hour.
    ServesForEver,
    /// Nothing that is served is checked for revocations.
    ServesRevoked,
    /// An outage of the authorization server is its "no".
    TakesOutagesForNo,
    /// A store that went back does not know that it is another.
    UnnoticedFailOver,
    /// As many wait for a look-up as want to.
    UnboundedWaiters,
}
