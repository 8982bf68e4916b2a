//! YAML 1.2 (core schema) with line numbers. Aliases are followed, and each use counts.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{Budget, Fault, Kind, Node, distinct, too_deep, weight};

pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        budget: Budget::default(),
        line: 1,
    };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Err((1, "the document is empty".to_owned())),
            event => {
                let (node, _) = reader.value(event, 0)?;
                return reader.end().map(|()| node);
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// By its number: the value, and how much it weighs.
    anchors: HashMap<usize, (Node, usize)>,
    budget: Budget,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Fault> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Err((self.line, "the document ends too early".to_owned())),
        }
    }

    /// What stands in a second document would be read by nobody.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(()),
                _ => return Err((self.line, "a second document begins: one file holds one".to_owned())),
            }
        }
    }

    /// The value, and how much it weighs.
    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<(Node, usize), Fault> {
        let line = self.line;
        too_deep(depth, line)?;
        self.budget.spend(1, line)?;
        let (kind, anchor, size) = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err((line, "an alias stands inside its own anchor".to_owned()));
                };
                self.budget.spend(*size, line)?;
                return Ok((node.clone(), *size));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let size = weight(&text);
                self.budget.spend(size - 1, line)?;
                (if plain { resolved(&text) } else { Kind::Text(text.into_owned()) }, anchor, size)
            }
            Event::SequenceStart(anchor, _) => {
                let (items, size) = self.list(depth)?;
                (Kind::List(items), anchor, size)
            }
            Event::MappingStart(anchor, _) => {
                let (members, size) = self.map(depth)?;
                (Kind::Map(members), anchor, size)
            }
            _ => return Err((line, "this is no YAML value".to_owned())),
        };
        let node = Node { kind, line };
        if anchor != 0 {
            self.budget.spend(size, line)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok((node, size))
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Node>, usize), Fault> {
        let (mut items, mut total) = (Vec::new(), 1_usize);
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok((items, total)),
                event => {
                    let (node, size) = self.value(event, depth + 1)?;
                    total = total.saturating_add(size);
                    items.push(node);
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<(Vec<(String, Node)>, usize), Fault> {
        let (mut members, mut total, mut names) = (Vec::new(), 1_usize, HashSet::new());
        loop {
            let name = match self.next()? {
                Event::MappingEnd => return Ok((members, total)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err((self.line, "the name of a member is no text".to_owned())),
            };
            let line = self.line;
            if name == "<<" {
                return Err((line, "YAML 1.2 has no merge (`<<`): write the members out".to_owned()));
            }
            distinct(&mut names, &name, line)?;
            self.budget.spend(weight(&name), line)?;
            let event = self.next()?;
            let (mut node, size) = self.value(event, depth + 1)?;
            node.line = line;
            total = total.saturating_add(size).saturating_add(weight(&name));
            members.push((name, node));
        }
    }
}

/// YAML 1.2 §10.3.2; what is no number of JSON stays text.
fn resolved(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if serde_json::from_str::<serde_json::Number>(text).is_ok() => Kind::Number(text.to_owned()),
        _ => Kind::Text(text.to_owned()),
    }
}
