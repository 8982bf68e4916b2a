//! PEM (RFC 7468): one block, read strictly.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// One PEM block. Its bytes are wiped when dropped, since they may be a private key.
pub(crate) struct Pem<'a> {
    /// What stands after `BEGIN`.
    pub(crate) label: &'a str,
    /// The DER inside.
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl<'a> Pem<'a> {
    /// The first block of the text; `None` if there is none or it is malformed.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (_, after) = text.split_once("-----BEGIN ")?;
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        if !after.strip_prefix(label)?.starts_with("-----") {
            return None;
        }
        let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
        Some(Self { label, der: Zeroizing::new(STANDARD.decode(body.as_bytes()).ok()?) })
    }
}
