//! The kinds of producers, by the names of their rings.

use crate::ring::WRITER_PRODUCER;

/// Who wrote an entry.
///
/// ```
/// use ife_witness::entry::Author;
/// assert_eq!(Author::of("evidence-node1"), Author::Evidence);
/// assert_eq!(Author::Bridge.producer("node1"), "bridge-node1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A worker of the proxy, `<name>-<number>`; the name is the proxy's to choose.
    Gate,
    /// A bridge's engine, `bridge-<node>`.
    Bridge,
    /// A bridge's evidence server, `evidence-<node>`.
    Evidence,
    /// The log's writer itself.
    Writer,
}

const BRIDGE: &str = "bridge";
const EVIDENCE: &str = "evidence";
const GATE: &str = "gate";
const WRITER: &str = "writer";

impl Author {
    /// The author of an entry with this `producer`. A name of no other kind is a gate's.
    #[must_use]
    pub fn of(producer: &str) -> Author {
        if producer == WRITER_PRODUCER {
            return Author::Writer;
        }
        match producer.split_once('-') {
            Some((BRIDGE, _)) => Author::Bridge,
            Some((EVIDENCE, _)) => Author::Evidence,
            Some(_) | None => Author::Gate,
        }
    }

    /// The kind's name.
    pub const fn name(self) -> &'static str {
        match self {
            Author::Gate => GATE,
            Author::Bridge => BRIDGE,
            Author::Evidence => EVIDENCE,
            Author::Writer => WRITER,
        }
    }

    /// The ring's name for this kind of producer on `node`.
    pub fn producer(self, node: &str) -> String {
        match self {
            Author::Writer => WRITER_PRODUCER.to_owned(),
            Author::Gate | Author::Bridge | Author::Evidence => format!("{}-{node}", self.name()),
        }
    }

    /// Whether a part of a bridge wrote the entry.
    pub const fn is_of_bridge(self) -> bool {
        match self {
            Author::Bridge | Author::Evidence => true,
            Author::Gate | Author::Writer => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_are_known_by_their_names() {
        for (producer, author) in [
            ("kamailio-1", Author::Gate),
            ("bridge", Author::Gate),
            ("bridges-1", Author::Gate),
            ("", Author::Gate),
            ("bridge-node1", Author::Bridge),
            ("bridge-", Author::Bridge),
            ("evidence-node1", Author::Evidence),
            ("evidence-a-b", Author::Evidence),
            ("witnessd", Author::Writer),
            ("witnessd-1", Author::Gate),
        ] {
            assert_eq!(Author::of(producer), author, "{producer}");
        }
    }

    #[test]
    fn a_name_that_is_made_is_a_name_that_is_known() {
        for author in [
            Author::Gate,
            Author::Bridge,
            Author::Evidence,
            Author::Writer,
        ] {
            assert_eq!(Author::of(&author.producer("node-1")), author);
        }
    }
}
