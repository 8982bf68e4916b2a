//! A name for each request, by which its decision is found in the log.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use http::HeaderValue;

use crate::entropy::{Entropy, NoEntropy};

const BYTES: usize = 24;
/// The digits of the process.
const PREFIX: usize = 10;
/// The bits that count. The ten above them are the worker's number: there are 1,024 workers at most.
const COUNTER: u32 = 46;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Ten hexadecimal digits that are random for each process, and fourteen that count for each worker: enough for twenty
/// years of 100,000 requests a second. Not secret, not guessable across processes, and made without a random number for
/// each request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DecisionId([u8; BYTES]);

impl DecisionId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The name as the value of `Countersign-Decision`.
    #[must_use]
    pub fn to_header_value(self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names the requests of one worker.
#[derive(Debug)]
pub struct DecisionIds {
    prefix: [u8; PREFIX],
    next: AtomicU64,
}

impl DecisionIds {
    /// One source of names for each of 1,024 workers at most; all share the digits of the process.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub fn for_workers(workers: usize, entropy: &dyn Entropy) -> Result<Vec<Self>, NoEntropy> {
        let mut process = [0; 8];
        entropy.fill(&mut process)?;
        let mut prefix = [b'0'; PREFIX];
        write_hex(&mut prefix, u64::from_be_bytes(process));
        let worker = |index| Self { prefix, next: AtomicU64::new(index << COUNTER | 1) };
        Ok((0..workers as u64).map(worker).collect())
    }

    /// The next name.
    #[must_use]
    pub fn next(&self) -> DecisionId {
        let mut digits = [b'0'; BYTES];
        let (prefix, counter) = digits.split_at_mut(PREFIX);
        prefix.copy_from_slice(&self.prefix);
        write_hex(counter, self.next.fetch_add(1, Ordering::Relaxed));
        DecisionId(digits)
    }
}

fn write_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        // INVARIANT: four bits index sixteen digits.
        #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
        let hex = HEX[(value & 0xf) as usize];
        *digit = hex;
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::DecisionIds;
    use crate::entropy::{Entropy, NoEntropy};

    #[derive(Debug)]
    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
            buffer.fill(0xab);
            Ok(())
        }
    }

    #[test]
    fn names_count_up_and_differ_between_workers() {
        let ids = DecisionIds::for_workers(2, &Fixed).unwrap();
        assert_eq!(ids[0].next().as_str(), "ababababab00000000000001");
        assert_eq!(ids[0].next().as_str(), "ababababab00000000000002");
        assert_eq!(ids[1].next().as_str(), "ababababab00400000000001");
        assert_eq!(ids[1].next().to_header_value(), "ababababab00400000000002");
    }

    #[test]
    fn no_two_of_as_many_workers_as_there_may_be_have_the_same_names() {
        const EACH: usize = 3;
        let ids = DecisionIds::for_workers(1_024, &Fixed).unwrap();
        let names: HashSet<_> = ids
            .iter()
            .flat_map(|worker| std::iter::repeat_with(|| worker.next().as_str().to_owned()).take(EACH))
            .collect();
        assert_eq!(names.len(), 1_024 * EACH);
        assert!(names.iter().all(|name| name.starts_with("ababababab")), "the last still fits");
    }
}
