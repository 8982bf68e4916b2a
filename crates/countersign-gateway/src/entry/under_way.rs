//! A request whose client may leave before it is answered.

use crate::observe::WorkerMetrics;

/// Counts a request that came in as given up, unless it was answered: what is done for a client that has left is dropped
/// where it stands.
pub(super) struct UnderWay<'a> {
    metrics: &'a WorkerMetrics,
    is_answered: bool,
}

impl<'a> UnderWay<'a> {
    pub(super) const fn of(metrics: &'a WorkerMetrics) -> Self {
        Self { metrics, is_answered: false }
    }

    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.metrics.given_up();
        }
    }
}
