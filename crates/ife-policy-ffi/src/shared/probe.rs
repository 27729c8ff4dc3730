//! The probe order of a name: a limited number of cache lines, chosen by double hashing.

use super::hash::Hash;

/// Indices of the first slots of the cache lines to try for one name.
pub(super) struct Lines {
    next: usize,
    stride: usize,
    mask: usize,
    slots_per_line: usize,
    left: usize,
}

impl Lines {
    /// Returns the probe order of `hash`. `slots` and `slots_per_line` are powers of two; at most
    /// `lines_max` lines are tried, each at most once.
    pub(super) fn new(hash: Hash, slots: usize, slots_per_line: usize, lines_max: usize) -> Self {
        debug_assert!(slots.is_power_of_two() && slots_per_line.is_power_of_two());
        let lines = slots / slots_per_line;
        Self {
            next: hash.high as usize,
            // Odd, so that it reaches every line of a power of two once before it repeats.
            stride: (hash.high >> 32) as usize | 1,
            mask: lines - 1,
            slots_per_line,
            left: lines_max.min(lines),
        }
    }
}

impl Iterator for Lines {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let line = self.next & self.mask;
        self.next = self.next.wrapping_add(self.stride);
        Some(line * self.slots_per_line)
    }
}
