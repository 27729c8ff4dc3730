//! Frames, the records of a WAL segment. Little endian, each at a multiple of 8.
//!
//! ```text
//!  0 magic "IWF1"   4 crc32c of the rest   8 entry length u32   12 producer length u8
//! 13 kind u8   14 zero   16 index   24 first index of the batch   32 ring id   40 epoch   48 seq
//! 56 producer, entry, zeros to a multiple of 8
//! ```

use crate::entry::ENTRY_SIZE_MAX;

const MAGIC: [u8; 4] = *b"IWF1";

/// Bytes before the producer's name.
pub(crate) const HEAD: usize = 56;

/// Largest payload of a [`Kind::Snapshot`].
const SNAPSHOT_SIZE_MAX: usize = 4 * 1024 * 1024;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An entry of the log.
    Entry = 1,
    /// The producers' states at the beginning of a segment.
    Snapshot = 2,
    /// A producer's next sequence number moved without an entry.
    Moved = 3,
}

/// Origin of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    pub(crate) producer: &'a str,
    pub(crate) ring_id: u64,
    pub(crate) epoch: u64,
    /// Sequence number; in a [`Kind::Moved`] frame, the next number expected.
    pub(crate) seq: u64,
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// Index of the entry in the log; in other kinds, the index of the next entry.
    pub(crate) index: u64,
    /// Index of the first entry of the batch that one fdatasync made durable.
    pub(crate) batch: u64,
    pub(crate) origin: Origin<'a>,
    pub(crate) payload: &'a [u8],
}

const fn size_of_frame(name_len: usize, payload_len: usize) -> usize {
    (HEAD + name_len + payload_len).next_multiple_of(8)
}

/// Begins a frame: head and producer. Append the payload, then call [`finish`].
pub(crate) fn begin(producer: &str, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + HEAD, 0);
    out.extend_from_slice(producer.as_bytes());
    start
}

/// Completes the frame begun at `start`; the bytes after the producer are its payload.
pub(crate) fn finish(
    start: usize,
    kind: Kind,
    index: u64,
    batch: u64,
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
) {
    let name_len = origin.producer.len();
    let payload_len = out.len() - start - HEAD - name_len;
    debug_assert!(name_len <= u8::MAX.into() && payload_len <= SNAPSHOT_SIZE_MAX);
    out.resize(start + size_of_frame(name_len, payload_len), 0);
    let frame = &mut out[start..];
    frame[..4].copy_from_slice(&MAGIC);
    frame[8..12].copy_from_slice(&(payload_len as u32).to_le_bytes());
    frame[12] = name_len as u8;
    frame[13] = kind as u8;
    for (at, number) in [
        (16, index),
        (24, batch),
        (32, origin.ring_id),
        (40, origin.epoch),
        (48, origin.seq),
    ] {
        frame[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c::crc32c(&frame[8..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Parses the frame at the beginning of `bytes`; returns it and its size. `None` if invalid.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (frame, size) = parse_unchecked(bytes)?;
    let crc = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    (crc32c::crc32c(&bytes[8..size]) == crc).then_some((frame, size))
}

/// As [`parse`], for bytes that this process wrote itself.
pub(crate) fn parse_unchecked(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let head = bytes.first_chunk::<HEAD>()?;
    let number = |at: usize| {
        head[at..]
            .first_chunk()
            .map_or(0, |b| u64::from_le_bytes(*b))
    };
    let kind = match head[13] {
        1 => Kind::Entry,
        2 => Kind::Snapshot,
        3 => Kind::Moved,
        _ => return None,
    };
    let payload_len = u32::from_le_bytes(*head[8..].first_chunk()?) as usize;
    let payload_max = if kind == Kind::Snapshot {
        SNAPSHOT_SIZE_MAX
    } else {
        ENTRY_SIZE_MAX
    };
    if head[..4] != MAGIC || payload_len > payload_max {
        return None;
    }
    let name_len = usize::from(head[12]);
    let size = size_of_frame(name_len, payload_len);
    let rest = bytes.get(..size)?.get(HEAD..)?;
    let (name, rest) = rest.split_at(name_len);
    let origin = Origin {
        producer: std::str::from_utf8(name).ok()?,
        ring_id: number(32),
        epoch: number(40),
        seq: number(48),
    };
    Some((
        Frame {
            kind,
            index: number(16),
            batch: number(24),
            origin,
            payload: &rest[..payload_len],
        },
        size,
    ))
}

/// Returns the frames of a batch that this process wrote itself.
pub(crate) fn frames(batch: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        let (frame, size) = parse_unchecked(rest)?;
        rest = &rest[size..];
        Some(frame)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(out: &mut Vec<u8>, payload: &[u8]) {
        let origin = Origin {
            producer: "kamailio-3",
            ring_id: 1,
            epoch: 2,
            seq: 3,
        };
        let start = begin(origin.producer, out);
        out.extend_from_slice(payload);
        finish(start, Kind::Entry, 9, 8, &origin, out);
    }

    #[test]
    fn a_frame_reads_back() {
        let mut out = Vec::new();
        for payload in [&b""[..], b"x", b"1234567", b"12345678"] {
            out.clear();
            sample(&mut out, payload);
            assert_eq!(out.len() % 8, 0);
            let (frame, size) = parse(&out).expect("whole");
            assert_eq!(
                (size, frame.payload, frame.index, frame.batch),
                (out.len(), payload, 9, 8)
            );
            assert_eq!(
                frame.origin,
                Origin {
                    producer: "kamailio-3",
                    ring_id: 1,
                    epoch: 2,
                    seq: 3
                }
            );
        }
    }

    #[test]
    fn no_changed_bit_and_no_cut_goes_unnoticed() {
        let mut out = Vec::new();
        sample(&mut out, b"payload");
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bad).is_none(), "bit {bit}");
        }
        for len in 0..out.len() {
            assert!(parse(&out[..len]).is_none(), "cut at {len}");
        }
    }
}
