//! RSA without a padding of its own: for signatures whose padding is wrong, which no library makes.

use crate::{jws::rsa_private_components, sign::SigningKey};

/// A private key as its two primes, each with what belongs to it.
pub(super) struct RawRsa {
    p: Prime,
    q: Prime,
    /// The inverse of `q` modulo `p`.
    q_inverse: Vec<u64>,
}

struct Prime {
    modulus: Modulus,
    exponent: Vec<u8>,
}

/// An odd number to calculate with, its words from the lowest to the highest.
struct Modulus {
    words: Vec<u64>,
    /// -1 divided by the lowest word.
    inverse: u64,
}

impl RawRsa {
    /// Reads the numbers of a key; `None` if it is no RSA key.
    pub(super) fn new(key: &SigningKey) -> Option<Self> {
        let der = key.to_pkcs8_der().ok()?;
        let [p, q, p_exponent, q_exponent, q_inverse] = rsa_private_components(der.expose())?;
        let prime =
            |number, exponent: &[u8]| Prime { modulus: Modulus::new(number), exponent: exponent.to_vec() };
        Some(Self { p: prime(p, p_exponent), q: prime(q, q_exponent), q_inverse: words(q_inverse) })
    }

    /// The signature whose encoded message is this (RFC 8017 §5.2.1, the second way).
    pub(super) fn sign(&self, encoded: &[u8]) -> Vec<u8> {
        let p = &self.p.modulus;
        let of_p = p.power(encoded, &self.p.exponent);
        let of_q = self.q.modulus.power(encoded, &self.q.exponent);
        let mut difference = of_p;
        difference.push(0);
        add_product(&mut difference, &p.words, 1);
        subtract(&mut difference, &p.reduced(&bytes(&of_q), 0));
        subtract(&mut difference, &p.words);
        difference.truncate(p.words.len());
        let h = p.times(&p.reduced(&bytes(&self.q_inverse), p.words.len()), &difference);
        let mut signature = of_q;
        signature.resize(2 * p.words.len(), 0);
        for (shift, &word) in h.iter().enumerate() {
            if let Some(places) = signature.get_mut(shift..) {
                add_product(places, &self.q.modulus.words, word);
            }
        }
        bytes(&signature)
    }
}

impl Modulus {
    fn new(number: &[u8]) -> Self {
        let words = words(number);
        let lowest = words.first().copied().unwrap_or(1);
        // Each round doubles the bits that are right; 3 are to begin with.
        let inverse = (0..5).fold(lowest, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse)))
        });
        Self { words, inverse: inverse.wrapping_neg() }
    }

    /// `base` to the power of `exponent`, modulo this.
    fn power(&self, base: &[u8], exponent: &[u8]) -> Vec<u64> {
        let length = self.words.len();
        let base = self.reduced(base, length);
        let mut power = self.reduced(&[1], length);
        for byte in exponent {
            for bit in (0..8).rev() {
                power = self.times(&power, &power);
                if byte >> bit & 1 == 1 {
                    power = self.times(&power, &base);
                }
            }
        }
        self.times(&power, &self.reduced(&[1], 0))
    }

    /// The product, divided by 2 to the power of this one's length in bits (Montgomery).
    fn times(&self, left: &[u64], right: &[u64]) -> Vec<u64> {
        let mut product = vec![0; self.words.len() + 2];
        for &word in right {
            add_product(&mut product, left, word);
            let lowest = product.first().copied().unwrap_or_default();
            add_product(&mut product, &self.words, lowest.wrapping_mul(self.inverse));
            product.rotate_left(1);
        }
        subtract(&mut product, &self.words);
        product.truncate(self.words.len());
        product
    }

    /// A number followed by so many words of zeros, modulo this.
    fn reduced(&self, number: &[u8], zeros: usize) -> Vec<u64> {
        let mut rest = vec![0_u64; self.words.len() + 1];
        let zeros = std::iter::repeat_n(&0, zeros * 8);
        for byte in number.iter().chain(zeros) {
            for bit in (0..8).rev() {
                let mut carry = u64::from(byte >> bit & 1);
                for word in &mut rest {
                    (*word, carry) = (*word << 1 | carry, *word >> 63);
                }
                subtract(&mut rest, &self.words);
            }
        }
        rest.truncate(self.words.len());
        rest
    }
}

/// Big-endian bytes as words, the lowest first.
fn words(number: &[u8]) -> Vec<u64> {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    number.rchunks(8).map(word).collect()
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

/// Adds `left * right` to `sum`, which has room for it.
fn add_product(sum: &mut [u64], left: &[u64], right: u64) {
    let mut carry = 0;
    let mut places = sum.iter_mut();
    for (&word, place) in left.iter().zip(&mut places) {
        (*place, carry) = word.carrying_mul_add(right, *place, carry);
    }
    for place in places {
        let (sum, over) = place.overflowing_add(carry);
        (*place, carry) = (sum, u64::from(over));
    }
}

/// Takes `right` off `left`, unless it is larger.
fn subtract(left: &mut [u64], right: &[u64]) {
    let right = right.iter().copied().chain(std::iter::repeat(0));
    let mut borrow = false;
    for (word, right) in left.iter().zip(right.clone()) {
        (_, borrow) = word.borrowing_sub(right, borrow);
    }
    if borrow {
        return;
    }
    for (word, right) in left.iter_mut().zip(right) {
        (*word, borrow) = word.borrowing_sub(right, borrow);
    }
}

/// What a signature was made over, by the public half of a key that has one.
#[cfg(test)]
pub(super) fn public(key: &SigningKey, signature: &[u8]) -> Vec<u8> {
    let crate::jws::Material::Rsa { n, e } = key.public_jwk().unwrap().material().clone() else { panic!() };
    bytes(&Modulus::new(&n).power(signature, &e))
}
