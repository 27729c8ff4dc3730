//! Raw pointers from C: the only module that turns them into references or writes through them.
#![allow(unsafe_code)]

use crate::abi;
use crate::plumbing::failure::Failure;

/// Longest input string: no SIP message is larger, so a longer length is an error of the caller.
pub(crate) const STRING_LEN_MAX: usize = 16 << 20;

/// Returns the struct that `ptr` points at, for the time of this call.
pub(crate) fn reference<'a, T>(ptr: *const T, what: &'static str) -> Result<&'a T, Failure> {
    if ptr.is_null() {
        return Err(Failure::null(what));
    }
    if !ptr.is_aligned() {
        return Err(Failure::invalid(what));
    }
    // SAFETY: not null and aligned; the header makes the caller pass a pointer to an initialised
    // struct that nothing changes during the call. The lifetime is bounded by the export's body,
    // which returns nothing borrowed.
    Ok(unsafe { &*ptr })
}

/// Returns the bytes of a string; `{NULL, 0}` is empty.
pub(crate) fn bytes<'a>(text: abi::ife_str, what: &'static str) -> Result<&'a [u8], Failure> {
    if text.len == 0 {
        return Ok(&[]);
    }
    if text.ptr.is_null() {
        return Err(Failure::null(what));
    }
    if text.len > STRING_LEN_MAX {
        return Err(Failure::invalid(format!(
            "{what}: longer than {STRING_LEN_MAX} bytes"
        )));
    }
    // SAFETY: not null, u8 has no alignment, and the header makes the caller own `len` readable
    // bytes during the call.
    Ok(unsafe { core::slice::from_raw_parts(text.ptr.cast(), text.len) })
}

/// Returns the strings of an array of at most `count_max`, each checked; `{NULL, 0}` is empty.
pub(crate) fn strings<'a>(
    first: *const abi::ife_str,
    count: u32,
    count_max: u32,
    what: &'static str,
) -> Result<&'a [abi::ife_str], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if count > count_max {
        return Err(Failure::invalid(format!("{what}: more than {count_max}")));
    }
    reference(first, what)?;
    // SAFETY: not null and aligned; the header makes the caller own `count` initialised strings
    // during the call.
    let strings = unsafe { core::slice::from_raw_parts(first, count as usize) };
    for text in strings {
        bytes(*text, what)?;
    }
    Ok(strings)
}

pub(crate) fn utf8<'a>(text: abi::ife_str, what: &'static str) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes(text, what)?)
        .map_err(|_| Failure::invalid(format!("{what}: not UTF-8")))
}

/// Checks, before any work, that an output can be written later.
pub(crate) fn check_output<T>(out: *mut T, what: &'static str) -> Result<(), Failure> {
    if out.is_null() {
        Err(Failure::null(what))
    } else if !out.is_aligned() {
        Err(Failure::invalid(what))
    } else {
        Ok(())
    }
}

/// Writes an output unless the caller passed NULL.
pub(crate) fn write_optional<T>(out: *mut T, value: T) {
    if check_output(out, "").is_ok() {
        // SAFETY: not null and aligned; the header makes it point at memory for a T that the caller
        // owns. Not read, not dropped.
        unsafe { out.write(value) }
    }
}

/// Copies `text` to the caller's buffer; returns false and writes nothing when it does not fit.
fn write_bytes(text: &[u8], buffer: *mut core::ffi::c_char, buffer_len: usize) -> bool {
    if text.len() > buffer_len || buffer.is_null() {
        return false;
    }
    // SAFETY: the header makes `buffer` point at `buffer_len` writable bytes; `text` is this
    // library's memory, so they do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len()) };
    true
}

/// Writes `text` and its length to the caller's buffers, both or neither.
pub(crate) fn write_text(
    text: &str,
    buffer: *mut core::ffi::c_char,
    buffer_len: usize,
    out_len: *mut usize,
) -> Result<(), Failure> {
    check_output(out_len, "out_len")?;
    if buffer.is_null() {
        return Err(Failure::null("buf"));
    }
    if !write_bytes(text.as_bytes(), buffer, buffer_len) {
        let text = format!(
            "buf: {} bytes are needed, buf_len is {buffer_len}",
            text.len()
        );
        return Err(Failure::new(abi::IFE_BUFFER_TOO_SMALL, text));
    }
    write_optional(out_len, text.len());
    Ok(())
}
