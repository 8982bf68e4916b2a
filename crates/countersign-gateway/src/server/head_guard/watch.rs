//! What the guard tells whoever keeps the deadlines of a connection.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU32, Ordering::Relaxed},
};

/// Where in a request the incoming bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Phase {
    /// Between two requests. The answer to the last one may still be under way.
    #[default]
    Idle = 0,
    /// A head has begun.
    Head = 1,
    /// A head is complete, its body is not.
    Body = 2,
    /// Nothing more will be read: the connection ends with the answer under way.
    Over = 3,
}

/// A view of a [`Guarded`](super::Guarded) connection from outside. Cheap to read and to clone.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    phase: AtomicU8,
    heads: AtomicU32,
    reads: AtomicU32,
}

impl Watch {
    /// Where the connection is now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.phase.load(Relaxed) {
            1 => Phase::Head,
            2 => Phase::Body,
            3 => Phase::Over,
            _ => Phase::Idle,
        }
    }

    /// Complete heads so far, wrapping. The same phase with another number is another request.
    #[must_use]
    pub fn heads(&self) -> u32 {
        self.0.heads.load(Relaxed)
    }

    /// Reads that brought bytes so far, wrapping. The same number twice: nothing has come in between.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.0.reads.load(Relaxed)
    }

    pub(super) fn set(&self, phase: Phase, heads: u32) {
        self.0.phase.store(phase as u8, Relaxed);
        self.0.heads.store(heads, Relaxed);
    }

    pub(super) fn count_read(&self) {
        self.0.reads.fetch_add(1, Relaxed);
    }
}
