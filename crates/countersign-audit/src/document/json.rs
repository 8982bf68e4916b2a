//! JSON (RFC 8259) with line numbers.

use std::collections::HashSet;

use super::node::{Budget, Fault, Kind, Node, distinct, too_deep, weight};

pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { rest: text, line: 1, budget: Budget::default() };
    reader.skip();
    let node = reader.value(0)?;
    reader.skip();
    if reader.rest.is_empty() {
        Ok(node)
    } else {
        Err((reader.line, "text after the end of the JSON".to_owned()))
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        let trimmed = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let skipped = self.rest.len() - trimmed.len();
        self.line += self.rest.bytes().take(skipped).filter(|byte| *byte == b'\n').count();
        self.rest = trimmed;
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        too_deep(depth, self.line)?;
        let line = self.line;
        let kind = match self.rest.bytes().next() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Kind::Text(self.text()?),
            _ if self.take("true") => Kind::Bool(true),
            _ if self.take("false") => Kind::Bool(false),
            _ if self.take("null") => Kind::Null,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err((line, "this is no JSON".to_owned())),
        };
        let node = Node { kind, line };
        self.budget.spend(node.own_weight(), line)?;
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Fault> {
        self.take("{");
        let mut members: Vec<(String, Node)> = Vec::new();
        let mut names = HashSet::new();
        self.skip();
        if self.take("}") {
            return Ok(Kind::Map(members));
        }
        loop {
            self.skip();
            let line = self.line;
            let name = self.text()?;
            self.budget.spend(weight(&name), line)?;
            distinct(&mut names, &name, line)?;
            self.skip();
            if !self.take(":") {
                return Err((self.line, format!("`:` is missing after \"{name}\"")));
            }
            self.skip();
            let mut node = self.value(depth + 1)?;
            node.line = line;
            members.push((name, node));
            self.skip();
            if self.take("}") {
                return Ok(Kind::Map(members));
            }
            if !self.take(",") {
                return Err((self.line, "`,` or `}` is missing".to_owned()));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Fault> {
        self.take("[");
        let mut items = Vec::new();
        self.skip();
        if self.take("]") {
            return Ok(Kind::List(items));
        }
        loop {
            self.skip();
            items.push(self.value(depth + 1)?);
            self.skip();
            if self.take("]") {
                return Ok(Kind::List(items));
            }
            if !self.take(",") {
                return Err((self.line, "`,` or `]` is missing".to_owned()));
            }
        }
    }

    /// The end is found here; what is between the quotes is decoded by serde_json.
    fn text(&mut self) -> Result<String, Fault> {
        let line = self.line;
        let wrong = || (line, "a string in double quotes is expected".to_owned());
        let inside = self.rest.strip_prefix('"').ok_or_else(wrong)?;
        let mut escaped = false;
        let end = inside
            .bytes()
            .position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            })
            .ok_or_else(wrong)?;
        let (literal, rest) = self.rest.split_at_checked(end + 2).ok_or_else(wrong)?;
        self.rest = rest;
        serde_json::from_str(literal).map_err(|_| (line, "this is no JSON string".to_owned()))
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c))
            .unwrap_or(self.rest.len());
        let line = self.line;
        let (literal, rest): (&'a str, &'a str) =
            self.rest.split_at_checked(end).ok_or_else(|| (line, "this is no number".to_owned()))?;
        serde_json::from_str::<serde_json::Number>(literal)
            .map_err(|_| (line, "this is no number".to_owned()))?;
        self.rest = rest;
        Ok(Kind::Number(literal.to_owned()))
    }
}
