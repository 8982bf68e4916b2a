mod matrix;
mod pieces;

use super::{Follow, Outcome, Step};
use crate::config::resolved::Limits;

/// Judges a whole stream at once.
fn judge(stream: &[u8]) -> Step {
    Follow::new(&Limits::DEFAULT).advance(stream)
}

/// Judges a stream that comes in pieces of these lengths, the rest last.
fn judge_in_pieces(stream: &[u8], cuts: &[usize]) -> Step {
    let mut follow = Follow::new(&Limits::DEFAULT);
    let (mut released, mut come) = (0, 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        come = stream.len().min(come + cut);
        let step = follow.advance(&stream[released..come]);
        released += step.released;
        if step.outcome != Outcome::More {
            return Step { released, ..step };
        }
    }
    Step { released, outcome: Outcome::More }
}
