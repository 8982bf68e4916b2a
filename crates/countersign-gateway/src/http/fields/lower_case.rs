//! Names in lower case.

/// Makes letters of ASCII lower case, eight bytes at a time: most names have between four and sixteen.
pub(super) fn make_lower_case(name: &mut [u8]) {
    // The last eight, or four, may overlap those before them: what is in lower case stays so.
    if name.len() >= 8 {
        for eight in name.as_chunks_mut().0 {
            *eight = lower(*eight);
        }
        if let Some(eight) = name.last_chunk_mut() {
            *eight = lower(*eight);
        }
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) = (name.first_chunk(), name.last_chunk()) {
        let [a, b, c, d, e, f, g, h] = lower([*a, *b, *c, *d, *e, *f, *g, *h]);
        if let Some(four) = name.first_chunk_mut() {
            *four = [a, b, c, d];
        }
        if let Some(four) = name.last_chunk_mut() {
            *four = [e, f, g, h];
        }
    } else {
        name.make_ascii_lowercase();
    }
}

fn lower(eight: [u8; 8]) -> [u8; 8] {
    let word = u64::from_ne_bytes(eight);
    let seven_bits = word & each(0x7F);
    // The top bit of each byte says whether it is beyond `Z`, and whether it is `A` or beyond.
    let behind = seven_bits.wrapping_add(each(0x7F - b'Z'));
    let from = seven_bits.wrapping_add(each(0x80 - b'A'));
    let is_upper = (behind ^ from) & !word & each(0x80);
    (word | is_upper >> 2).to_ne_bytes()
}

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::make_lower_case;

    #[test]
    fn every_byte_is_what_it_was_but_for_letters() {
        for byte in 0..=255_u8 {
            for length in [3, 5, 9] {
                let mut bytes = vec![byte; length];
                make_lower_case(&mut bytes);
                assert_eq!(bytes, vec![byte.to_ascii_lowercase(); length]);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_standard_library(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut lowered = name.clone();
            make_lower_case(&mut lowered);
            prop_assert_eq!(lowered, name.to_ascii_lowercase());
        }
    }
}
