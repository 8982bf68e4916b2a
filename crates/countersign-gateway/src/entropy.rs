//! Randomness as an argument.

use std::fmt;

/// Gives random bytes fit for keys.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// [`NoEntropy`] when the machine gives none; nothing may be made from the buffer then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The machine gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no randomness")]
pub struct NoEntropy;

/// The machine's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        aws_lc_rs::rand::fill(buffer).map_err(|_| NoEntropy)
    }
}
