//! Walks a faulty registry by events: finds line and column of given paths, and faults of shape.
//!
//! Used only when there is an error, so a good registry never pays for positions.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Span, StrInput};

use super::errors::{COUNTED_MAX, did_you_mean};
use super::schema::{Field, Kind};

/// Deeper than any registry; serde_yaml's own limit covers deeper nesting.
const DEPTH_MAX: usize = 32;

const TOO_DEEP: &str = "nested deeper than any registry";

/// Line and column, both from 1, the column in characters.
pub(super) type Position = (usize, usize);

/// A fault of shape.
pub(super) struct Fault {
    pub(super) position: Position,
    pub(super) path: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The results of a walk.
pub(super) struct Found {
    pub(super) positions: HashMap<String, Position>,
    pub(super) faults: Vec<Fault>,
}

/// Finds positions of `paths` and, given a schema, faults of shape before the first of syntax.
pub(super) fn walk(
    yaml: &str,
    paths: impl IntoIterator<Item = String>,
    schema: Option<Kind>,
) -> Found {
    let wanted: HashMap<_, _> = paths.into_iter().map(|path| (path, (0, 0))).collect();
    let wanting = wanted.len();
    let found = Found {
        positions: wanted,
        faults: Vec::new(),
    };
    let mut walk = Walk {
        events: Parser::new_from_str(yaml),
        found,
        path: String::new(),
        depth: 0,
        wanting,
        has_schema: schema.is_some(),
    };
    while let Some((event, span)) = walk.next() {
        if walk.node(&event, span, schema).is_none() {
            break;
        }
    }
    walk.found.positions.retain(|_, position| position.0 > 0);
    walk.found
}

/// Returns where a document is nested deeper than any registry, or is no YAML, and which.
pub(super) fn too_deep(yaml: &str) -> Option<(Position, String)> {
    let mut depth = 0;
    for event in Parser::new_from_str(yaml) {
        let event = match event {
            Ok(event) => event,
            Err(fault) => {
                let at = fault.marker();
                let message = match fault.info() {
                    "recursion limit exceeded" => TOO_DEEP,
                    message => message,
                };
                return Some(((at.line(), at.col() + 1), message.to_owned()));
            }
        };
        match event {
            (Event::SequenceStart(..) | Event::MappingStart(..), span) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Some((position_of(span), TOO_DEEP.to_owned()));
                }
            }
            (Event::SequenceEnd | Event::MappingEnd, _) => depth -= 1,
            (
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Alias(_)
                | Event::Scalar(..),
                _,
            ) => {}
        }
    }
    None
}

struct Walk<'y> {
    events: Parser<'y, StrInput<'y>>,
    found: Found,
    /// Path of the current node.
    path: String,
    depth: usize,
    /// Number of paths without a position yet.
    wanting: usize,
    has_schema: bool,
}

impl<'y> Walk<'y> {
    /// Returns the next event of the document; `None` at its end or at a fault of syntax.
    fn next(&mut self) -> Option<(Event<'y>, Span)> {
        loop {
            match self.events.next()?.ok()? {
                (Event::Nothing | Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return None,
                event => return Some(event),
            }
        }
    }

    /// Walks one node and all below it. `None` when the walk cannot go on.
    fn node(&mut self, event: &Event<'y>, span: Span, kind: Option<Kind>) -> Option<()> {
        if let Some(position) = self.found.positions.get_mut(&self.path) {
            self.wanting -= usize::from(position.0 == 0);
            *position = position_of(span);
        }
        let is_done = if self.has_schema {
            self.found.faults.len() >= COUNTED_MAX
        } else {
            self.wanting == 0
        };
        if is_done {
            return None;
        }
        match (event, kind) {
            (Event::Scalar(text, ..), Some(kind)) if !kind.takes(text) => {
                self.wrong(span, kind, "found a single value")
            }
            (Event::SequenceStart(..), Some(Kind::List(_)))
            | (Event::MappingStart(..), Some(Kind::Map(_))) => {}
            (Event::SequenceStart(..), Some(kind)) => self.wrong(span, kind, "found a list"),
            (Event::MappingStart(..), Some(kind)) => self.wrong(span, kind, "found a mapping"),
            _ => {}
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        match event {
            Event::SequenceStart(..) => self.sequence(kind)?,
            Event::MappingStart(..) => self.mapping(span, kind)?,
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceEnd
            | Event::MappingEnd => {}
        }
        self.depth -= 1;
        Some(())
    }

    fn sequence(&mut self, kind: Option<Kind>) -> Option<()> {
        let item = match kind {
            Some(Kind::List(item)) => Some(*item),
            Some(Kind::Text | Kind::Number | Kind::Flag | Kind::Map(_)) | None => None,
        };
        let len = self.path.len();
        for index in 0_usize.. {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            self.path.push_str(&format!("[{index}]"));
            self.node(&event, span, item)?;
            self.path.truncate(len);
        }
        Some(())
    }

    fn mapping(&mut self, span: Span, kind: Option<Kind>) -> Option<()> {
        let fields = match kind {
            Some(Kind::Map(fields)) => Some(fields),
            Some(Kind::Text | Kind::Number | Kind::Flag | Kind::List(_)) | None => None,
        };
        let len = self.path.len();
        // Known keys: at most as many as the schema has.
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let (key, key_span) = self.next()?;
            let name = match &key {
                Event::MappingEnd => break,
                Event::Scalar(name, ..) => name.to_string(),
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..) => {
                    self.node(&key, key_span, None)?;
                    String::new()
                }
            };
            let field = fields.and_then(|fields| fields.iter().find(|f| f.name == name));
            if let Some(fields) = fields {
                self.key(&name, key_span, fields, seen.contains(&name.as_str()));
            }
            if len > 0 {
                self.path.push('.');
            }
            self.path.push_str(&name);
            let (event, span) = self.next()?;
            self.node(&event, span, field.map(|f| f.kind))?;
            self.path.truncate(len);
            seen.extend(field.map(|f| f.name).filter(|name| !seen.contains(name)));
        }
        for field in fields
            .into_iter()
            .flatten()
            .filter(|f| f.required && !seen.contains(&f.name))
        {
            self.fault(
                span,
                format!("`{}` is missing", field.name),
                Some(format!("it is {}", field.kind.expected())),
            );
        }
        Some(())
    }

    fn key(&mut self, name: &str, span: Span, fields: &[Field], again: bool) {
        if !fields.iter().any(|f| f.name == name) {
            let hint = did_you_mean(name, fields.iter().map(|f| f.name)).unwrap_or_else(|| {
                let names: Vec<_> = fields.iter().map(|f| f.name).collect();
                format!("known here: {}", names.join(", "))
            });
            self.fault(
                span,
                format!("unknown field `{}`", name.escape_debug()),
                Some(hint),
            );
        } else if again {
            self.fault(span, format!("`{name}` is there twice"), None);
        }
    }

    fn wrong(&mut self, span: Span, kind: Kind, found: &str) {
        self.fault(span, format!("expected {}, {found}", kind.expected()), None);
    }

    fn fault(&mut self, span: Span, message: String, hint: Option<String>) {
        let path = self.path.clone();
        self.found.faults.push(Fault {
            position: position_of(span),
            path,
            message,
            hint,
        });
    }
}

fn position_of(span: Span) -> Position {
    (span.start.line(), span.start.col() + 1)
}
