//! Chance, as an argument: many services that lost one gateway must not come back in one moment.

use aws_lc_rs::rand;

/// Gives a number from 0 up to 1.
pub(super) type Chance = fn() -> f64;

/// The machine's chance; 0 should it have none, which costs only the spreading.
pub(super) fn random() -> f64 {
    let mut bytes = [0; 4];
    match rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn chance_is_spread() {
        let drawn: Vec<f64> = (0..1_000).map(|_| super::random()).collect();
        assert!(drawn.iter().all(|share| (0.0..1.0).contains(share)));
        for tenth in 0..10 {
            let here = drawn.iter().filter(|&&share| (share * 10.0) as u32 == tenth).count();
            assert!((40..200).contains(&here), "{tenth}: {here}");
        }
    }
}
