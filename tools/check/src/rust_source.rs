//! Just enough reading of Rust to count lines and see names: comments, literals and tests are blanked out,
//! everything else keeps its place.

/// One Rust file in two forms with the same lines and columns.
#[derive(Debug)]
pub(crate) struct RustSource {
    /// As written, but without what is under `#[cfg(test)]`.
    pub(crate) shipped: String,
    /// `shipped` with comments and the insides of literals blanked out.
    pub(crate) code: String,
}

/// One function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl RustSource {
    /// Reads a file.
    pub(crate) fn new(text: &str) -> Self {
        let masked: Vec<char> = mask(text);
        let mut shipped: Vec<char> = text.chars().collect();
        let mut code = masked.clone();
        for (start, end) in test_items(&masked) {
            for list in [&mut shipped, &mut code] {
                for c in list.iter_mut().take(end).skip(start).filter(|c| **c != '\n') {
                    *c = ' ';
                }
            }
        }
        Self { shipped: shipped.into_iter().collect(), code: code.into_iter().collect() }
    }

    /// A file with its tests and its documentation comments as they are, other comments and the insides of literals
    /// blanked out.
    pub(crate) fn with_tests_and_documentation(text: &str) -> String {
        let masked: String = mask(text).into_iter().collect();
        let is_documentation = |line: &str| {
            let line = line.trim_start();
            line.starts_with("//!") || line.starts_with("///")
        };
        let lines = text.lines().zip(masked.lines());
        lines.flat_map(|(line, masked)| [if is_documentation(line) { line } else { masked }, "\n"]).collect()
    }

    /// Lines that hold anything but tests.
    pub(crate) fn shipped_lines(&self) -> usize {
        let text = self.shipped.trim_end();
        if text.is_empty() { 0 } else { text.lines().count() }
    }

    /// Every function with a body, tests left out.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code: Vec<char> = self.code.chars().collect();
        let mut found = Vec::new();
        for (at, word) in words(&code) {
            if word != "fn" {
                continue;
            }
            let name: String = code
                .iter()
                .skip(at + 2)
                .skip_while(|c| c.is_whitespace())
                .take_while(|c| is_word(**c))
                .collect();
            if name.is_empty() {
                continue; // a function pointer's type
            }
            let Some(open) = body_start(&code, at) else { continue };
            let Some(close) = closing(&code, open) else { continue };
            let line = line_of(&code, at);
            found.push(Function { name, line, lines: line_of(&code, close) + 1 - line });
        }
        found
    }
}

/// Positions and texts of all words.
pub(crate) fn words(code: &[char]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut word = String::new();
    for (at, c) in code.iter().copied().chain([' ']).enumerate() {
        if is_word(c) {
            word.push(c);
        } else if !word.is_empty() {
            found.push((at - word.chars().count(), std::mem::take(&mut word)));
        }
    }
    found
}

/// The line, from 1, of a position.
pub(crate) fn line_of(code: &[char], at: usize) -> usize {
    1 + code.iter().take(at).filter(|c| **c == '\n').count()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The `{` of the function at `at`; `None` for a declaration without a body.
fn body_start(code: &[char], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (position, c) in code.iter().enumerate().skip(at) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' if depth == 0 => return Some(position),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The `}` that belongs to the `{` at `open`.
fn closing(code: &[char], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (position, c) in code.iter().enumerate().skip(open) {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(position);
                }
            }
            _ => {}
        }
    }
    None
}

/// Start and end of each item under `#[cfg(test)]`, attribute included.
fn test_items(code: &[char]) -> Vec<(usize, usize)> {
    let attribute: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for at in 0..code.len() {
        let after = found.last().is_none_or(|(_, end)| at >= *end);
        if !after || !code.iter().skip(at).take(attribute.len()).eq(attribute.iter()) {
            continue;
        }
        let from = at + attribute.len();
        // an item ends with its body or with a semicolon, whichever comes first
        let end = match body_start(code, from) {
            Some(open) => closing(code, open).map(|close| close + 1),
            None => code.iter().skip(from).position(|c| *c == ';').map(|semicolon| from + semicolon + 1),
        };
        found.push((at, end.unwrap_or(code.len())));
    }
    found
}

/// The text with comments and the insides of string and character literals replaced by spaces.
fn mask(text: &str) -> Vec<char> {
    let source: Vec<char> = text.chars().collect();
    let mut out = source.clone();
    let mut at = 0;
    while let Some(c) = source.get(at).copied() {
        let next = source.get(at + 1).copied();
        let before = at.checked_sub(1).and_then(|i| source.get(i)).copied();
        let end = match (c, next) {
            ('/', Some('/')) => line_end(&source, at),
            ('/', Some('*')) => block_comment_end(&source, at),
            ('"', _) => string_end(&source, at),
            ('r', Some('"' | '#')) if !before.is_some_and(|b| is_word(b) && b != 'b' && b != 'c') => {
                raw_string_end(&source, at).unwrap_or(at + 1)
            }
            ('\'', _) => character_end(&source, at).unwrap_or(at + 1),
            _ => at + 1,
        };
        if end > at + 1 {
            for masked in out.iter_mut().take(end).skip(at).filter(|c| **c != '\n') {
                *masked = ' ';
            }
        }
        at = end;
    }
    out
}

fn line_end(source: &[char], at: usize) -> usize {
    source.iter().skip(at).position(|c| *c == '\n').map_or(source.len(), |length| at + length)
}

fn block_comment_end(source: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < source.len() {
        match (source.get(at), source.get(at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    source.len()
}

fn string_end(source: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(c) = source.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    source.len()
}

/// The end of `r#"…"#`; `None` for a raw identifier.
fn raw_string_end(source: &[char], start: usize) -> Option<usize> {
    let hashes = source.iter().skip(start + 1).take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if source.get(open) != Some(&'"') {
        return None;
    }
    let mut at = open + 1;
    while let Some(c) = source.get(at) {
        if *c == '"' && source.iter().skip(at + 1).take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(source.len())
}

/// The end of a character literal; `None` for a lifetime.
fn character_end(source: &[char], start: usize) -> Option<usize> {
    match (source.get(start + 1)?, source.get(start + 2)?) {
        ('\\', _) => {
            let quote = source.iter().skip(start + 3).position(|c| *c == '\'')?;
            Some(start + 3 + quote + 1)
        }
        (_, '\'') => Some(start + 3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Function, RustSource};

    #[test]
    fn comments_and_literals_are_blank() {
        let source = RustSource::new(
            "let a = \"x // {\"; // {\nlet b = '{'; /* { /* } */ */ let c: &'a str = r#\"\"{\"#;",
        );
        assert!(!source.code.contains('{'), "{}", source.code);
        assert!(source.code.contains("let c: &'a str"));
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn escaped_quotes_do_not_end_a_literal() {
        let source = RustSource::new(r#"let a = "\"{"; let b = '\''; let c = b'\\'; fn f() {}"#);
        assert_eq!(source.functions(), [Function { name: "f".to_owned(), line: 1, lines: 1 }]);
    }

    #[test]
    fn tests_are_left_out() {
        let source = RustSource::new(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(test)]\nmod more;\nfn c() {\n}\n",
        );
        let names: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(names, [("a".to_owned(), 1, 1), ("c".to_owned(), 8, 2)]);
        assert!(!source.shipped.contains("mod"));
    }

    #[test]
    fn a_declaration_and_a_pointer_are_no_functions() {
        let source = RustSource::new(
            "trait T { fn a(&self, x: [u8; 2]) -> u8; }\nstruct S(fn(u8) -> u8);\nfn b(f: fn()) where u8: Copy {\n f()\n}",
        );
        let names: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.lines)).collect();
        assert_eq!(names, [("b".to_owned(), 3)]);
    }
}
