//! The fields of a message.

mod lower_case;

use std::{fmt, ops::Range};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use self::lower_case::make_lower_case;

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
    marks: Marks,
}

/// Which names may be there: most of those that are looked for are not.
#[derive(Debug, Clone, Copy, Default)]
struct Marks(u64);

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
pub(crate) struct Lines {
    lines: Vec<Line>,
    marks: Marks,
}

/// There are several fields where there may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Several;

/// Lines there is room for from the first.
const LINES: usize = 8;

impl Place {
    /// Of a head too long for that, nowhere.
    fn of(range: &Range<usize>) -> Self {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    const fn length(self) -> usize {
        self.end.wrapping_sub(self.start) as usize
    }

    fn in_head(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Marks {
    /// A bit for a name in lower case, which other names have too.
    const fn of(name: &[u8]) -> u64 {
        match name {
            [first, ..] => 1 << ((*first as usize ^ name.len().wrapping_mul(3)) % 64),
            [] => 0,
        }
    }

    const fn add(&mut self, name: &[u8]) {
        self.0 |= Self::of(name);
    }

    const fn may_have(self, name: &[u8]) -> bool {
        self.0 & Self::of(name) != 0
    }
}

impl Line {
    fn is_named(&self, name: &[u8], head: &[u8]) -> bool {
        self.name.length() == name.len() && self.name.in_head(head) == name
    }

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
        self.lines.len()
    }

    /// One more line, with its name and its value at these places of `head`. The name is put in lower case there.
    pub(crate) fn push(&mut self, head: &mut [u8], name: Range<usize>, value: Range<usize>) {
        let is_plain = head.get(name.end..value.start) == Some(b": ")
            && head.get(value.end..).is_some_and(|rest| rest.starts_with(b"\r\n"));
        let line = Line { name: Place::of(&name), value: Place::of(&value), is_plain };
        if let Some(name) = head.get_mut(name) {
            make_lower_case(name);
            self.marks.add(name);
        }
        if self.lines.capacity() == 0 {
            self.lines.reserve(LINES);
        }
        self.lines.push(line);
    }

    /// None so far, in the place of those of a message that is over.
    pub(crate) fn in_place_of(over: &mut Fields) -> Self {
        let mut lines = std::mem::take(&mut over.lines);
        lines.clear();
        Self { lines, marks: Marks::default() }
    }

    /// With the head they were found in.
    pub(crate) fn within(self, head: BytesMut) -> Fields {
        Fields { head, lines: self.lines, own: Vec::new(), marks: self.marks }
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
        let (lines, own) = self.may_be_named(name);
        let lines = lines.iter().filter(move |line| line.is_named(name, &self.head));
        let own = own.iter().filter(move |(found, _)| found.as_str().as_bytes() == name);
        lines.map(|line| line.value.in_head(&self.head)).chain(own.map(|(_, value)| value.as_bytes()))
    }

    /// Where a name is looked for: nowhere, for most.
    #[inline]
    fn may_be_named(&self, name: &[u8]) -> (&[Line], &[(HeaderName, HeaderValue)]) {
        if self.marks.may_have(name) { (&self.lines, &self.own) } else { (&[], &[]) }
    }

    /// The first value of one name.
    #[must_use]
    #[inline]
    pub fn first(&self, name: &[u8]) -> Option<&[u8]> {
        if self.marks.may_have(name) { self.search(name) } else { None }
    }

    fn search(&self, name: &[u8]) -> Option<&[u8]> {
        let Self { lines, own, .. } = self;
        match lines.iter().find(|line| line.is_named(name, &self.head)) {
            Some(line) => Some(line.value.in_head(&self.head)),
            None => own
                .iter()
                .find(|(found, _)| found.as_str().as_bytes() == name)
                .map(|(_, value)| value.as_bytes()),
        }
    }

    /// The value of the only field of that name. `Err` where there are several.
    pub(crate) fn only(&self, name: &[u8]) -> Result<Option<&[u8]>, Several> {
        let (lines, own) = self.may_be_named(name);
        let mut found = None;
        for line in lines.iter().filter(|line| line.is_named(name, &self.head)) {
            if found.replace(line.value.in_head(&self.head)).is_some() {
                return Err(Several);
            }
        }
        for (_, value) in own.iter().filter(|(found, _)| found.as_str().as_bytes() == name) {
            if found.replace(value.as_bytes()).is_some() {
                return Err(Several);
            }
        }
        Ok(found)
    }

    /// The first value of one name, to be used elsewhere.
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<HeaderValue> {
        let (lines, own) = self.may_be_named(name);
        if let Some(line) = lines.iter().find(|line| line.is_named(name, &self.head)) {
            return HeaderValue::from_bytes(line.value.in_head(&self.head)).ok();
        }
        own.iter().find(|(found, _)| found.as_str().as_bytes() == name).map(|(_, value)| value.clone())
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
        if self.marks.may_have(name) {
            self.retain(|found, _| found != name);
        }
    }

    /// Removes all fields. Nothing of the head is kept.
    pub fn clear(&mut self) {
        self.head = BytesMut::new();
        self.lines.clear();
        self.own.clear();
        self.marks = Marks::default();
    }

    /// Takes `place` out of the only value of that name, where it stands.
    pub(crate) fn cut(&mut self, name: &[u8], place: Range<usize>) {
        let Self { head, lines, own, .. } = self;
        if let Some(line) = lines.iter_mut().find(|line| line.is_named(name, head)) {
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
        self.marks.add(name.as_str().as_bytes());
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
        let mut fields = Self { own: Vec::with_capacity(map.len()), ..Self::default() };
        let mut last = None;
        // Only the first of several values has the name.
        for (name, value) in map {
            last = name.or(last);
            if let Some(name) = &last {
                fields.add(name.clone(), value);
            }
        }
        fields
    }
}

impl From<Fields> for HeaderMap {
    fn from(fields: Fields) -> Self {
        let Fields { head, lines, own, .. } = fields;
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
