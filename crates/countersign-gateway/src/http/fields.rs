//! The fields of a message.

mod block;
mod line;
mod lower_case;
mod marks;

use std::{fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

pub(crate) use self::{block::Block, marks::Marks};
use self::{
    line::{Line, Place, Text},
    lower_case::make_lower_case,
};
use crate::http1::trim;

/// Header fields, in their order: places in a text. Those that were read over HTTP/1.1 lie where they were read, and go on
/// from there; behind the head stands, as it would be read, what came otherwise and what the gateway itself says.
///
/// A head has few fields, and most of them are looked at once: a list is the cheaper map. Names are in lower case.
#[derive(Clone, Default)]
pub struct Fields {
    head: BytesMut,
    own: Vec<u8>,
    lines: Vec<Line>,
    marks: Marks,
}

/// The field lines of a head that is still being read.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    marks: Marks,
}

/// A line of some fields, while none comes and none goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineNumber {
    number: usize,
    of: usize,
}

/// There are several fields where there may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Several;

/// Lines there is room for from the first.
const LINES: usize = 8;
/// Bytes of fields of our own there is room for from the first.
const OWN: usize = 192;
/// What a field takes, more or less.
const FIELD: usize = 48;

impl Lines {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// One more line, with its name and its value at these places of `head`. The name is put in lower case there.
    pub(crate) fn push(&mut self, head: &mut [u8], name: Range<usize>, value: Range<usize>) {
        let is_plain = head.get(name.end..value.start) == Some(b": ")
            && head.get(value.end..).is_some_and(|rest| rest.starts_with(b"\r\n"));
        let line = Line { name: Place::of(&name), value: Place::of(&value), text: Text::Head, is_plain };
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
        Fields { head, own: Vec::new(), lines: self.lines, marks: self.marks }
    }
}

impl Fields {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.name_of(line), self.value_of(line)))
    }

    /// The values of one name, which is in lower case.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let lines = if self.marks.may_have(name) { &self.lines[..] } else { &[] };
        lines.iter().filter(move |line| self.is_named(line, name)).map(|line| self.value_of(line))
    }

    /// The first value of one name.
    #[must_use]
    #[inline]
    pub fn first(&self, name: &[u8]) -> Option<&[u8]> {
        self.find(name).map(|line| self.value_of(line))
    }

    /// The value of the only field of that name. `Err` where there are several.
    #[inline]
    pub(crate) fn only(&self, name: &[u8]) -> Result<Option<&[u8]>, Several> {
        Ok(self.only_line(name)?.map(|(_, value)| value))
    }

    /// The same, with the line that it stands in.
    #[inline]
    pub(crate) fn only_line(&self, name: &[u8]) -> Result<Option<(LineNumber, &[u8])>, Several> {
        if self.marks.may_have(name) { self.search_only(name) } else { Ok(None) }
    }

    fn search_only(&self, name: &[u8]) -> Result<Option<(LineNumber, &[u8])>, Several> {
        let mut lines = self.lines.iter().enumerate().filter(|(_, line)| self.is_named(line, name));
        match (lines.next(), lines.next()) {
            (_, Some(_)) => Err(Several),
            (line, None) => {
                Ok(line
                    .map(|(number, line)| (LineNumber { number, of: self.lines.len() }, self.value_of(line))))
            }
        }
    }

    /// The value in that line, if it still has that name.
    pub(crate) fn value_in(&self, LineNumber { number, of }: LineNumber, name: &[u8]) -> Option<&[u8]> {
        let line =
            self.lines.get(number).filter(|line| of == self.lines.len() && self.is_named(line, name))?;
        Some(self.value_of(line))
    }

    /// The first value of one name, to be used elsewhere.
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<HeaderValue> {
        self.first(name).and_then(|value| HeaderValue::from_bytes(value).ok())
    }

    /// The first line of that name.
    #[inline]
    fn find(&self, name: &[u8]) -> Option<&Line> {
        if self.marks.may_have(name) { self.search(name) } else { None }
    }

    fn search(&self, name: &[u8]) -> Option<&Line> {
        self.lines.iter().find(|line| self.is_named(line, name))
    }

    fn is_named(&self, line: &Line, name: &[u8]) -> bool {
        line.name.length() == name.len() && self.name_of(line) == name
    }

    fn name_of(&self, line: &Line) -> &[u8] {
        line.name.within(self.text_of(line))
    }

    fn value_of(&self, line: &Line) -> &[u8] {
        line.value.within(self.text_of(line))
    }

    fn text_of(&self, line: &Line) -> &[u8] {
        match line.text {
            Text::Head => &self.head,
            Text::Own => &self.own,
        }
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

    /// Which names may be there.
    pub(crate) const fn marks(&self) -> Marks {
        self.marks
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Keeps those fields, by name and value, for which `keeps` is true.
    pub fn retain(&mut self, mut keeps: impl FnMut(&[u8], &[u8]) -> bool) {
        let Self { head, own, lines, .. } = self;
        lines.retain(|line| {
            let text = match line.text {
                Text::Head => &head[..],
                Text::Own => own,
            };
            keeps(line.name.within(text), line.value.within(text))
        });
    }

    /// Removes every field of that name.
    pub fn remove(&mut self, name: &[u8]) {
        if self.marks.may_have(name) {
            self.retain(|found, _| found != name);
        }
    }

    /// Removes all fields. Nothing of their text is kept.
    pub fn clear(&mut self) {
        self.head = BytesMut::new();
        self.own = Vec::new();
        self.lines.clear();
        if self.lines.capacity() > 2 * LINES {
            self.lines = Vec::new();
        }
        self.marks = Marks::default();
    }

    /// Takes `place`, which is a place in it, out of the value in that line, where it stands.
    pub(crate) fn cut(&mut self, line: LineNumber, place: Range<usize>) {
        let Self { head, own, lines, .. } = self;
        let Some(line) = lines.get_mut(line.number) else { return };
        match line.text {
            Text::Head => line.cut(head, place),
            Text::Own => line.cut(own, place),
        }
    }

    /// One more field, whether there is one of that name or not.
    pub fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.append(name.as_str().as_bytes(), value.as_bytes());
    }

    /// One more field of a name that is in lower case, and a value that is one.
    pub(crate) fn append(&mut self, name: &[u8], value: &[u8]) {
        let start = self.begin_own(name.len().saturating_add(value.len()));
        put_line(&mut self.own, name, value);
        let end = self.own.len().saturating_sub(2);
        let line = Line {
            name: Place::of(&(start..start.saturating_add(name.len()))),
            value: Place::of(&(end.saturating_sub(value.len())..end)),
            text: Text::Own,
            is_plain: true,
        };
        self.marks.add(name);
        self.lines.push(line);
    }

    /// Makes room behind the head. Where that begins.
    fn begin_own(&mut self, length: usize) -> usize {
        if self.own.capacity() == 0 {
            self.own.reserve(OWN.max(length));
        }
        self.own.len()
    }

    /// A field in place of all of its name.
    pub fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.remove(name.as_str().as_bytes());
        self.add(name, value);
    }

    /// Appends the field lines for which `passes` is true, as HTTP/1.1 has them.
    pub(crate) fn put(&self, out: &mut Vec<u8>, mut passes: impl FnMut(&[u8], &[u8]) -> bool) {
        out.reserve(self.head.len() + self.own.len());
        // Lines that stand together as they are to be written are written together.
        let (mut text, mut together) = (&self.head[..], Place::default());
        for line in &self.lines {
            let its_text = self.text_of(line);
            let (name, value) = (line.name.within(its_text), line.value.within(its_text));
            if !passes(name, value) {
                continue;
            }
            if !line.is_plain {
                out.extend_from_slice(std::mem::take(&mut together).within(text));
                put_line(out, name, value);
                continue;
            }
            if together.end != line.name.start || !std::ptr::eq(text, its_text) {
                out.extend_from_slice(together.within(text));
                text = its_text;
                together.start = line.name.start;
            }
            together.end = line.value.end + 2;
        }
        out.extend_from_slice(together.within(text));
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
        let mut fields = Self::default();
        fields.lines.reserve(map.len());
        fields.own.reserve(map.len().saturating_mul(FIELD));
        for (name, value) in &map {
            fields.add(name, value);
        }
        fields
    }
}

impl From<Fields> for HeaderMap {
    fn from(fields: Fields) -> Self {
        let Fields { head, own, lines, .. } = fields;
        let (head, own) = (head.freeze(), Bytes::from(own));
        let mut map = Self::with_capacity(lines.len());
        for line in lines {
            let text = match line.text {
                Text::Head => &head,
                Text::Own => &own,
            };
            // What HTTP/1.1 would not take for a part of the value, HTTP/2 forbids (RFC 9113 §8.2.1).
            let value = text.slice_ref(trim(line.value.within(text)));
            let field =
                (HeaderName::from_bytes(line.name.within(text)), HeaderValue::from_maybe_shared(value));
            // The parser takes no name and no value that this does not; the fuzz targets `answer` and `http_headers` hold it to that.
            match field {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(is_secret(&name));
                    map.append(name, value);
                }
                _ => debug_assert!(false, "a field that no map takes"),
            }
        }
        map
    }
}

/// What HTTP/2 must never put into a table of names and values (RFC 7541 §7.1.3).
fn is_secret(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::COOKIE, header::SET_COOKIE].contains(name)
}

impl fmt::Debug for Fields {
    /// Names alone: there are cookies among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name.escape_ascii().to_string())).finish()
    }
}

#[cfg(test)]
mod tests;
