//! Times contenders in one run, each round in another order, and prints JSON.
//!
//!     time [ROUNDS]               the tables
//!     time loop WHAT ALG COUNT    one contender alone, for callgrind and perf

use std::{hint::black_box, time::Instant};

use countersign::{Verifier, jws::Algorithm};
use countersign_verification_bench::{Case, Table, Work, median};
use serde_json::json;

/// Tokens of a case, and calls in one measurement.
const TOKENS: usize = 48;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, what, algorithm, count] = arguments.as_slice()
        && word == "loop"
    {
        return alone(what, algorithm, count.parse().unwrap());
    }
    let rounds = arguments.first().map_or(41, |rounds| rounds.parse().unwrap());
    let output = json!({ "rounds": rounds, "first_sight": first_sight(rounds), "seen_before": seen_before(rounds) });
    println!("{output:#}");
}

/// Nanoseconds of each contender: the median of single calls, and the median of the ratios to the bare check beside it.
/// The contenders take turns with every token, so that what happens to the machine happens to all.
fn first_sight(rounds: usize) -> Table {
    let mut table = Table::new();
    for &algorithm in Algorithm::ALL {
        let case = std::rc::Rc::new(Case::new(algorithm, TOKENS));
        let mut contenders: Vec<(&str, Work)> = vec![("bare", case.bare()), ("countersign", Box::new(|_| {}))];
        contenders.extend(case.jsonwebtoken().map(|work| ("jsonwebtoken", work)));
        contenders.extend(case.jwt_simple().map(|work| ("jwt_simple", work)));
        let mut times = vec![Vec::with_capacity(rounds * TOKENS); contenders.len()];
        for round in 0..rounds {
            // A new one, with an empty memory.
            let (verifier, tokens) = (case.verifier(), std::rc::Rc::clone(&case));
            contenders[1].1 = Box::new(move |at| drop(black_box(verifier.verify(&tokens.tokens[at]).unwrap())));
            for at in 0..TOKENS {
                for turn in 0..contenders.len() {
                    let who = (round + at + turn) % contenders.len();
                    times[who].push(timed(|| contenders[who].1(at)));
                }
            }
        }
        let mut row = std::collections::BTreeMap::new();
        for ((name, _), times_of) in contenders.iter().zip(&times) {
            row.insert((*name).to_owned(), median(times_of.clone()));
            let ratios = times_of.iter().zip(&times[0]).map(|(time, bare)| time / bare).collect();
            row.insert(format!("{name}_ratio"), median(ratios));
        }
        // The bar: 1.05 x bare + 1 us.
        let over = times[1].iter().zip(&times[0]).map(|(time, bare)| time - 1.05 * bare - 1_000.0).collect();
        row.insert("countersign_over_the_bar".to_owned(), median(over));
        row.insert("token_bytes".to_owned(), case.tokens[0].len() as f64);
        table.insert(algorithm.name().to_owned(), row);
    }
    table
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

/// Nanoseconds of a token seen before, with the machine's clock.
fn seen_before(rounds: usize) -> Table {
    let mut table = Table::new();
    for &algorithm in Algorithm::ALL {
        let case = Case::new(algorithm, 1_000);
        let (plain, revoking) = (case.verifier(), case.verifier_with_revocations());
        let mut times: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds * 5 {
            times[0].push(again(&plain, &case.tokens[..1]));
            times[1].push(again(&revoking, &case.tokens[..1]));
            times[2].push(again(&plain, &case.tokens));
            times[3].push(again(&revoking, &case.tokens));
        }
        let names = ["one_token", "one_token_revocations", "thousand_tokens", "thousand_tokens_revocations"];
        let mut row = std::collections::BTreeMap::new();
        for (name, times) in names.iter().zip(times) {
            row.insert(format!("{name}_least"), times.iter().copied().fold(f64::MAX, f64::min));
            row.insert((*name).to_owned(), median(times));
        }
        table.insert(algorithm.name().to_owned(), row);
    }
    table
}

fn again(verifier: &Verifier, tokens: &[String]) -> f64 {
    const CALLS: usize = 2_000;
    tokens.iter().for_each(|token| drop(verifier.verify(token).unwrap()));
    let start = Instant::now();
    for token in tokens.iter().cycle().take(CALLS) {
        black_box(verifier.verify(black_box(token)).unwrap());
    }
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

fn alone(what: &str, algorithm: &str, count: usize) {
    let case = Case::new(Algorithm::from_name(algorithm).unwrap(), TOKENS);
    match what {
        "seen" | "revocations" => {
            let verifier = if what == "seen" { case.verifier() } else { case.verifier_with_revocations() };
            for _ in 0..count {
                black_box(verifier.verify(black_box(&case.tokens[0])).unwrap());
            }
        }
        // Each token is another one, and signing them is counted by itself.
        "made" => drop(black_box(Case::new(case.algorithm, count))),
        "remember" => {
            let (verifier, many) = (case.verifier(), Case::new(case.algorithm, count));
            for token in &many.tokens {
                black_box(verifier.verify(black_box(token)).unwrap());
            }
        }
        _ => {
            // Nothing is remembered, so that every sight is a first one.
            let verifier = case.verifier_that_forgets();
            let mut work: Work = match what {
                "bare" => case.bare(),
                "first" => Box::new(move |at| drop(black_box(verifier.verify(&case.tokens[at]).unwrap()))),
                "jsonwebtoken" => case.jsonwebtoken().unwrap(),
                "jwt_simple" => case.jwt_simple().unwrap(),
                other => panic!("{other}"),
            };
            (0..count).for_each(|at| work(at % TOKENS));
        }
    }
}
