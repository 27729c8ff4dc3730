//! Server-Sent Events (WHATWG HTML, 9.2.6), as far as the bridge sends them: chunks in, events out.

/// Longest event, in bytes: the bridge's are some hundred.
const EVENT_LEN_MAX: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; `message` where it has none.
    pub(super) name: String,
    /// Its data, lines joined by LF.
    pub(super) data: String,
}

/// An event is longer than [`EVENT_LEN_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Puts events together. Chunks may end anywhere.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    after_cr: bool,
    name: String,
    data: Option<String>,
}

impl Decoder {
    /// Takes a chunk and gives the events that are whole with it.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in chunk {
            // A line ends by CR LF, LF or CR.
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > EVENT_LEN_MAX {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            let name = if name.is_empty() {
                "message".to_owned()
            } else {
                name
            };
            return Some(Event { name, data });
        }
        // A line that begins with a colon is a comment: the keep-alive.
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_are_whole_wherever_chunks_end() {
        let stream = b": hello\n\nevent: call\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: \
                      none\n\nid: 7\rdata\r\r";
        let expected = [
            event("call", "{\"a\":1}"),
            event("message", "x\ny"),
            event("message", ""),
        ];
        for size in 1..=stream.len() {
            let mut decoder = Decoder::default();
            let events: Vec<Event> = stream
                .chunks(size)
                .flat_map(|chunk| decoder.push(chunk).expect("short events"))
                .collect();
            assert_eq!(events, expected, "chunks of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&vec![b'x'; EVENT_LEN_MAX + 1]), Err(TooLong));
        let mut decoder = Decoder::default();
        let mut lines = (0..=EVENT_LEN_MAX / 1000)
            .map(|_| decoder.push(&[b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat()));
        assert!(lines.any(|result| result == Err(TooLong)));
    }
}
