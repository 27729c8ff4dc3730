//! Handles that C holds. A handle is a number in the form of a pointer and is never dereferenced,
//! so that a call with a stale, closed or invented handle is an error and not a crash.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::abi;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;

/// Handles open at once in one process. A server needs one; tests a few.
const SLOTS: usize = 8;
/// Never a valid address on any supported system, so that a dereference by mistake faults at once.
const MARK: usize = 0x1fe;

struct Slot {
    /// Odd while open. A handle carries the value of its own opening.
    generation: AtomicUsize,
    busy: AtomicBool,
    policy: UnsafeCell<Option<Box<Policy>>>,
}

// SAFETY: `policy` is only touched by the thread that set `busy`, see `Entered`.
unsafe impl Sync for Slot {}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        generation: AtomicUsize::new(0),
        busy: AtomicBool::new(false),
        policy: UnsafeCell::new(None),
    }
}; SLOTS];

/// Exclusive use of one slot until dropped.
struct Entered<'a>(&'a Slot);

impl<'a> Entered<'a> {
    fn new(slot: &'a Slot) -> Option<Self> {
        (!slot.busy.swap(true, Ordering::Acquire)).then_some(Self(slot))
    }

    fn policy(&mut self) -> &mut Option<Box<Policy>> {
        // SAFETY: this guard set `busy`, so no other reference exists until it is dropped.
        unsafe { &mut *self.0.policy.get() }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// Returns a handle for `policy`, or `None` when too many are open.
pub(crate) fn insert(policy: Box<Policy>) -> Option<*mut abi::ife_policy> {
    for (index, slot) in TABLE.iter().enumerate() {
        let Some(mut entered) = Entered::new(slot) else {
            continue;
        };
        if entered.policy().is_some() {
            continue;
        }
        *entered.policy() = Some(policy);
        let generation = slot.generation.fetch_add(1, Ordering::Relaxed) + 1;
        return Some(encode(index, generation));
    }
    None
}

/// Runs `body` on the policy of a handle.
pub(crate) fn with<T>(
    handle: *const abi::ife_policy,
    body: impl FnOnce(&mut Policy) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (slot, generation) = decode(handle)?;
    let Some(mut entered) = Entered::new(slot) else {
        return Err(Failure::new(
            abi::IFE_CONCURRENT_USE,
            "the handle is in use by another thread or by the log callback",
        ));
    };
    if slot.generation.load(Ordering::Relaxed) != generation {
        return Err(Failure::new(abi::IFE_CLOSED, "the handle was closed"));
    }
    match entered.policy() {
        Some(policy) => body(policy),
        None => Err(Failure::new(abi::IFE_CLOSED, "the handle was closed")),
    }
}

/// Closes the handle and returns its policy.
pub(crate) fn remove(handle: *const abi::ife_policy) -> Option<Box<Policy>> {
    let (slot, generation) = decode(handle).ok()?;
    let mut entered = Entered::new(slot)?;
    if slot.generation.load(Ordering::Relaxed) != generation {
        return None;
    }
    slot.generation.fetch_add(1, Ordering::Relaxed);
    entered.policy().take()
}

fn encode(index: usize, generation: usize) -> *mut abi::ife_policy {
    std::ptr::without_provenance_mut((generation << 16) | (index << 12) | MARK)
}

fn decode(handle: *const abi::ife_policy) -> Result<(&'static Slot, usize), Failure> {
    let value = handle.addr();
    if value == 0 {
        return Err(Failure::null("policy"));
    }
    let slot = TABLE.get((value >> 12) & 0xf);
    match slot {
        Some(slot) if value & 0xfff == MARK => Ok((slot, value >> 16)),
        Some(_) | None => Err(Failure::invalid("policy: not a handle of this library")),
    }
}
