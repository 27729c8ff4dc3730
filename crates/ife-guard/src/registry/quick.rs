//! Reads the plain part of YAML, in which long lists are written, ten times as fast as a full
//! parser.
//!
//! Block lists and mappings, flow lists and mappings on one line, scalars without escapes, ASCII.
//! All else of YAML (anchors, tags, text over several lines, comments behind a value, ...) is
//! declined with `None`, and the full parser decides. A test checks one rule: both parsers agree on
//! every text that this one accepts.

/// A value of a document.
#[derive(Debug)]
pub(super) enum Node<'y> {
    Scalar { text: &'y str, plain: bool },
    List(Vec<Node<'y>>),
    Map(Vec<(&'y str, Node<'y>)>),
}

/// Fields of an expert, so that the list need not grow.
const FIELDS_USUAL: usize = 12;
/// Deepest nesting on one line.
const DEPTH_MAX: usize = 4;

/// Returns the items of a text that is one block list.
pub(super) fn list(text: &str) -> Option<Vec<Node<'_>>> {
    if !text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n')) {
        return None;
    }
    let mut lines = Lines {
        rest: text,
        current: None,
    };
    lines.advance();
    let (column, _) = lines.current?;
    let items = lines.list(column)?;
    lines.current.is_none().then_some(items)
}

struct Lines<'y> {
    rest: &'y str,
    /// Column and text of the next line, neither blank nor a comment.
    current: Option<(usize, &'y str)>,
}

impl<'y> Lines<'y> {
    fn advance(&mut self) {
        self.current = None;
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let text = line.trim_start_matches(' ');
            if !text.is_empty() && !text.starts_with('#') {
                self.current = Some((line.len() - text.len(), text.trim_end_matches(' ')));
                return;
            }
        }
    }

    /// Reads a block list whose dashes are in this column.
    fn list(&mut self, column: usize) -> Option<Vec<Node<'y>>> {
        let mut items = Vec::new();
        while let Some((at, text)) = self.current {
            if at > column {
                return None;
            }
            let Some(item) = text.strip_prefix("- ").filter(|_| at == column) else {
                break;
            };
            if key(item).is_some() {
                self.current = Some((column + 2, item));
                items.push(Node::Map(self.map(column + 2)?));
            } else {
                items.push(line_value(item)?);
                self.advance();
            }
        }
        (!items.is_empty()).then_some(items)
    }

    /// Reads a block mapping whose keys are in this column.
    fn map(&mut self, column: usize) -> Option<Vec<(&'y str, Node<'y>)>> {
        let mut entries = Vec::with_capacity(FIELDS_USUAL);
        while let Some((at, text)) = self.current {
            if at > column {
                return None;
            }
            if at < column {
                break;
            }
            let (key, value) = key(text)?;
            self.advance();
            let node = match (value, self.current) {
                ("", Some((below, next))) if below >= column && next.starts_with("- ") => {
                    Node::List(self.list(below)?)
                }
                ("", _) => return None,
                (value, _) => line_value(value)?,
            };
            entries.push((key, node));
        }
        Some(entries)
    }
}

/// Reads the value that fills the rest of a line.
fn line_value(text: &str) -> Option<Node<'_>> {
    let mut value = Value { rest: text };
    let node = value.node(0)?;
    value.rest.is_empty().then_some(node)
}

/// Splits `key: value` or `key:`.
fn key(text: &str) -> Option<(&str, &str)> {
    let (key, rest) =
        text.split_at_checked(text.find(|c: char| !(c.is_ascii_lowercase() || c == '_'))?)?;
    let value = rest.strip_prefix(':')?;
    let spaced = value.is_empty() || value.starts_with(' ');
    (!key.is_empty() && spaced).then(|| (key, value.trim_start_matches(' ')))
}

struct Value<'y> {
    rest: &'y str,
}

impl<'y> Value<'y> {
    fn node(&mut self, depth: usize) -> Option<Node<'y>> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.rest.as_bytes().first()? {
            b'[' => self.flow_list(depth),
            b'{' => self.flow_map(depth),
            quote @ (b'"' | b'\'') => {
                let (text, rest) = self.rest.get(1..)?.split_once(char::from(*quote))?;
                // A backslash is an escape; a doubled quote leaves a second text, which fails.
                self.rest = rest;
                let follows = rest.starts_with([' ', ',', ']', '}']);
                (!text.contains('\\') && (rest.is_empty() || follows))
                    .then_some(Node::Scalar { text, plain: false })
            }
            _ => self.plain(),
        }
    }

    fn flow_list(&mut self, depth: usize) -> Option<Node<'y>> {
        let mut items = Vec::new();
        self.take(1);
        if !self.ends(']') {
            loop {
                items.push(self.node(depth + 1)?);
                if self.ends(']') {
                    break;
                }
                self.comma()?;
            }
        }
        Some(Node::List(items))
    }

    fn flow_map(&mut self, depth: usize) -> Option<Node<'y>> {
        let mut entries = Vec::new();
        self.take(1);
        if !self.ends('}') {
            loop {
                let (key, value) = key(self.rest)?;
                self.rest = value;
                entries.push((key, self.node(depth + 1)?));
                if self.ends('}') {
                    break;
                }
                self.comma()?;
            }
        }
        Some(Node::Map(entries))
    }

    /// Consumes the end of a flow collection, if it is next.
    fn ends(&mut self, bracket: char) -> bool {
        self.spaces();
        let ends = self.rest.starts_with(bracket);
        if ends {
            self.take(1);
            // Only spaces may follow the outermost bracket; within others, spaces have no meaning.
            self.spaces();
        }
        ends
    }

    fn comma(&mut self) -> Option<()> {
        self.rest = self.rest.strip_prefix(',')?;
        self.spaces();
        Some(())
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// Reads a scalar without quotes that has the same meaning in block and flow context.
    fn plain(&mut self) -> Option<Node<'y>> {
        let bytes = self.rest.as_bytes();
        let goes_on = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let mut len = 0;
        while let Some(byte) = bytes.get(len) {
            let fits = match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'/' => true,
                b'.' | b'_' | b'@' | b'+' | b'=' | b';' | b'(' | b')' | b'-' => len > 0,
                b':' | b' ' => len > 0 && goes_on(len + 1),
                _ => false,
            };
            if !fits {
                break;
            }
            len += 1;
        }
        let text = self.rest.get(..len)?;
        self.take(len);
        let absent = text.is_empty() || text.eq_ignore_ascii_case("null");
        (!absent).then_some(Node::Scalar { text, plain: true })
    }
}
