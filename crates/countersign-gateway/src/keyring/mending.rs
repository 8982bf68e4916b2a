//! What a shared store lost is put back, and two rings that came of one are made one again.
//!
//! 1. Each gateway remembers the newest ring that it has seen, sealed, beside its note of it ([`super::Witness`]): also
//!    one that starts puts back what the store has lost.
//! 2. A ring that lacks a change that was seen here is an earlier one, which is replaced, or one that was changed
//!    otherwise, which is merged with ours ([`super::schedule`]): whoever was first with the next change has not undone
//!    what was acknowledged.
//! 3. A ring from before another server took over is not changed before a gateway has compared it and put it back.
//! 4. All of it is told ([`RingKeeper::take_mended`]).

use std::sync::PoisonError;

use countersign::UnixTime;

use super::{
    RingFault, RingKeeper, RingSettings,
    keeper::{Made, in_order},
    lineage::ChangeId,
    records::{self, Contents},
};
use crate::store::{SealedRing, StoreError};

impl RingKeeper {
    /// What was wrong with the ring in the store and was put right since the last call.
    #[must_use]
    pub fn take_mended(&self) -> Option<RingFault> {
        self.mended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts right what `fault` says about the ring in a shared store.
    ///
    /// # Errors
    /// The fault itself where it cannot be: nothing better is remembered here, or one gateway has its own store.
    pub(super) fn put_right(
        &self,
        fault: RingFault,
        settings: &RingSettings,
        now: UnixTime,
    ) -> Result<(), RingFault> {
        let can_be = matches!(
            fault,
            RingFault::AnotherServer
                | RingFault::ChangedApart { .. }
                | RingFault::EmptyAfterFull
                | RingFault::WentBack { .. }
        );
        if !self.store.is_shared() || !can_be {
            return Err(fault);
        }
        let found = self.store.ring()?;
        let ours = self.witness.seen()?.and_then(|seen| seen.sealed_ring());
        let better = match (&found, ours) {
            // Whose number was changed in the store is replaced by what is remembered, and never believed.
            (Some(found), Some(ours)) => match records::open(found, &self.sealer) {
                Ok(theirs) => self.better_of(found, &theirs, &ours, settings, now)?,
                Err(RingFault::WentBack { .. }) => ours,
                Err(other) => return Err(other),
            },
            (None, Some(ours)) => ours,
            (Some(found), None) if matches!(fault, RingFault::AnotherServer) => found.clone(),
            (_, None) => return Err(fault),
        };
        match self.store.restore_ring(found.map(|found| found.version), &better) {
            Ok(()) => *self.mended.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault),
            // Another gateway was quicker.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The later of two rings, or both in one.
    fn better_of(
        &self,
        found: &SealedRing,
        theirs: &Contents,
        ours_sealed: &SealedRing,
        settings: &RingSettings,
        now: UnixTime,
    ) -> Result<SealedRing, RingFault> {
        let ours = records::open(ours_sealed, &self.sealer)?;
        if ours.ring != theirs.ring {
            return Err(RingFault::OtherRing);
        }
        if theirs.lineage.has(ours.lineage.change()) {
            return Ok(found.clone());
        }
        if ours.lineage.has(theirs.lineage.change()) {
            return Ok(ours_sealed.clone());
        }
        let version = found.version.max(ours_sealed.version).next();
        let mut made = Made::default();
        let schedule = theirs.schedule.merge(&ours.schedule, now, &settings.policy, || {
            let algorithm = theirs.schedule.algorithm().unwrap_or(settings.algorithm);
            made.make(algorithm)
        })?;
        let known =
            [&theirs.keys, &ours.keys, made.keys()].into_iter().flatten().cloned().collect::<Vec<_>>();
        let merged = Contents {
            ring: theirs.ring.clone(),
            lineage: theirs.lineage.joined(&ours.lineage, ChangeId::random(&*self.entropy)?),
            keys: in_order(schedule.keys(), &known)?,
            schedule,
            session_secret: theirs.session_secret.clone(),
        };
        let records = records::seal(&merged, version, &self.sealer, &*self.entropy)?;
        Ok(SealedRing { version, records, is_of_earlier_life: false })
    }
}
