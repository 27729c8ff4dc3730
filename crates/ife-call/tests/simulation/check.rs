use std::collections::{BTreeMap, BTreeSet};

use ife_call::{Backend, Cause, Direction, Leg, Output, Reported, State};

/// What really happened to a leg, ever.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ever {
    pub(crate) there: bool,
    pub(crate) rang: bool,
    pub(crate) up: bool,
    pub(crate) briefed: bool,
    pub(crate) accepted: bool,
    pub(crate) joined: bool,
}

/// Watches a call's outputs and what really happened, and notes what must not be.
pub(crate) struct Checks {
    pub(crate) direction: Direction,
    pub(crate) backend: Backend,
    pub(crate) ever: BTreeMap<Leg, Ever>,
    pub(crate) approved: BTreeSet<u8>,
    pub(crate) broken: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) end: String,
    originated: BTreeSet<Leg>,
    last: Option<State>,
    entered: Option<State>,
    unwitnessed: Option<State>,
    attempt: u8,
}

impl Checks {
    pub(crate) fn new(direction: Direction, backend: Backend) -> Self {
        Checks {
            direction,
            backend,
            ever: BTreeMap::new(),
            approved: BTreeSet::new(),
            broken: Vec::new(),
            trace: Vec::new(),
            end: String::new(),
            originated: BTreeSet::new(),
            last: None,
            entered: None,
            unwitnessed: None,
            attempt: 0,
        }
    }

    pub(crate) fn ever(&mut self, leg: Leg) -> &mut Ever {
        self.ever.entry(leg).or_default()
    }

    pub(crate) fn output(&mut self, output: &Output) {
        // Several outputs may wait at once, so the call's own attempt may be ahead.
        let attempt = self.attempt;
        match output {
            Output::Originate { leg, .. } => {
                let is_first = self.originated.insert(*leg);
                self.must(is_first, "an expert was called twice");
                self.must(
                    self.approved.contains(&attempt),
                    "a call without the gate's consent",
                );
            }
            Output::Hangup { leg, cause } => {
                // An answered leg gets 16; one that is not answered never gets a cause that becomes
                // 603.
                let up = self.ever(*leg).up;
                let is_safe = Cause::seen(cause.value())
                    .to_set(ife_call::cause::Stage::BeforeAnswer)
                    == *cause;
                self.must(
                    is_safe || (up && *cause == Cause::NORMAL),
                    "a cause that becomes a global failure",
                );
            }
            Output::Witness(_) => self.unwitnessed = None,
            Output::StateChanged(reported) => self.reported(attempt, reported),
            Output::AskGate { .. } | Output::StartTimer { .. } => {}
            Output::TryNextExpert { .. } => self.attempt += 1,
        }
    }

    fn reported(&mut self, attempt: u8, reported: &Reported) {
        let state = match reported {
            // Shown as unknown, but entered: its witness entry follows now.
            Reported::Unknown(state) => {
                let by_room = *state == State::Connected && self.backend == Backend::Room;
                self.unwitnessed = Some(state.clone())
                    .filter(|_| self.entered.as_ref() != Some(state) && !by_room);
                self.entered = Some(state.clone());
                return;
            }
            Reported::Known(state) => state.clone(),
        };
        if self.last.as_ref() == Some(&state) {
            return;
        }
        self.must(
            self.unwitnessed.is_none(),
            "a state was entered without a witness entry",
        );
        if self.entered.as_ref() != Some(&state) {
            // A member of a room is witnessed by the room.
            let by_room = state == State::Connected && self.backend == Backend::Room;
            self.unwitnessed = (!by_room).then(|| state.clone());
            self.entered = Some(state.clone());
        }
        self.supported(attempt, &state);
        let from = self.last.replace(state.clone());
        self.must(
            from.as_ref().is_none_or(|from| may_follow(from, &state)),
            "a transition that the table does not have",
        );
        match state {
            State::Ended(reason) => self.end = reason.as_str().to_owned(),
            State::Failed(reason) => self.end = reason.as_str().to_owned(),
            _ => {}
        }
    }

    fn supported(&mut self, attempt: u8, state: &State) {
        let expert = *self.ever(Leg::Expert(attempt));
        let council = *self.ever(Leg::Council);
        let council_first = (self.direction, self.backend) == (Direction::ToCouncil, Backend::Mcu);
        let called = if council_first { council } else { expert };
        let approved = self.approved.contains(&attempt);
        // Only an expert who was called is asked whether they accept.
        let accepted = expert.accepted || self.direction == Direction::ToCouncil;
        let is_true = match state {
            State::Received | State::Ending | State::Ended(_) | State::Failed(_) => true,
            State::Approved => approved,
            State::Inviting => called.there,
            State::Ringing => called.rang,
            State::Answered => called.up,
            State::Briefing => expert.briefed,
            State::Accepted => expert.accepted,
            State::Bridging => called.up && accepted,
            State::Connected => match self.backend {
                Backend::Room => accepted && expert.joined,
                Backend::Mcu => accepted && expert.up && council.up,
            },
        };
        self.must(
            is_true,
            &format!("state {} that nothing supports", state.as_str()),
        );
    }

    pub(crate) fn must(&mut self, is_true: bool, what: &str) {
        if !is_true {
            self.broken.push(what.to_owned());
        }
    }
}

fn rank(state: &State) -> u8 {
    match state {
        State::Received => 0,
        State::Approved => 1,
        State::Inviting => 2,
        State::Ringing => 3,
        State::Answered => 4,
        State::Briefing => 5,
        State::Accepted => 6,
        State::Bridging => 7,
        State::Connected => 8,
        State::Ending => 9,
        State::Ended(_) | State::Failed(_) => 10,
    }
}

fn may_follow(from: &State, to: &State) -> bool {
    // Back to the start, for the next expert, only before one has accepted. A refusal stays in
    // `Received`.
    let next_expert = *to == State::Received && rank(from) < rank(&State::Accepted);
    next_expert || rank(from) < rank(to)
}
