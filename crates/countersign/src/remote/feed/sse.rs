//! Server-sent events, as far as the feed has them. Pure: bytes go in, events come out.
//!
//! Lines end with LF or CRLF. `event` and `data` are read; `id`, `retry` and comments are not needed, as the place in
//! the feed is what was signed.

use crate::revocation::MAX_EVENT_BYTES;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// Its name; empty without one.
    pub(super) name: String,
    /// Its data.
    pub(super) data: Vec<u8>,
}

/// An event, or a line of one, is longer than [`MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// The most bytes of one event, names of fields included.
pub(super) const MAX_BYTES: usize = MAX_EVENT_BYTES + 1024;

/// Puts events together from pieces of a stream.
#[derive(Debug, Default)]
pub(super) struct SseReader {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Option<Vec<u8>>,
    /// Bytes of the event so far.
    bytes: usize,
}

impl SseReader {
    /// Takes the next piece; gives the events that end in it.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        let mut lines = piece.split(|&byte| byte == b'\n');
        // Without a line end nothing is complete; what is after the last one is not either.
        let mut rest = lines.next().unwrap_or_default();
        for next in lines {
            self.add(rest)?;
            self.bytes += 1;
            let line = std::mem::take(&mut self.line);
            events.extend(self.handle_line(line.strip_suffix(b"\r").unwrap_or(&line)));
            rest = next;
        }
        self.add(rest)?;
        Ok(events)
    }

    fn add(&mut self, part: &[u8]) -> Result<(), TooLong> {
        self.bytes += part.len();
        if self.bytes > MAX_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn handle_line(&mut self, line: &[u8]) -> Option<SseEvent> {
        if line.is_empty() {
            self.bytes = 0;
            let name = String::from_utf8_lossy(&std::mem::take(&mut self.name)).into_owned();
            let data = self.data.take();
            // An event without data is none, but for one that says everything by its name.
            return (data.is_some() || !name.is_empty())
                .then(|| SseEvent { name, data: data.unwrap_or_default() });
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at_checked(colon)?;
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = value.to_vec(),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_BYTES, SseEvent, SseReader, TooLong};

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent { name: name.to_owned(), data: data.as_bytes().to_vec() }
    }

    const STREAM: &str = ": hello\n\nid: e.1\nevent: revocation\ndata: a.b.c\n\r\nevent:heartbeat\r\ndata:x\r\nretry: 5\r\n\r\n\
                          data: 1\ndata: 2\nother\n\nevent: reset\n\nevent: cut\ndata: never";

    #[test]
    fn events_are_read() {
        let events = SseReader::default().push(STREAM.as_bytes()).unwrap();
        assert_eq!(
            events,
            [event("revocation", "a.b.c"), event("heartbeat", "x"), event("", "1\n2"), event("reset", "")]
        );
    }

    #[test]
    fn what_never_ends_is_refused() {
        for endless in ["data: x", "x\n", ": comment\n", "\u{0}"] {
            let mut reader = SseReader::default();
            let pieces = MAX_BYTES / endless.len() + 2;
            let refused = (0..pieces).find_map(|_| reader.push(endless.as_bytes()).err());
            assert_eq!(refused, Some(TooLong), "{endless:?}");
        }
        let mut reader = SseReader::default();
        for _ in 0..10_000 {
            assert_eq!(
                reader.push(b"data: 0123456789abcdef\n\n").unwrap().len(),
                1,
                "a long stream is no long event"
            );
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_a_stream_is_cut(cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut reader, mut events, mut from) = (SseReader::default(), Vec::new(), 0);
            for cut in cuts.into_iter().chain([STREAM.len()]) {
                events.extend(reader.push(&STREAM.as_bytes()[from..cut]).unwrap());
                from = cut;
            }
            prop_assert_eq!(events, SseReader::default().push(STREAM.as_bytes()).unwrap());
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(SseReader::default().push(&bytes).is_ok());
        }
    }
}
