//! Finds the block list of experts in a registry's text and cuts it into YAML lists of their own.
//!
//! Only lines and their indentation are read, which suffices: a piece cut within a quoted text or a
//! flow list does not parse, nor does an alias whose anchor is in another piece, and a block scalar
//! is indented deeper than the list. The caller parses the whole text when one of the pieces fails.

use std::ops::Range;

/// Items per piece: enough to spread a parser's start. The parser frees the events of a piece at
/// its end; with 64 items the allocator returns that memory to the kernel each time, and a reload
/// takes half as long again.
const CHUNK_ITEMS: usize = 8;
/// Shorter texts are not worth cutting.
const CUT_LEN_MIN: usize = 64 * 1024;

pub(super) struct List {
    /// From the `experts:` line to the end of the list.
    whole: Range<usize>,
    /// Beginnings of the pieces, and the end.
    cuts: Vec<usize>,
}

impl List {
    /// Returns the text with an empty list in the place of this one.
    pub(super) fn without(&self, yaml: &str) -> String {
        let before = yaml.get(..self.whole.start).unwrap_or_default();
        let after = yaml.get(self.whole.end..).unwrap_or_default();
        format!("{before}experts: []\n{after}")
    }

    /// Returns the pieces, each one or more items.
    pub(super) fn chunks<'y>(&self, yaml: &'y str) -> impl Iterator<Item = &'y str> {
        self.cuts
            .windows(2)
            .filter_map(|pair| yaml.get(*pair.first()?..*pair.last()?))
    }
}

/// Returns the list under the top-level key `experts`, if it is a block list of a long text.
pub(super) fn experts(yaml: &str) -> Option<List> {
    if yaml.len() < CUT_LEN_MIN {
        return None;
    }
    let start = match yaml.strip_prefix("experts:") {
        Some(_) => 0,
        None => yaml.find("\nexperts:")? + 1,
    };
    let mut lines = Lines { yaml, at: start };
    let rest = lines.next()?.1.strip_prefix("experts:")?.trim();
    if !(rest.is_empty() || rest.starts_with('#')) {
        return None;
    }
    let mut indent = None;
    let mut items = 0;
    let mut list = List {
        whole: start..yaml.len(),
        cuts: Vec::new(),
    };
    for (at, line) in lines {
        let text = line.trim_start_matches(' ');
        if text.trim_end().is_empty() || text.starts_with('#') {
            continue;
        }
        let depth = line.len() - text.len();
        let item = text.starts_with("- ");
        let indent = *indent.get_or_insert(depth);
        if depth < indent || depth == indent && !item {
            list.whole.end = at;
            break;
        }
        if depth == indent {
            if items % CHUNK_ITEMS == 0 {
                list.cuts.push(at);
            }
            items += 1;
        }
    }
    list.cuts.push(list.whole.end);
    (items > 0).then_some(list)
}

/// Lines with their offsets.
struct Lines<'y> {
    yaml: &'y str,
    at: usize,
}

impl<'y> Iterator for Lines<'y> {
    type Item = (usize, &'y str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.yaml.get(self.at..).filter(|rest| !rest.is_empty())?;
        let at = self.at;
        let len = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.at += len;
        Some((at, rest.get(..len)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(body: &str) -> String {
        format!(
            "version: 1\n{}{body}",
            "# padding\n".repeat(CUT_LEN_MIN / 10)
        )
    }

    fn pieces(yaml: &str) -> Option<(String, Vec<String>)> {
        let list = experts(yaml)?;
        let pieces = list.chunks(yaml).map(str::to_owned).collect();
        Some((list.without(yaml).replace("# padding\n", ""), pieces))
    }

    #[test]
    fn cuts_the_list_out() {
        for indent in ["", "  "] {
            let item =
                format!("{indent}- id: a\n{indent}  x: |\n{indent}    - id: no item\n\n# note\n");
            let yaml = long(&format!("experts: # all\n{item}{item}default_expert: a\n"));
            let (head, chunks) = pieces(&yaml).unwrap_or_default();
            assert_eq!(head, "version: 1\nexperts: []\ndefault_expert: a\n");
            assert_eq!(chunks, [format!("{item}{item}")]);
        }
    }

    #[test]
    fn pieces_hold_every_item_once() {
        let items: String = (0..3 * CHUNK_ITEMS + 1)
            .map(|i| format!("  - id: e{i}\n"))
            .collect();
        let (_, chunks) = pieces(&long(&format!("experts:\n{items}"))).unwrap_or_default();
        assert_eq!(chunks.len(), 4);
        assert_eq!(chunks.concat(), items);
    }

    #[test]
    fn leaves_other_shapes_alone() {
        for body in [
            "experts: []\n",
            "experts: [{id: a}]\n",
            "experts: &all\n  - id: a\n",
            "no: experts\n",
            "experts:\n",
        ] {
            assert!(pieces(&long(body)).is_none(), "{body}");
        }
        assert!(experts("experts:\n  - id: a\n").is_none());
    }
}
