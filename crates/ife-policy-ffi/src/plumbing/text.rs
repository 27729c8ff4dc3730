//! Text in the fixed buffers of output structs: NUL-terminated, cut at a character boundary.

use core::ffi::c_char;

use crate::abi;

/// Copies `text` into `buffer`, cut to leave room for the NUL. An embedded NUL becomes `?`.
pub(crate) fn fill<const N: usize>(buffer: &mut [c_char; N], text: &str) {
    let mut len = text.len().min(N - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    for (to, &from) in buffer.iter_mut().zip(&text.as_bytes()[..len]) {
        *to = if from == 0 { b'?' } else { from } as c_char;
    }
    buffer[len] = 0;
}

/// Returns `text` as an error for C; invisible characters except LF are escaped.
pub(crate) fn error(text: &str) -> abi::ife_error {
    let clean = ife_message::printable::escaped_but(text, |c| c == '\n');
    let mut error = abi::ife_error {
        text: [0; abi::IFE_ERROR_SIZE as usize],
    };
    fill(&mut error.text, &clean);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled<const N: usize>(text: &str) -> Vec<u8> {
        let mut buffer = [0x7f as c_char; N];
        fill(&mut buffer, text);
        let len = buffer.iter().position(|&c| c == 0).expect("terminated");
        buffer[..len].iter().map(|&c| c as u8).collect()
    }

    #[test]
    fn text_is_cut_at_a_character_and_always_terminated() {
        assert_eq!(filled::<4>("abc"), b"abc");
        assert_eq!(filled::<4>("abcd"), b"abc");
        assert_eq!(filled::<4>("abé"), b"ab");
        assert_eq!(filled::<4>(""), b"");
        assert_eq!(filled::<4>("a\0b"), b"a?b");
    }

    #[test]
    fn errors_keep_line_feeds_and_nothing_else_of_the_kind() {
        let error = error("one\ntwo\x1b[0m\u{e0041}");
        let bytes = error.text.iter().map(|&c| c as u8);
        let bytes: Vec<u8> = bytes.take_while(|&b| b != 0).collect();
        assert_eq!(bytes, b"one\ntwo\\u{1b}[0m\\u{e0041}");
    }
}
