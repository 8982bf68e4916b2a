//! PEM (RFC 7468), read strictly.

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
    /// The first block of the text, but for parameters of a curve, which the key names again; `None` if there is none
    /// or it is malformed.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (_, after) = text.split_once("-----BEGIN ")?;
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        let rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        if label == "EC PARAMETERS" {
            return Self::parse(rest);
        }
        let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
        Some(Self { label, der: Zeroizing::new(STANDARD.decode(body.as_bytes()).ok()?) })
    }
}
