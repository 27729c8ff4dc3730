//! `ife_abi_version`, `ife_version` and the texts of numbers.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};

use crate::abi;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// See `if_policy.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ife_abi_version() -> u32 {
    abi::IFE_ABI_VERSION
}

/// See `if_policy.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ife_version() -> *const c_char {
    VERSION.as_ptr()
}

/// See `if_policy.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ife_result_text(code: abi::ife_result) -> *const c_char {
    let text = match code {
        abi::IFE_OK => c"ok",
        abi::IFE_NULL_PARAMETER => c"a required pointer is NULL",
        abi::IFE_INVALID_PARAMETER => c"a value is out of range, too long or not UTF-8",
        abi::IFE_ABI_MISMATCH => c"caller and library were built from different headers",
        abi::IFE_NOT_ATTACHED => c"this process has not attached",
        abi::IFE_ALREADY_ATTACHED => c"this process has attached already",
        abi::IFE_CLOSED => c"the handle was closed",
        abi::IFE_CONCURRENT_USE => c"the handle is in use",
        abi::IFE_REGISTRY_INVALID => c"the registry is not valid",
        abi::IFE_REGISTRY_BUSY => c"another process is loading the registry",
        abi::IFE_STATE_DIR => c"the state directory cannot be used",
        abi::IFE_STATE_FORMAT => {
            c"the shared state is of another version or size and in use, or damaged"
        }
        abi::IFE_WITNESS_FULL => c"the witness ring is full",
        abi::IFE_WITNESS_TIMEOUT => c"the witness entry is not on disk in time",
        abi::IFE_WITNESS_TOO_LARGE => c"the witness entry is too large",
        abi::IFE_WITNESS_UNAVAILABLE => c"the witness ring cannot be used",
        abi::IFE_WITNESS_OMITTED => c"the refusal is counted, not written by itself",
        abi::IFE_NOT_FOUND => c"not found",
        abi::IFE_BUFFER_TOO_SMALL => c"the buffer is too small",
        abi::IFE_NOT_FOR_GATE => c"the message concerns no party of the registry",
        abi::IFE_PANIC => c"internal error, contained",
        _ => c"not a result of this library",
    };
    text.as_ptr()
}

/// See `if_policy.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ife_gate_name(gate: u32) -> *const c_char {
    let name = match gate {
        abi::IFE_GATE_NONE => c"none",
        abi::IFE_GATE_HEADERS => c"headers",
        abi::IFE_GATE_REGISTRY => c"registry",
        abi::IFE_GATE_STANDING => c"standing",
        abi::IFE_GATE_HAZARD => c"hazard",
        abi::IFE_GATE_SOURCE => c"source",
        abi::IFE_GATE_FLOOD => c"flood",
        abi::IFE_GATE_SIGNATURE => c"signature",
        abi::IFE_GATE_FRESHNESS => c"freshness",
        abi::IFE_GATE_REPLAY => c"replay",
        abi::IFE_GATE_QUOTA => c"quota",
        abi::IFE_GATE_WITNESS => c"witness",
        abi::IFE_GATE_INTERNAL => c"internal",
        abi::IFE_GATE_DIALOG => c"dialog",
        _ => c"unknown",
    };
    name.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_names_are_the_guards() {
        for gate in ife_guard::Gate::ALL {
            // SAFETY: a static string.
            let name = unsafe { CStr::from_ptr(ife_gate_name(u32::from(gate.number()))) };
            assert_eq!(name.to_str(), Ok(gate.as_str()));
        }
    }
}
