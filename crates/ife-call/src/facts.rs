//! What has been observed. Facts only grow, so that the order and the number of observations do not
//! matter.

use ife_words::Acceptance;

use crate::cause::{Cause, Class};
use crate::input::{Leg, LegView, NotAccepted, Seen, Timer, TimerKind, Verdict};

/// Facts about one leg.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LegFacts {
    /// We ordered it.
    pub(crate) ordered: bool,
    /// It was there.
    pub(crate) there: bool,
    pub(crate) ringing: bool,
    pub(crate) up: bool,
    /// The expert heard, or hears, why they are called.
    pub(crate) briefed: bool,
    pub(crate) accepted: Option<Acceptance>,
    pub(crate) not_accepted: Option<NotAccepted>,
    /// Its far side asked for its end.
    pub(crate) leaving: bool,
    /// The council put it out of the room.
    pub(crate) removed: bool,
    /// Its far side was there no more.
    pub(crate) lost: bool,
    /// Its far side may not know of its end.
    pub(crate) untold: bool,
    pub(crate) joined: bool,
    pub(crate) left: bool,
    /// The far side's final SIP reply.
    pub(crate) reply: Option<u16>,
    pub(crate) gone: Option<Gone>,
}

/// How a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) cause: Cause,
    /// Missed by a snapshot; its end itself was not observed.
    pub(crate) unseen: bool,
}

/// Facts about a call.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Of the current attempt.
    pub(crate) verdict: Option<Verdict>,
    /// By attempt, up to the current one.
    pub(crate) experts: Vec<LegFacts>,
    pub(crate) council: LegFacts,
    pub(crate) join_refused: Option<Cause>,
    pub(crate) user_hangup: bool,
    /// The bridge is not connected to the gateway.
    pub(crate) link_down: bool,
    /// The gateway took legs with it.
    pub(crate) restarted: bool,
    pub(crate) timers: Timers,
}

/// The latest timer of each kind, and how it stands.
#[derive(Debug, Default)]
pub(crate) struct Timers([(u32, Phase); TimerKind::COUNT]);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Off,
    Running,
    Expired,
}

impl Timers {
    pub(crate) fn start(&mut self, kind: TimerKind) -> Timer {
        let (serial, phase) = &mut self.0[kind as usize];
        (*serial, *phase) = (serial.wrapping_add(1), Phase::Running);
        let serial = *serial;
        Timer { kind, serial }
    }

    pub(crate) fn stop(&mut self, kind: TimerKind) {
        self.0[kind as usize].1 = Phase::Off;
    }

    pub(crate) fn is_running(&self, timer: Timer) -> bool {
        self.0[timer.kind as usize] == (timer.serial, Phase::Running)
    }

    pub(crate) fn expire(&mut self, timer: Timer) {
        if self.is_running(timer) {
            self.0[timer.kind as usize].1 = Phase::Expired;
        }
    }
}

impl LegFacts {
    /// Whether there is, or may be, a channel.
    pub(crate) fn is_open(&self) -> bool {
        (self.ordered || self.there) && self.gone.is_none()
    }

    /// Takes in an observation; later states imply earlier ones.
    pub(crate) fn see(&mut self, seen: Seen) {
        match seen {
            Seen::There => {}
            Seen::Ringing => self.ringing = true,
            Seen::Up => self.up = true,
            Seen::Briefing => (self.up, self.briefed) = (true, true),
            Seen::Accepted(means) => self.accept(means),
            Seen::NotAccepted(why) => {
                self.up = true;
                self.not_accepted.get_or_insert(why);
            }
            Seen::Leaving => self.leaving = true,
            Seen::Removed => self.removed = true,
            Seen::Untold => self.untold = true,
            Seen::Lost => self.lost = true,
            Seen::Replied(status) => {
                self.reply.get_or_insert(status);
            }
            Seen::Gone(cause) => return self.end(cause, false),
        }
        self.there = true;
    }

    /// Meaning of the end of an unanswered leg for its far side.
    pub(crate) fn class_of_end(&self, cause: Cause) -> Class {
        if let Some(status) = self.reply {
            return Class::of_reply(status, self.ringing);
        }
        // chan_ooh323 gives 0 when no answer to the setup ever came: its connection was refused, or
        // nothing is there.
        let is_silent = cause == Cause::UNKNOWN && !self.ringing && !self.up;
        if is_silent && self.there {
            Class::Unreachable
        } else {
            cause.class()
        }
    }

    fn accept(&mut self, means: Acceptance) {
        self.up = true;
        self.accepted.get_or_insert(means);
    }

    pub(crate) fn join(&mut self) {
        self.there = true;
        self.up = true;
        self.joined = true;
    }

    pub(crate) fn leave(&mut self) {
        self.join();
        self.left = true;
    }

    fn end(&mut self, cause: Cause, unseen: bool) {
        match &mut self.gone {
            // A second report only adds facts that the first lacked.
            Some(gone) if gone.cause.is_unknown() => {
                gone.cause = cause;
                gone.unseen &= unseen;
            }
            Some(_) => {}
            None => self.gone = Some(Gone { cause, unseen }),
        }
    }

    /// Compares with a snapshot, the first `after_loss` of the gateway or a later one.
    fn compare(&mut self, view: Option<&LegView>, restarted: bool, after_loss: bool) {
        if restarted || (view.is_none() && (self.there || after_loss)) {
            if self.is_open() {
                self.end(Cause::UNKNOWN, true);
            }
            return;
        }
        // A leg that was ordered and never seen may still be on its way, unless it was ordered by a
        // connection that is lost: its timer decides.
        let Some(view) = view else { return };
        if self.joined && !view.joined {
            self.left = true;
        }
        self.there = true;
        self.ringing |= view.ringing;
        self.up |= view.up;
        if let Some(means) = view.accepted {
            self.accept(means);
        }
        if view.joined {
            self.join();
        }
    }
}

impl Facts {
    /// The facts of a leg, `None` for an attempt that was never made.
    pub(crate) fn leg_mut(&mut self, leg: Leg) -> Option<&mut LegFacts> {
        match leg {
            Leg::Expert(attempt) => self.experts.get_mut(usize::from(attempt)),
            Leg::Council => Some(&mut self.council),
        }
    }

    pub(crate) fn leg(&self, leg: Leg) -> LegFacts {
        match leg {
            Leg::Expert(attempt) => {
                let facts = self.experts.get(usize::from(attempt));
                facts.copied().unwrap_or_default()
            }
            Leg::Council => self.council,
        }
    }

    /// Every leg that there is, or may be, a channel of.
    pub(crate) fn open_legs(&self) -> impl Iterator<Item = Leg> + '_ {
        let experts = (0..=u8::MAX).map(Leg::Expert).zip(&self.experts);
        let legs = experts.chain([(Leg::Council, &self.council)]);
        legs.filter(|(_, facts)| facts.is_open())
            .map(|(leg, _)| leg)
    }

    pub(crate) fn has_open_leg(&self) -> bool {
        self.open_legs().next().is_some()
    }

    /// Makes room for the facts of an attempt.
    pub(crate) fn reach(&mut self, attempt: u8) {
        self.experts
            .resize_with(usize::from(attempt) + 1, LegFacts::default);
    }

    pub(crate) fn compare(&mut self, views: &[LegView], restarted: bool) {
        let after_loss = std::mem::take(&mut self.link_down);
        self.restarted |= restarted && self.has_open_leg();
        let experts = (0..=u8::MAX).map(Leg::Expert).zip(&mut self.experts);
        for (leg, facts) in experts.chain([(Leg::Council, &mut self.council)]) {
            let view = views.iter().find(|view| view.leg == leg);
            facts.compare(view, restarted, after_loss);
        }
    }

    pub(crate) fn has_expired(&self, kind: TimerKind) -> bool {
        self.timers.0[kind as usize].1 == Phase::Expired
    }
}
