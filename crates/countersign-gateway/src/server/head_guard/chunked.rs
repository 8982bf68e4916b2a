//! `chunk-size [ chunk-ext ]` (RFC 9112 §7.1).

use crate::error::Refusal;

/// Longest chunk extension of one chunk in bytes.
const MAX_EXTENSION_BYTES: usize = 256;

/// Chunk extensions of one body, together, in bytes: without this bound a body of one-byte chunks carries 256 times
/// itself.
pub(super) const MAX_EXTENSIONS_BYTES: usize = 8 * 1024;

/// Longest size: 16 hexadecimal digits fill 64 bits.
const MAX_SIZE_DIGITS: usize = 16;

/// Longest chunk-size line in bytes, with its line end.
pub(super) const MAX_LINE_BYTES: usize = MAX_SIZE_DIGITS + MAX_EXTENSION_BYTES + 2;

/// Longest trailer section in bytes.
pub(super) const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// The size a chunk-size line names. Subtracts its extension from what is left for all of them.
pub(super) fn parse_size(line: &[u8], extensions_left: &mut usize) -> Result<u64, Refusal> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, extension) = line.split_at_checked(digits).ok_or(Refusal::Framing)?;
    let is_extension = match extension {
        [] => true,
        [b';', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E)),
        _ => false,
    };
    if size.is_empty()
        || size.len() > MAX_SIZE_DIGITS
        || !is_extension
        || extension.len() > MAX_EXTENSION_BYTES
    {
        return Err(Refusal::Framing);
    }
    *extensions_left = extensions_left.checked_sub(extension.len()).ok_or(Refusal::Framing)?;
    let size = std::str::from_utf8(size).map_err(|_| Refusal::Framing)?;
    u64::from_str_radix(size, 16).map_err(|_| Refusal::Framing)
}
