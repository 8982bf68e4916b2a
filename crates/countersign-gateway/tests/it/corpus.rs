//! Replays what fuzzing found.

use std::{fs, path::Path};

/// Gives each input of a target to its function, and says how many there were.
pub(crate) fn replay(target: &str, run: impl Fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for input in &inputs {
        run(&fs::read(input).unwrap());
    }
    inputs.len()
}
