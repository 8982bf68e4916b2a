//! RSA moduli of the ROCA generator (CVE-2017-15361), whose private key can be computed.

/// The generator chose primes that are powers of 65537 modulo each of these; so is their product, the modulus.
const PRIMES: [u32; 39] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// True if `modulus` (big-endian) has the generator's fingerprint; chance gives it to fewer than one in 2^27.
pub(super) fn is_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let rest = modulus.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        is_power_of_65537(rest, prime)
    })
}

fn is_power_of_65537(rest: u32, prime: u32) -> bool {
    let base = 65537 % prime;
    let mut power = 1 % prime;
    for _ in 0..prime {
        if power == rest {
            return true;
        }
        power = power * base % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_fingerprint;

    #[test]
    fn powers_of_65537_have_the_fingerprint_and_others_not() {
        assert!(is_fingerprint(&[1]));
        assert!(is_fingerprint(&65537_u32.to_be_bytes()));
        assert!(is_fingerprint(&(65537_u128.pow(7)).to_be_bytes()));
        assert!(!is_fingerprint(&(65537_u128.pow(7) + 2).to_be_bytes()));
        assert!(!is_fingerprint(&[0xff; 256]));
    }
}
