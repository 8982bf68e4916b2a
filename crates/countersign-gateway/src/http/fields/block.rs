//! Fields that are known when the program is built.

use super::{
    Fields, Marks,
    line::{Line, Place, Text},
};

/// Two field lines, as they are written.
#[derive(Debug)]
pub(crate) struct Block {
    text: &'static [u8],
    lines: [Line; 2],
    marks: Marks,
}

impl Block {
    /// Of a text like `a: 1\r\nb: 2\r\n`, with names in lower case.
    ///
    /// # Panics
    /// While the program is built, for any other text.
    pub(crate) const fn of(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let (first, marks, at) = line(bytes, 0, Marks(0));
        let (second, marks, end) = line(bytes, at, marks);
        assert!(end == bytes.len(), "two lines");
        Self { text: bytes, lines: [first, second], marks }
    }
}

/// The line that begins at `start`, and where the next one does.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn line(text: &[u8], start: usize, mut marks: Marks) -> (Line, Marks, usize) {
    let mut colon = start;
    while text[colon] != b':' {
        assert!(text[colon] == b'-' || text[colon].is_ascii_lowercase(), "a name in lower case");
        colon += 1;
    }
    assert!(text[colon + 1] == b' ' && text[colon + 2] != b' ', "one space");
    let mut end = colon + 2;
    while text[end] != b'\r' {
        assert!(text[end].is_ascii_graphic() || text[end] == b' ', "a value");
        end += 1;
    }
    assert!(text[end + 1] == b'\n', "a line end");
    let (_, rest) = text.split_at(start);
    let (name, _) = rest.split_at(colon - start);
    marks.add(name);
    let (name, value) = (place(start, colon), place(colon + 2, end));
    (Line { name, value, text: Text::Own, is_plain: true }, marks, end + 2)
}

#[expect(clippy::cast_possible_truncation, reason = "evaluated by the compiler, of a short text")]
const fn place(start: usize, end: usize) -> Place {
    assert!(end < 1024, "a short text");
    Place { start: start as u32, end: end as u32 }
}

impl Fields {
    /// Two more fields, whether there are any of their names or not.
    pub(crate) fn append_block(&mut self, block: &'static Block) {
        let start = self.begin_own(block.text.len());
        self.own.extend_from_slice(block.text);
        self.marks.0 |= block.marks.0;
        self.lines.extend(block.lines.iter().map(|line| Line {
            name: line.name.behind(start),
            value: line.value.behind(start),
            ..*line
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Fields};

    static BLOCK: Block = Block::of("vary: Cookie\r\ncache-control: private, no-cache\r\n");

    #[test]
    fn a_block_is_two_fields() {
        let mut fields = Fields::default();
        fields.append(b"x", b"1");
        fields.append_block(&BLOCK);
        fields.append(b"y", b"2");
        let expected = [("x", "1"), ("vary", "Cookie"), ("cache-control", "private, no-cache"), ("y", "2")];
        let said: Vec<_> = fields.iter().collect();
        assert_eq!(said, expected.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        assert_eq!(fields.only(b"cache-control"), Ok(Some(&b"private, no-cache"[..])));
        let mut out = Vec::new();
        fields.put(&mut out, |name, _| name != b"vary");
        assert_eq!(out, b"x: 1\r\ncache-control: private, no-cache\r\ny: 2\r\n");
    }
}
