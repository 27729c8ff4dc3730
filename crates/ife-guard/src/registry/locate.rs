//! Walks a faulty registry by events: finds line and column of given paths, and faults of shape.
//!
//! Used only when there is an error, so a good registry never pays for positions.

use std::collections::HashMap;

use super::errors::{COUNTED_MAX, did_you_mean};
use super::events::{Event, Events, Position};
use super::schema::{Field, Kind};

/// Deeper than any registry; serde_yaml's own limit covers deeper nesting.
const DEPTH_MAX: usize = 32;

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
        events: Events::new(yaml),
        found,
        path: String::new(),
        depth: 0,
        wanting,
        has_schema: schema.is_some(),
    };
    // `None` ends the walk early; what was found until then counts.
    let _ = walk.document(schema);
    walk.found.positions.retain(|_, position| position.0 > 0);
    walk.found
}

/// Returns where a text is nested deeper than any registry, before its first fault of syntax.
pub(super) fn too_deep(yaml: &str) -> Option<Position> {
    let mut depth = 0_usize;
    for (event, position) in Events::new(yaml) {
        match event {
            Event::SequenceStart | Event::MappingStart => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            Event::Scalar(_) | Event::Alias => {}
        }
        if depth > DEPTH_MAX {
            return Some(position);
        }
    }
    None
}

struct Walk<'y> {
    events: Events<'y>,
    found: Found,
    /// Path of the current node.
    path: String,
    depth: usize,
    /// Number of paths without a position yet.
    wanting: usize,
    has_schema: bool,
}

impl Walk<'_> {
    /// Walks the first document. `None` when the walk cannot go on.
    fn document(&mut self, schema: Option<Kind>) -> Option<()> {
        let (root, position) = self.events.next()?;
        self.node(&root, position, schema)
    }

    /// Walks one node and all below it. `None` when the walk cannot go on.
    fn node(&mut self, event: &Event, position: Position, kind: Option<Kind>) -> Option<()> {
        if let Some(known) = self.found.positions.get_mut(&self.path) {
            self.wanting -= usize::from(known.0 == 0);
            *known = position;
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
            (Event::Scalar(text), Some(kind)) if !kind.takes(text) => {
                self.wrong(position, kind, "found a single value")
            }
            (Event::SequenceStart, Some(Kind::List(_)))
            | (Event::MappingStart, Some(Kind::Map(_))) => {}
            (Event::SequenceStart, Some(kind)) => self.wrong(position, kind, "found a list"),
            (Event::MappingStart, Some(kind)) => self.wrong(position, kind, "found a mapping"),
            _ => {}
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        match event {
            Event::SequenceStart => self.sequence(kind)?,
            Event::MappingStart => self.mapping(position, kind)?,
            Event::Scalar(_) | Event::Alias | Event::SequenceEnd | Event::MappingEnd => {}
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
            let (event, position) = self.events.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            self.path.push_str(&format!("[{index}]"));
            self.node(&event, position, item)?;
            self.path.truncate(len);
        }
        Some(())
    }

    fn mapping(&mut self, start: Position, kind: Option<Kind>) -> Option<()> {
        let fields = match kind {
            Some(Kind::Map(fields)) => Some(fields),
            Some(Kind::Text | Kind::Number | Kind::Flag | Kind::List(_)) | None => None,
        };
        let len = self.path.len();
        // Known keys: at most as many as the schema has.
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let (key, key_position) = self.events.next()?;
            let name = match key {
                Event::MappingEnd => break,
                Event::Scalar(name) => name,
                Event::Alias | Event::SequenceStart | Event::SequenceEnd | Event::MappingStart => {
                    self.node(&key, key_position, None)?;
                    String::new()
                }
            };
            let field = fields.and_then(|fields| fields.iter().find(|f| f.name == name));
            if let Some(fields) = fields {
                self.key(&name, key_position, fields, seen.contains(&name.as_str()));
            }
            if len > 0 {
                self.path.push('.');
            }
            self.path.push_str(&name);
            let (event, position) = self.events.next()?;
            self.node(&event, position, field.map(|f| f.kind))?;
            self.path.truncate(len);
            seen.extend(field.map(|f| f.name).filter(|name| !seen.contains(name)));
        }
        for field in fields
            .into_iter()
            .flatten()
            .filter(|f| f.required && !seen.contains(&f.name))
        {
            self.fault(
                start,
                format!("`{}` is missing", field.name),
                Some(format!("it is {}", field.kind.expected())),
            );
        }
        Some(())
    }

    fn key(&mut self, name: &str, position: Position, fields: &[Field], again: bool) {
        if !fields.iter().any(|f| f.name == name) {
            let hint = did_you_mean(name, fields.iter().map(|f| f.name)).unwrap_or_else(|| {
                let names: Vec<_> = fields.iter().map(|f| f.name).collect();
                format!("known here: {}", names.join(", "))
            });
            self.fault(
                position,
                format!("unknown field `{}`", name.escape_debug()),
                Some(hint),
            );
        } else if again {
            self.fault(position, format!("`{name}` is there twice"), None);
        }
    }

    fn wrong(&mut self, position: Position, kind: Kind, found: &str) {
        self.fault(
            position,
            format!("expected {}, {found}", kind.expected()),
            None,
        );
    }

    fn fault(&mut self, position: Position, message: String, hint: Option<String>) {
        let path = self.path.clone();
        self.found.faults.push(Fault {
            position,
            path,
            message,
            hint,
        });
    }
}
