//! The decoder. Of a token's first verification nothing but the signature check took longer than a general one.

/// The alphabet of RFC 4648 §5, in the order of the values.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Stands for every byte outside the alphabet: above the 24 bits of four values.
const OUTSIDE: u32 = 1 << 24;

/// What each byte stands for at one place of four.
type Place = [u32; 256];

static FIRST: Place = place(18);
static SECOND: Place = place(12);
static THIRD: Place = place(6);
static FOURTH: Place = place(0);

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would tell")]
const fn place(shift: u32) -> Place {
    let mut values = [OUTSIDE; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = (value as u32) << shift;
        value += 1;
    }
    values
}

/// Appends what the text stands for; `None` for a byte outside the alphabet, an impossible length, and bits at the
/// end that stand for nothing and are not zero.
pub(super) fn decode_onto(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    // Eight characters at once, so that a loop of little work has half the rounds.
    let (eights, rest) = text.as_chunks::<8>();
    let (fours, rest) = rest.as_chunks::<4>();
    let start = bytes.len();
    bytes.resize(start + eights.len() * 6 + fours.len() * 3, 0);
    let (sixes, threes) = bytes.get_mut(start..)?.as_chunks_mut::<6>();
    let mut all = 0;
    for (six, &[a, b, c, d, e, f, g, h]) in sixes.iter_mut().zip(eights) {
        let (left, right) = (four([a, b, c, d]), four([e, f, g, h]));
        all |= left | right;
        let [_, _, bytes @ ..] = ((u64::from(left) << 24) | u64::from(right)).to_be_bytes();
        *six = bytes;
    }
    let (threes, _) = threes.as_chunks_mut::<3>();
    for (three, &characters) in threes.iter_mut().zip(fours) {
        let bits = four(characters);
        all |= bits;
        let [_, bytes @ ..] = bits.to_be_bytes();
        *three = bytes;
    }
    let bits = match *rest {
        [] => 0,
        [first, second] => at(&FIRST, first) | at(&SECOND, second),
        [first, second, third] => at(&FIRST, first) | at(&SECOND, second) | at(&THIRD, third),
        _ => return None,
    };
    let [_, high, middle, low] = bits.to_be_bytes();
    match rest.len() {
        2 if middle == 0 => bytes.push(high),
        3 => bytes.extend([high, middle]),
        2 => return None,
        _ => {}
    }
    (low == 0 && (all | bits) & OUTSIDE == 0).then_some(())
}

/// The three bytes of four characters, and [`OUTSIDE`].
fn four([first, second, third, fourth]: [u8; 4]) -> u32 {
    at(&FIRST, first) | at(&SECOND, second) | at(&THIRD, third) | at(&FOURTH, fourth)
}

/// A byte is never past the end of a place.
fn at(place: &Place, byte: u8) -> u32 {
    place.get(usize::from(byte)).copied().unwrap_or(OUTSIDE)
}
