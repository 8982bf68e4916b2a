//! The fields of a message.

use std::{fmt, ops::Range};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields, in their order. Those that were read over HTTP/1.1 lie where they were read: names and values are
/// places in the bytes of the head, and go on from there. Behind them stands what came otherwise, and what the gateway
/// itself says.
///
/// A head has few fields, and most of them are looked at once: a list is the cheaper map. Names are in lower case.
#[derive(Clone, Default)]
pub struct Fields {
    head: BytesMut,
    lines: Vec<Line>,
    own: Vec<(HeaderName, HeaderValue)>,
}

/// A field line of a head.
#[derive(Debug, Clone, Copy)]
struct Line {
    name: Place,
    value: Place,
    /// It stands in the head as we would write it.
    is_plain: bool,
}

/// Where in a head something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    start: u32,
    end: u32,
}

/// The field lines of a head that is still being read.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

/// There are several fields where there may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Several;

/// Lines there is room for from the first.
const LINES: usize = 8;

impl Place {
    /// The place of `part`, which is a part of `head`; of a head too long for that, nowhere.
    fn of(part: &[u8], head: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
        match (u32::try_from(start), u32::try_from(start.wrapping_add(part.len()))) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    fn in_head(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Line {
    /// Takes `place` out of the value. What follows it moves up, and a line end behind that.
    fn cut(&mut self, head: &mut [u8], place: Range<usize>) {
        let Some(value) = head.get_mut(self.value.start as usize..self.value.end as usize) else { return };
        if place.is_empty() || place.end > value.len() {
            return;
        }
        value.copy_within(place.end.., place.start);
        let left = value.len() - place.len();
        if let Some(behind) = value.get_mut(left..) {
            for (byte, end) in behind.iter_mut().zip(b"\r\n") {
                *byte = *end;
            }
        }
        self.value.end -= u32::try_from(place.len()).unwrap_or_default();
        self.is_plain &= place.len() >= 2;
    }
}

impl Lines {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// One more line: name and value are parts of `head`.
    pub(crate) fn push(&mut self, head: &[u8], name: &[u8], value: &[u8]) {
        let (name, value) = (Place::of(name, head), Place::of(value, head));
        let is_plain = head.get(name.end as usize..value.start as usize) == Some(b": ")
            && head.get(value.end as usize..).is_some_and(|rest| rest.starts_with(b"\r\n"));
        if self.0.capacity() == 0 {
            self.0.reserve(LINES);
        }
        self.0.push(Line { name, value, is_plain });
    }

    /// None so far, in the place of those of a message that is over.
    pub(crate) fn in_place_of(over: &mut Fields) -> Self {
        let mut lines = std::mem::take(over).lines;
        lines.clear();
        Self(lines)
    }

    /// With the head they were found in.
    pub(crate) fn within(self, mut head: BytesMut) -> Fields {
        for line in &self.0 {
            if let Some(name) = head.get_mut(line.name.start as usize..line.name.end as usize) {
                name.make_ascii_lowercase();
            }
        }
        Fields { head, lines: self.0, own: Vec::new() }
    }
}

impl Fields {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let read =
            self.lines.iter().map(|line| (line.name.in_head(&self.head), line.value.in_head(&self.head)));
        read.chain(self.own.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())))
    }

    /// The values of one name, which is in lower case.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The first value of one name.
    #[must_use]
    pub fn first(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The value of the only field of that name. `Err` where there are several.
    pub(crate) fn only(&self, name: &[u8]) -> Result<Option<&[u8]>, Several> {
        let mut all = self.iter().filter(|(found, _)| *found == name);
        let first = all.next().map(|(_, value)| value);
        if all.next().is_some() { Err(Several) } else { Ok(first) }
    }

    /// The first value of one name, to be used elsewhere.
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<HeaderValue> {
        let is_named = |line: &&Line| line.name.in_head(&self.head) == name;
        if let Some(line) = self.lines.iter().find(is_named) {
            return HeaderValue::from_bytes(line.value.in_head(&self.head)).ok();
        }
        self.own.iter().find(|(found, _)| found.as_str().as_bytes() == name).map(|(_, value)| value.clone())
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.first(name).is_some()
    }

    /// Whether one of the entity tags of `If-None-Match` is this one, or any will do (RFC 9110 §13.1.2).
    pub(crate) fn has_entity_tag(&self, own: &[u8]) -> bool {
        let tags = self.all(b"if-none-match").flat_map(|line| line.split(|byte| *byte == b','));
        let mut tags = tags.map(<[u8]>::trim_ascii).map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag));
        tags.any(|tag| tag == b"*" || tag == own)
    }

    /// How long the head is that was read.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head.len()
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len() + self.own.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.own.is_empty()
    }

    /// Keeps those fields, by name and value, for which `keeps` is true.
    pub fn retain(&mut self, mut keeps: impl FnMut(&[u8], &[u8]) -> bool) {
        let head = &self.head;
        self.lines.retain(|line| keeps(line.name.in_head(head), line.value.in_head(head)));
        self.own.retain(|(name, value)| keeps(name.as_str().as_bytes(), value.as_bytes()));
    }

    /// Removes every field of that name.
    pub fn remove(&mut self, name: &[u8]) {
        self.retain(|found, _| found != name);
    }

    /// Removes all fields. Nothing of the head is kept.
    pub fn clear(&mut self) {
        self.head = BytesMut::new();
        self.lines.clear();
        self.own.clear();
    }

    /// Takes `place` out of the only value of that name, where it stands.
    pub(crate) fn cut(&mut self, name: &[u8], place: Range<usize>) {
        let Self { head, lines, own } = self;
        if let Some(line) = lines.iter_mut().find(|line| line.name.in_head(head) == name) {
            line.cut(head, place);
        } else if let Some((_, value)) = own.iter_mut().find(|(found, _)| found.as_str().as_bytes() == name) {
            let text = value.as_bytes();
            let around = [text.get(..place.start), text.get(place.end..)].map(Option::unwrap_or_default);
            // What is left of a value is one.
            *value = HeaderValue::from_bytes(&around.concat()).unwrap_or(HeaderValue::from_static(""));
        }
    }

    /// One more field, whether there is one of that name or not.
    pub fn add(&mut self, name: HeaderName, value: HeaderValue) {
        self.own.push((name, value));
    }

    /// A field in place of all of its name.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.remove(name.as_str().as_bytes());
        self.add(name, value);
    }

    /// Appends the field lines for which `passes` is true, as HTTP/1.1 has them.
    pub(crate) fn put(&self, out: &mut Vec<u8>, mut passes: impl FnMut(&[u8], &[u8]) -> bool) {
        out.reserve(self.head.len());
        // Lines that stand together as they are to be written are written together.
        let mut together = Place::default();
        for line in &self.lines {
            let (name, value) = (line.name.in_head(&self.head), line.value.in_head(&self.head));
            if !passes(name, value) {
                continue;
            }
            if !line.is_plain {
                out.extend_from_slice(std::mem::take(&mut together).in_head(&self.head));
                put_line(out, name, value);
                continue;
            }
            if together.end != line.name.start {
                out.extend_from_slice(together.in_head(&self.head));
                together.start = line.name.start;
            }
            together.end = line.value.end + 2;
        }
        out.extend_from_slice(together.in_head(&self.head));
        for (name, value) in &self.own {
            let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
            if passes(name, value) {
                put_line(out, name, value);
            }
        }
    }
}

/// One field line.
pub(crate) fn put_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        let mut own = Vec::with_capacity(map.len());
        let mut last = None;
        // Only the first of several values has the name.
        for (name, value) in map {
            last = name.or(last);
            own.extend(last.clone().map(|name| (name, value)));
        }
        Self { own, ..Self::default() }
    }
}

impl From<Fields> for HeaderMap {
    fn from(fields: Fields) -> Self {
        let Fields { head, lines, own } = fields;
        let head = head.freeze();
        let mut map = Self::with_capacity(lines.len() + own.len());
        for line in lines {
            let value = head.slice_ref(line.value.in_head(&head));
            let field =
                (HeaderName::from_bytes(line.name.in_head(&head)), HeaderValue::from_maybe_shared(value));
            // The parser takes no name and no value that this does not; the fuzz target `answer` holds it to that.
            match field {
                (Ok(name), Ok(value)) => drop(map.append(name, value)),
                _ => debug_assert!(false, "a field that no map takes"),
            }
        }
        for (name, value) in own {
            map.append(name, value);
        }
        map
    }
}

impl fmt::Debug for Fields {
    /// Names alone: there are cookies among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name.escape_ascii().to_string())).finish()
    }
}

#[cfg(test)]
mod tests;
