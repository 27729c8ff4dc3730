//! Members of an entry, as canonical JSON.

use ife_words::{hex, time};

use super::{Gap, Omitted, json};

/// A JSON object that is being written; its members come in the order of their names.
pub(super) struct Object<'o> {
    pub(super) out: &'o mut Vec<u8>,
    /// Largest encoded length of a text.
    pub(super) limit: usize,
}

impl Object<'_> {
    pub(super) fn key(&mut self, key: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Returns the encoded length without the quotes, and whether the text was cut.
    pub(super) fn string_within(&mut self, text: &[u8], limit: usize) -> (usize, bool) {
        self.out.push(b'"');
        let start = self.out.len();
        let whole = if limit == usize::MAX {
            json::escape(text, self.out);
            true
        } else {
            json::escape_within(text, limit, self.out)
        };
        let len = self.out.len() - start;
        self.out.push(b'"');
        (len, !whole)
    }

    pub(super) fn text(&mut self, key: &str, text: Option<&[u8]>) {
        let Some(text) = text else { return };
        self.key(key);
        self.string_within(text, self.limit);
    }

    pub(super) fn name(&mut self, key: &str, name: Option<&'static str>) {
        self.text(key, name.map(str::as_bytes));
    }

    pub(super) fn number(&mut self, key: &str, number: Option<u64>) {
        let Some(number) = number else { return };
        self.key(key);
        json::number(number, self.out);
    }

    pub(super) fn hash(&mut self, key: &str, hash: Option<[u8; 32]>) {
        let Some(hash) = hash else { return };
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&hex::digits_of_32(&hash));
        self.out.push(b'"');
    }

    pub(super) fn flag(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"true");
    }

    pub(super) fn time(&mut self, unix_ns: u64) {
        self.out.push(b'"');
        time::append_ns(unix_ns, self.out);
        self.out.push(b'"');
    }

    pub(super) fn gap(&mut self, gap: &Gap<'_>) {
        self.key("gap");
        self.out.push(b'{');
        self.number("count", Some(gap.count));
        self.number("epoch", Some(gap.epoch));
        self.number("first_seq", Some(gap.first_seq));
        self.text("producer", Some(gap.producer.as_bytes()));
        self.out.push(b'}');
    }

    pub(super) fn omitted(&mut self, omitted: &Omitted) {
        self.key("omitted");
        self.out.push(b'{');
        self.number("count", Some(omitted.count));
        self.key("first");
        self.time(omitted.first_unix_ns);
        self.key("last");
        self.time(omitted.last_unix_ns);
        self.out.push(b'}');
    }
}
