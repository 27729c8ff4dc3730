//! A ladder diagram on a text terminal: life lines, arrows between them, and marks on one of them.

/// Life lines and where they are, columns from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ladder {
    lanes: &'static [(&'static str, usize)],
}

impl Ladder {
    pub(super) const fn new(lanes: &'static [(&'static str, usize)]) -> Ladder {
        Ladder { lanes }
    }

    fn width(self) -> usize {
        self.lanes.last().map_or(0, |(_, at)| at + 3)
    }

    /// Columns of a row before its remark.
    pub(super) fn margin(self) -> usize {
        ROW_HEAD + self.width() + 1
    }

    /// The name of a life line.
    pub(super) fn name(self, lane: usize) -> &'static str {
        self.lanes[lane].0
    }

    /// The names, each above its line.
    pub(super) fn heads(self) -> String {
        let mut canvas = vec![' '; self.width() + 8];
        for (name, at) in self.lanes {
            let start = at.saturating_sub(name.len() / 2);
            canvas.splice(start..start + name.len(), name.chars());
        }
        let heads: String = canvas.into_iter().collect();
        format!("{:ROW_HEAD$}{heads}", "").trim_end().to_owned()
    }

    fn canvas(self) -> Vec<char> {
        let mut canvas = vec![' '; self.width()];
        for (_, at) in self.lanes {
            canvas[*at] = '|';
        }
        canvas
    }

    /// Nothing but the lines.
    pub(super) fn lines(self) -> String {
        self.canvas().into_iter().collect()
    }

    /// Something that one party does by itself.
    pub(super) fn mark(self, lane: usize) -> String {
        let mut canvas = self.canvas();
        canvas[self.lanes[lane].1] = '*';
        canvas.into_iter().collect()
    }

    /// From one party to another; a label that does not fit is cut.
    pub(super) fn arrow(self, from: usize, to: usize, label: &str) -> String {
        let mut canvas = self.canvas();
        let at = |lane: usize| self.lanes[lane].1;
        let (left, right) = (at(from.min(to)) + 1, at(from.max(to)) - 1);
        canvas[left..=right].fill('-');
        let head = if from < to { (right, '>') } else { (left, '<') };
        canvas[head.0] = head.1;
        let label: String = format!(
            " {} ",
            label.chars().take(self.room(from, to)).collect::<String>()
        );
        let start = left + (right - left + 1 - label.chars().count()) / 2;
        canvas.splice(start..start + label.chars().count(), label.chars());
        canvas.into_iter().collect()
    }

    /// Characters of a label that fit between two lines.
    pub(super) fn room(self, from: usize, to: usize) -> usize {
        self.lanes[from.max(to)].1 - self.lanes[from.min(to)].1 - 7
    }
}

/// Columns for seconds and place in the log.
const ROW_HEAD: usize = 18;

/// A line of the diagram: seconds, place in the log, lines, remark.
pub(super) fn row(time: &str, place: &str, ladder: &str, remark: &str) -> String {
    format!("{time:>10}  {place:<6}{ladder} {remark}")
        .trim_end()
        .to_owned()
}

/// Lines of `text` of at most `width` columns, cut at blanks where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line) = (Vec::new(), Vec::<char>::new());
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(line.drain(..).collect());
        } else if !line.is_empty() {
            line.push(' ');
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        line.append(&mut word);
    }
    lines.push(line.into_iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_cut_at_blanks() {
        assert_eq!(
            wrapped("a call of an expert", 8),
            ["a call", "of an", "expert"]
        );
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(wrapped("0123456789 ab", 4), ["0123", "4567", "89", "ab"]);
        assert_eq!(wrapped("é é", 0), ["é", "é"]);
    }
}
