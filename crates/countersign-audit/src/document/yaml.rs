//! YAML 1.2 (core schema) with line numbers. Aliases are followed, and each use counts.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{Budget, Fault, Kind, Node, too_deep};

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
            event => return reader.value(event, 0).map(|(node, _)| node),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// By its number: the value, and how many values it is made of.
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

    /// The value, and how many values it is made of.
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
                (if plain { resolved(&text) } else { Kind::Text(text.into_owned()) }, anchor, 1)
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
        let (mut members, mut total) = (Vec::new(), 1_usize);
        loop {
            let name = match self.next()? {
                Event::MappingEnd => return Ok((members, total)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err((self.line, "the name of a member is no text".to_owned())),
            };
            let line = self.line;
            let event = self.next()?;
            let (mut node, size) = self.value(event, depth + 1)?;
            node.line = line;
            total = total.saturating_add(size);
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
