//! Every state that a small machine can reach, and a rule that must hold in each of them.
//!
//! Breadth first, so that the way to a state that breaks the rule is a shortest one.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

/// A machine whose states are few enough to see them all.
pub(crate) trait Machine {
    type State;
    type Action: Clone + Debug;

    fn begins(&self) -> Vec<Self::State>;
    /// What can happen.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;
    /// What comes of it.
    fn next(&self, state: &Self::State, action: &Self::Action) -> Self::State;
    /// Everything that tells one state from another.
    fn identity(&self, state: &Self::State) -> String;
    /// The rule that a state breaks.
    fn broken(&self, state: &Self::State) -> Option<String>;
}

/// How much there was to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The longest of the shortest ways.
    pub(crate) depth: usize,
}

/// A state that breaks a rule, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: String,
    pub(crate) way: Vec<String>,
}

/// A state that was not seen before, and how it was reached.
type Found<M> = (Option<(usize, <M as Machine>::Action)>, usize, <M as Machine>::State);

/// Two hashes of 64 bits: for two of a million states to be taken for one has odds of one in 10^26.
type Identity = (u64, u64);

fn identity<M: Machine>(machine: &M, state: &M::State) -> Identity {
    let text = machine.identity(state);
    let half = |mark: u64| {
        let mut hasher = DefaultHasher::new();
        (mark, &text).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}

/// Looks at every state, or finds one that breaks the rule.
pub(crate) fn explore<M: Machine>(machine: &M) -> Result<Seen, Violation> {
    /// How a state was reached: from which, and by what.
    type Reached<A> = (Option<(usize, A)>, usize);
    let mut reached: Vec<Reached<M::Action>> = Vec::new();
    let mut known: HashSet<Identity> = HashSet::new();
    let mut layer: Vec<(usize, M::State)> = Vec::new();
    let mut steps = 0;
    let way = |reached: &[Reached<M::Action>], mut place: usize| {
        let mut way = Vec::new();
        while let Some((before, action)) = &reached[place].0 {
            way.push(format!("{action:?}"));
            place = *before;
        }
        way.reverse();
        way
    };
    let mut fresh: Vec<Found<M>> = machine.begins().into_iter().map(|state| (None, 0, state)).collect();
    known.extend(fresh.iter().map(|(_, _, state)| identity(machine, state)));
    while !fresh.is_empty() {
        for (from, depth, state) in fresh.drain(..) {
            reached.push((from, depth));
            let place = reached.len() - 1;
            if let Some(rule) = machine.broken(&state) {
                return Err(Violation { rule, way: way(&reached, place) });
            }
            layer.push((place, state));
        }
        for (place, state) in std::mem::take(&mut layer) {
            for action in machine.actions(&state) {
                let next = machine.next(&state, &action);
                steps += 1;
                if known.insert(identity(machine, &next)) {
                    fresh.push((Some((place, action)), reached[place].1 + 1, next));
                }
            }
        }
    }
    let depth = reached.iter().map(|(_, depth)| *depth).max().unwrap_or_default();
    Ok(Seen { states: reached.len(), steps, depth })
}

/// Two counters up to three that must not both be three.
#[test]
fn a_machine_is_seen_whole_and_a_fault_is_found_by_a_shortest_way() {
    struct Counters(bool);
    impl Machine for Counters {
        type State = (u8, u8);
        type Action = bool;
        fn begins(&self) -> Vec<(u8, u8)> {
            vec![(0, 0)]
        }
        fn actions(&self, _: &(u8, u8)) -> Vec<bool> {
            vec![false, true]
        }
        fn next(&self, (one, other): &(u8, u8), action: &bool) -> (u8, u8) {
            if *action { ((one + 1).min(3), *other) } else { (*one, (other + 1).min(3)) }
        }
        fn identity(&self, state: &(u8, u8)) -> String {
            format!("{state:?}")
        }
        fn broken(&self, state: &(u8, u8)) -> Option<String> {
            (self.0 && *state == (3, 3)).then(|| "both".to_owned())
        }
    }
    assert_eq!(explore(&Counters(false)), Ok(Seen { states: 16, steps: 32, depth: 6 }));
    let violation = explore(&Counters(true)).unwrap_err();
    assert_eq!((violation.rule.as_str(), violation.way.len()), ("both", 6));
}
