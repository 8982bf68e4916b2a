//! How long an answer over HTTP/1.1 is, said once (RFC 9112 §6.3).
//!
//! The body has been read by then, and goes on in a framing of our own. What the service said of its length goes on too,
//! so it must say the same.

use http::{HeaderValue, header};

use super::UpstreamError;
use crate::{
    http::{Fields, Several},
    http1::length,
};

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// Takes away a length beside chunks, and one that is said twice.
///
/// # Errors
/// [`UpstreamError::Malformed`] for a coding other than chunks, which nobody has taken off the body, and for lengths that
/// differ or are none.
pub(super) fn settle(fields: &mut Fields) -> Result<(), UpstreamError> {
    match fields.only(TRANSFER_ENCODING) {
        Ok(None) => {}
        Ok(Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => {
            fields.remove(CONTENT_LENGTH);
            return Ok(());
        }
        Ok(Some(_)) | Err(Several) => return Err(UpstreamError::Malformed),
    }
    match fields.only(CONTENT_LENGTH) {
        Ok(None) => return Ok(()),
        Ok(Some(one)) if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => return Ok(()),
        Ok(Some(_)) | Err(Several) => {}
    }
    let one = one_of(fields).ok_or(UpstreamError::Malformed)?;
    fields.set(&header::CONTENT_LENGTH, &HeaderValue::from(one));
    Ok(())
}

/// The one length that all of them name.
fn one_of(fields: &Fields) -> Option<u64> {
    let mut all = fields.all(CONTENT_LENGTH).flat_map(|line| line.split(|byte| *byte == b','));
    let first = length(all.next()?)?;
    all.all(|other| length(other) == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(fields: &[(&str, &str)]) -> Result<Option<String>, UpstreamError> {
        let mut headers = Fields::default();
        for (name, value) in fields {
            headers.add(&name.parse().unwrap(), &value.parse().unwrap());
        }
        settle(&mut headers)?;
        assert!(headers.all(CONTENT_LENGTH).count() <= 1);
        Ok(headers.first(CONTENT_LENGTH).map(|length| String::from_utf8(length.to_vec()).unwrap()))
    }

    #[test]
    fn a_length_is_said_once_and_not_beside_chunks() {
        let (length, coding) = ("content-length", "transfer-encoding");
        assert_eq!(settled(&[]), Ok(None));
        assert_eq!(settled(&[(length, "5")]), Ok(Some("5".to_owned())));
        assert_eq!(settled(&[(length, "5, 5")]), Ok(Some("5".to_owned())));
        assert_eq!(settled(&[(length, "5"), (length, "5 ,5")]), Ok(Some("5".to_owned())));
        assert_eq!(settled(&[(coding, "Chunked"), (length, "3")]), Ok(None));
        for bad in [
            &[(length, "5, 6")][..],
            &[(length, "5"), (length, "6")],
            &[(length, "+5")],
            &[(length, "")],
            &[(length, "5,")],
            &[(coding, "gzip, chunked")],
            &[(coding, "xchunked")],
            &[(coding, "gzip"), (coding, "chunked")],
        ] {
            assert_eq!(settled(bad), Err(UpstreamError::Malformed), "{bad:?}");
        }
    }
}
