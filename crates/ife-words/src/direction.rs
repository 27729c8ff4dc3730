//! The direction of a call.

crate::words! {
    /// Who calls whom. The numbers are those of `ife_direction` in `if_policy.h`, where 0 is
    /// unknown.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum Direction {
        /// The council calls an expert.
        ToExpert(1) = "to_expert",
        /// An expert calls the council.
        ToCouncil(2) = "to_council",
    }
}

impl Direction {
    /// Returns the number, 0 for an unknown direction.
    #[must_use]
    pub fn number(direction: Option<Self>) -> u8 {
        direction.map_or(0, |known| known as u8)
    }

    /// Returns the direction of a number; `None` for every other one.
    #[must_use]
    pub const fn of_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::ToExpert),
            2 => Some(Self::ToCouncil),
            _ => None,
        }
    }
}
