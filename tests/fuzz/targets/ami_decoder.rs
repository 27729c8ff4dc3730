//! Any bytes, cut anywhere: no panic, the same frames as in one piece, and no more memory than the
//! limits allow.

#![no_main]

use ife_ami::wire::{Decoder, Frame, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    line_bytes_max: 64,
    headers_max: 8,
    message_bytes_max: 256,
    skip_bytes_max: 1024,
    banner_bytes_max: 32,
};

fn frames(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
    let mut decoder = Decoder::new(LIMITS);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(&piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => found.push(words(&frame)),
                Ok(None) => break,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
        assert!(decoder.buffered() <= LIMITS.message_bytes_max + LIMITS.line_bytes_max + 2);
    }
    found
}

fn words(frame: &Frame<'_>) -> String {
    format!("{frame:?}")
}

fuzz_target!(|data: &[u8]| {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let whole = frames(std::iter::once(stream.to_vec()));
    let cut = frames(stream.chunks(size).map(<[u8]>::to_vec));
    assert_eq!(whole, cut);
});
