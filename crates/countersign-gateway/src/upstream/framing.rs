//! How long an answer over HTTP/1.1 is, said once (RFC 9112 §6.3).
//!
//! The body has been read by then, and goes on in a framing of our own. What the service said of its length goes on too,
//! so it must say the same.

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::UpstreamError;
use crate::http1::Seen;

/// Takes away a length beside chunks, and one that is said twice.
///
/// # Errors
/// [`UpstreamError::Malformed`] for a coding other than chunks, which nobody has taken off the body, and for lengths that
/// differ or are none.
pub(super) fn settle(headers: &mut HeaderMap, seen: Seen) -> Result<(), UpstreamError> {
    if seen.codings > 0 {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let is_chunked = codings.next().is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !is_chunked || codings.next().is_some() {
            return Err(UpstreamError::Malformed);
        }
        headers.remove(CONTENT_LENGTH);
        return Ok(());
    }
    let Some(first) = headers.get(CONTENT_LENGTH) else { return Ok(()) };
    if seen.lengths == 1 && is_number(first.as_bytes()) {
        return Ok(());
    }
    let length = one_of(headers).ok_or(UpstreamError::Malformed)?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(())
}

/// The one length that all of them name.
fn one_of(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let mut all = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let first = number(all.next()?)?;
    all.all(|length| number(length) == Some(first)).then_some(first)
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = Some(text.trim_ascii()).filter(|digits| is_number(digits))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(fields: &[(&str, &str)]) -> Result<Option<String>, UpstreamError> {
        let mut headers = HeaderMap::new();
        let mut seen = Seen::default();
        for (name, value) in fields {
            *(if *name == "content-length" { &mut seen.lengths } else { &mut seen.codings }) += 1;
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        settle(&mut headers, seen)?;
        assert!(headers.get_all(CONTENT_LENGTH).iter().count() <= 1);
        Ok(headers.get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned()))
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
