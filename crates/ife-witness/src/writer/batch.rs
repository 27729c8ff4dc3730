//! A batch: frames from all rings that one write and one fdatasync make durable.

use crate::entry::{self, Entry, Event, Gap};
use crate::ring::{Consumer, Damage, WRITER_PRODUCER};
use crate::wal::Producers;
use crate::wal::frame::{self, Kind, Origin};

/// Frames under construction.
pub(super) struct Batch {
    pub(super) frames: Vec<u8>,
    pub(super) first_index: u64,
    pub(super) entries: u64,
    pub(super) counts: Counts,
    scratch: Vec<u8>,
}

/// Counts for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries of producers.
    pub entries: u64,
    /// Records read twice and skipped.
    pub duplicates: u64,
    /// Sequence numbers reported missing.
    pub missing: u64,
}

/// Node name, epoch and next number of the writer's own entries.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) node: String,
    pub(super) epoch: u64,
    pub(super) next_seq: u64,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            frames: Vec::new(),
            first_index: 0,
            entries: 0,
            counts: Counts::default(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, first_index: u64, buffer: Vec<u8>) {
        self.frames = buffer;
        self.frames.clear();
        self.first_index = first_index;
        self.entries = 0;
    }

    fn next_index(&self) -> u64 {
        self.first_index + self.entries
    }

    /// Reads the ring until empty or `quota` bytes were added. True if any record was read.
    pub(super) fn drain(
        &mut self,
        ring: &mut Consumer,
        producers: &mut Producers,
        own: &mut Identity,
        now_ns: u64,
        quota: usize,
    ) -> Result<bool, Damage> {
        let limit = self.frames.len() + quota;
        let ring_id = ring.ring_id();
        let mut expected = producers.expected(ring.producer(), ring_id, ring.durable_seq());
        let mut read = false;
        while self.frames.len() < limit {
            let start = frame::begin(ring.producer(), &mut self.frames);
            let record = match ring.read(&mut self.frames) {
                Ok(Some(record)) => record,
                end => {
                    self.frames.truncate(start);
                    return end.map(|_| read);
                }
            };
            read = true;
            if record.seq < expected {
                self.counts.duplicates += 1;
                self.frames.truncate(start);
                continue;
            }
            let origin = Origin {
                producer: ring.producer(),
                ring_id,
                epoch: record.epoch,
                seq: record.seq,
            };
            if record.seq > expected {
                let gap = Gap {
                    producer: origin.producer,
                    epoch: record.epoch,
                    first_seq: expected,
                    count: record.seq - expected,
                };
                self.insert_gap(start, &origin, gap, producers, own, now_ns);
            } else {
                self.finish_entry(start, &origin);
            }
            self.counts.entries += 1;
            expected = record.seq + 1;
            producers.set(origin.producer, ring_id, record.epoch, expected);
        }
        Ok(read)
    }

    fn finish_entry(&mut self, start: usize, origin: &Origin<'_>) {
        frame::finish(
            start,
            Kind::Entry,
            self.next_index(),
            self.first_index,
            origin,
            &mut self.frames,
        );
        self.entries += 1;
    }

    /// Puts a GAP entry before the frame begun at `start`.
    fn insert_gap(
        &mut self,
        start: usize,
        origin: &Origin<'_>,
        gap: Gap<'_>,
        producers: &mut Producers,
        own: &mut Identity,
        now_ns: u64,
    ) {
        let entry = self
            .frames
            .split_off(start + frame::HEAD + origin.producer.len());
        self.frames.truncate(start);
        self.gap(gap, None, producers, own, now_ns);
        let start = frame::begin(origin.producer, &mut self.frames);
        self.frames.extend_from_slice(&entry);
        self.finish_entry(start, origin);
    }

    /// Reports missing numbers that no record follows, once: it advances the producer.
    pub(super) fn close_gap(
        &mut self,
        gap: Gap<'_>,
        ring_id: u64,
        detail: Option<&str>,
        producers: &mut Producers,
        own: &mut Identity,
        now_ns: u64,
    ) {
        self.gap(gap, detail, producers, own, now_ns);
        let origin = Origin {
            producer: gap.producer,
            ring_id,
            epoch: gap.epoch,
            seq: gap.first_seq.saturating_add(gap.count),
        };
        let start = frame::begin(origin.producer, &mut self.frames);
        frame::finish(
            start,
            Kind::Moved,
            self.next_index(),
            self.first_index,
            &origin,
            &mut self.frames,
        );
        producers.set(origin.producer, ring_id, origin.epoch, origin.seq);
    }

    fn gap(
        &mut self,
        gap: Gap<'_>,
        detail: Option<&str>,
        producers: &mut Producers,
        own: &mut Identity,
        now_ns: u64,
    ) {
        self.counts.missing += gap.count;
        let mut entry = own.entry(Event::Gap, now_ns);
        entry.gap = Some(gap);
        entry.detail = detail.map(str::as_bytes);
        self.push_entry(&entry, producers);
        own.next_seq += 1;
    }

    /// Appends an entry of the writer itself.
    pub(super) fn own_event(
        &mut self,
        event: Event,
        detail: &str,
        producers: &mut Producers,
        own: &mut Identity,
        now_ns: u64,
    ) {
        let mut entry = own.entry(event, now_ns);
        entry.detail = Some(detail.as_bytes());
        self.push_entry(&entry, producers);
        own.next_seq += 1;
    }

    fn push_entry(&mut self, entry: &Entry<'_>, producers: &mut Producers) {
        if entry::encode(entry, &mut self.scratch).is_err() {
            // Numbers above 2^53 come from damaged memory: the entry is logged without them.
            let bare = Entry {
                gap: None,
                detail: Some(b"numbers beyond 2^53"),
                ..*entry
            };
            if entry::encode(&bare, &mut self.scratch).is_err() {
                return;
            }
        }
        let origin = Origin {
            producer: WRITER_PRODUCER,
            ring_id: 0,
            epoch: entry.epoch,
            seq: entry.seq,
        };
        let start = frame::begin(origin.producer, &mut self.frames);
        self.frames.extend_from_slice(&self.scratch);
        self.finish_entry(start, &origin);
        producers.set(origin.producer, 0, origin.epoch, origin.seq + 1);
    }
}

impl Identity {
    fn entry(&self, event: Event, now_ns: u64) -> Entry<'_> {
        Entry::new(
            now_ns,
            &self.node,
            WRITER_PRODUCER,
            self.epoch,
            self.next_seq,
            event,
        )
    }
}
