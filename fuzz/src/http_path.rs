//! A path that passes has one reading, however often and however carelessly it is decoded.

use countersign_gateway::http::path;

/// Judges the input as a path.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if path::check(text).is_err() {
        return;
    }
    let segments = text.split('/').count();
    let mut read = text.as_bytes().to_vec();
    for _ in 0..5 {
        let parts: Vec<_> = read.split(|byte| *byte == b'/').collect();
        assert_eq!(parts.len(), segments, "{text:?} gains or loses a slash");
        for (at, part) in parts.iter().enumerate() {
            let is_outer = at == 0 || at == segments - 1;
            assert!(is_outer || !part.is_empty(), "{text:?} has an empty segment");
            assert!(!matches!(*part, b"." | b".."), "{text:?} has a dot segment");
        }
        let bad = read.iter().find(|byte| matches!(byte, 0..=0x1F | 0x7F | b'\\' | b';'));
        assert_eq!(bad, None, "{text:?} hides a character");
        read = decode(&read);
    }
}

/// Decodes what is an escape, leaves what is none, and takes two bytes of overlong UTF-8 as ASCII.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let byte = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let needed_none = byte
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
        assert!(!needed_none, "{} is another path before it is decoded", String::from_utf8_lossy(bytes));
        at += if byte.is_some() { 3 } else { 1 };
        decoded.push(byte.unwrap_or(bytes[at - 1]));
        if let [.., lead @ (0xC0 | 0xC1), last @ 0x80..=0xBF] = decoded[..] {
            decoded.truncate(decoded.len() - 2);
            decoded.push((lead & 1) << 6 | (last & 0x3F));
        }
    }
    decoded
}
