//! Chunk frames: sixteen bytes of header and a piece of a file (docs/evidence.md, 2.3).

use thiserror::Error;

/// Bytes before the piece itself.
pub const HEADER_LEN: usize = 16;
/// Largest piece of a file in one frame.
pub const CHUNK_LEN_MAX: usize = 65_536;
/// A piece as this library sends it: a frame that every peer takes (RFC 8831, 6.6), and some
/// fourteen datagrams, for which every socket has room.
pub const CHUNK_LEN: usize = 16_384 - HEADER_LEN;
const MAGIC: [u8; 4] = *b"IFE1";

/// One binary message, borrowed from the message's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// File id of the manifest.
    pub file: u32,
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// The bytes.
    pub data: &'a [u8],
}

/// A binary message that is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("binary message of {len} bytes is not a chunk frame")]
pub struct NotAFrame {
    /// Length of the message.
    pub len: usize,
}

impl<'a> Frame<'a> {
    /// Reads a binary message.
    pub fn parse(message: &'a [u8]) -> Result<Frame<'a>, NotAFrame> {
        let refused = NotAFrame { len: message.len() };
        let rest = message.strip_prefix(&MAGIC).ok_or(refused)?;
        let (file, rest) = rest.split_first_chunk().ok_or(refused)?;
        let (offset, data) = rest.split_first_chunk().ok_or(refused)?;
        if data.is_empty() || data.len() > CHUNK_LEN_MAX {
            return Err(refused);
        }
        Ok(Frame {
            file: u32::from_be_bytes(*file),
            offset: u64::from_be_bytes(*offset),
            data,
        })
    }

    /// Writes the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.data.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.file.to_be_bytes());
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.extend_from_slice(self.data);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire() {
        let frame = Frame {
            file: 7,
            offset: 1 << 40,
            data: b"evidence",
        };
        let bytes = frame.to_bytes();
        assert_eq!(&bytes[..8], b"IFE1\0\0\0\x07");
        assert_eq!(Frame::parse(&bytes), Ok(frame));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let too_long = [b"IFE1".to_vec(), vec![0; 12 + CHUNK_LEN_MAX + 1]].concat();
        let cases: [&[u8]; 5] = [
            b"",
            b"IFE1",
            b"IFE1\0\0\0\0\0\0\0\0\0\0\0\0",
            b"IFE2\0\0\0\0\0\0\0\0\0\0\0\0x",
            &too_long,
        ];
        for bytes in cases {
            assert_eq!(Frame::parse(bytes), Err(NotAFrame { len: bytes.len() }));
        }
    }
}
