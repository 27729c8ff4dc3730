//! Sans-IO state machine of one call between an expert and the council, and the table of release
//! causes. Never sees AMI text, opens a socket, reads a clock, draws randomness or picks an expert.
//!
//! A [`Call`] takes [`Input`]s, which are observations, and gives [`Output`]s, which are orders. It
//! holds what has been observed as facts that only grow, and derives its state from the facts
//! alone, never from the order in which they came: Asterisk does not promise one. See [`State`] for
//! the table of transitions.
//!
//! ```
//! use ife_call::{Acceptance, Backend, Call, Direction, Input, Leg, Output, Plan, Policy};
//! use ife_call::{Seen, State, Verdict};
//!
//! let plan = Plan {
//!     direction: Direction::ToExpert,
//!     backend: Backend::Room,
//!     experts: vec!["expert-safety@external.advisor".into()],
//!     policy: Policy::default(),
//! };
//! let mut call = Call::new(plan);
//! call.handle(Input::Verdict { attempt: 0, verdict: Verdict::Approved });
//! let outputs: Vec<Output> = std::iter::from_fn(|| call.poll_output()).collect();
//! assert!(outputs.iter().any(|output| matches!(output, Output::Originate { .. })));
//!
//! // The room reports the expert before the channel's own ringing and answer are seen.
//! call.handle(Input::Joined(Leg::Expert(0)));
//! assert_eq!(*call.state(), State::Answered);
//! call.handle(Input::Leg(Leg::Expert(0), Seen::Accepted(Acceptance::Key)));
//! assert_eq!(*call.state(), State::Connected);
//! call.handle(Input::Leg(Leg::Expert(0), Seen::Ringing));
//! assert_eq!(*call.state(), State::Connected);
//! ```

pub mod cause;

mod call;
mod effects;
mod facts;
mod input;
mod next;
mod output;
mod plan;
mod state;

pub use call::Call;
pub use cause::Cause;
pub use ife_words::{Acceptance, Direction, Event, Gate};
pub use input::{Input, Leg, LegView, NotAccepted, Seen, Timer, TimerKind, Verdict};
pub use output::{Output, Witnessed};
pub use plan::{Backend, ExpertId, Plan, Policy, RetryOn};
pub use state::{EndReason, FailReason, Reported, State};
