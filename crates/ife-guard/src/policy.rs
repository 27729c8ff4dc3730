//! The policy in force.

use crate::image::Image;

/// The inputs of [`crate::decide`] besides request, state and time.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The registry.
    pub image: &'a Image<'a>,
    /// Freshness window in place of the registry's, seconds.
    pub freshness_s: Option<u32>,
    /// Signatures made before this instant (Unix seconds) are stale in any window. Normally 0.
    ///
    /// When a reload widens the window from `old` to `new` seconds, replay records of signatures
    /// between the two ages are gone. The caller then sets this to the instant of the reload minus
    /// `old`, so that none of those signatures counts a second time.
    pub iat_floor_s: u64,
}

impl<'a> Policy<'a> {
    /// Returns the policy of the registry alone.
    #[must_use]
    pub fn new(image: &'a Image<'a>) -> Self {
        Self {
            image,
            freshness_s: None,
            iat_floor_s: 0,
        }
    }

    /// Returns the freshness window in force, seconds.
    pub fn window_s(&self) -> u32 {
        self.freshness_s.unwrap_or(self.image.freshness_s())
    }
}
