//! How much of a file may be under way: enough to fill the path, and no more than the socket at its
//! end has room for.
//!
//! A burst that the peer's socket has no room for is lost, and SCTP waits a second for what it
//! loses at the end of one. Browsers give their sockets 64 KiB, some thirty datagrams, so on a near
//! path little is under way; a distant peer needs more to get a good rate, and its datagrams come
//! spread out.

use std::time::{Duration, Instant};

/// Bytes that may be under way in any case: the need of the nearest path.
const LEN_MIN: usize = 48 << 10;
/// Bytes that may be under way at most: the window of unacknowledged blocks.
const LEN_MAX: usize = 1 << 20;
/// The rate that a path is filled for, bytes per millisecond of its round trip (20 MiB/s).
const PER_MS: usize = 20 << 10;

/// Bytes under way on one path. The shortest round trip counts: longer ones have waited behind
/// earlier bytes.
#[derive(Debug)]
pub(crate) struct Flight {
    len_max: usize,
    written: u64,
    /// Bytes written when the current measurement began, and when that was.
    mark: Option<(u64, Instant)>,
    shortest: Option<Duration>,
}

impl Default for Flight {
    fn default() -> Self {
        Flight {
            len_max: LEN_MIN,
            written: 0,
            mark: None,
            shortest: None,
        }
    }
}

impl Flight {
    /// Whether `len` bytes may join the `buffered` ones that are not acknowledged.
    pub(crate) fn has_room(&self, buffered: usize, len: usize) -> bool {
        buffered == 0 || buffered.saturating_add(len) <= self.len_max
    }

    /// `len` bytes were written.
    pub(crate) fn handle_write(&mut self, len: usize, now: Instant) {
        self.written = self.written.saturating_add(len as u64);
        self.mark.get_or_insert((self.written, now));
    }

    /// So many bytes are not acknowledged now.
    pub(crate) fn handle_buffered(&mut self, buffered: usize, now: Instant) {
        let acknowledged = self.written.saturating_sub(buffered as u64);
        let Some((_, since)) = self.mark.filter(|(mark, _)| acknowledged >= *mark) else {
            return;
        };
        self.mark = None;
        let took = now.saturating_duration_since(since);
        if self.shortest.is_none_or(|shortest| took < shortest) {
            self.shortest = Some(took);
            let took_ms = usize::try_from(took.as_millis()).unwrap_or(usize::MAX);
            self.len_max = took_ms.saturating_mul(PER_MS).clamp(LEN_MIN, LEN_MAX);
        }
    }

    /// The peer is reached by another path: its measurements do not apply.
    pub(crate) fn handle_new_path(&mut self) {
        self.mark = None;
        self.shortest = None;
        self.len_max = LEN_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn one_piece_may_always_go_and_then_as_many_as_fit() {
        let flight = Flight::default();
        assert!(flight.has_room(0, LEN_MAX));
        assert!(flight.has_room(LEN_MIN - 10, 10));
        assert!(!flight.has_room(LEN_MIN - 10, 11));
    }

    #[test]
    fn the_room_follows_the_shortest_round_trip() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.handle_write(1_000, start);
        flight.handle_buffered(1, after(start, 10));
        assert_eq!(flight.len_max, LEN_MIN, "the mark is not acknowledged");
        flight.handle_buffered(0, after(start, 20));
        assert_eq!(flight.len_max, 20 * PER_MS);
        flight.handle_write(1_000, after(start, 20));
        flight.handle_buffered(0, after(start, 500));
        assert_eq!(flight.len_max, 20 * PER_MS, "a longer one has waited");
        flight.handle_write(1_000, after(start, 500));
        flight.handle_buffered(0, after(start, 501));
        assert_eq!(flight.len_max, LEN_MIN);
    }

    #[test]
    fn the_first_write_of_a_measurement_counts() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.handle_write(1_000, start);
        flight.handle_write(1_000, after(start, 30));
        flight.handle_buffered(1_000, after(start, 40));
        assert_eq!(flight.shortest, Some(Duration::from_millis(40)));
    }

    #[test]
    fn a_distant_peer_gets_the_window_and_a_new_path_is_measured_anew() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.handle_write(1_000, start);
        flight.handle_buffered(0, after(start, 300));
        assert_eq!(flight.len_max, LEN_MAX);
        flight.handle_new_path();
        assert_eq!(flight.len_max, LEN_MIN);
        flight.handle_write(1_000, after(start, 300));
        flight.handle_buffered(0, after(start, 400));
        assert_eq!(flight.len_max, LEN_MAX);
    }
}
