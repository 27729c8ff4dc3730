//! One behaviour each, named for it.

// Tests pick single outputs out of many.
#![allow(clippy::wildcard_enum_match_arm)]

use ife_call::cause::Class;
use ife_call::{
    Acceptance, Backend, Call, Cause, Direction, EndReason, FailReason, Gate, Input, Leg, LegView,
    NotAccepted, Output, Plan, Policy, Reported, RetryOn, Seen, State, Timer, TimerKind, Verdict,
};

const EXPERT: Leg = Leg::Expert(0);
const SECOND: Leg = Leg::Expert(1);

/// A call and everything it has put out.
struct Bench {
    call: Call,
    outputs: Vec<Output>,
}

impl Bench {
    fn new(direction: Direction, backend: Backend, experts: usize) -> Self {
        Self::with_policy(direction, backend, experts, Policy::default())
    }

    fn with_policy(direction: Direction, backend: Backend, experts: usize, policy: Policy) -> Self {
        let names = ["expert-a@example", "expert-b@example", "expert-c@example"];
        let experts = names[..experts].iter().map(|name| (*name).into()).collect();
        Self::of(Call::new(Plan {
            direction,
            backend,
            experts,
            policy,
        }))
    }

    fn of(call: Call) -> Self {
        let mut bench = Bench {
            call,
            outputs: Vec::new(),
        };
        bench.drain();
        bench
    }

    fn drain(&mut self) {
        self.outputs
            .extend(std::iter::from_fn(|| self.call.poll_output()));
    }

    fn give(&mut self, input: Input) -> &mut Self {
        self.call.handle(input);
        self.drain();
        self
    }

    fn approve(&mut self) -> &mut Self {
        let attempt = self.call.attempt();
        self.give(Input::Verdict {
            attempt,
            verdict: Verdict::Approved,
        })
    }

    fn refuse(&mut self, gate: Gate, code: u16) -> &mut Self {
        let verdict = Verdict::Refused {
            gate,
            code,
            reason: "no".to_owned(),
        };
        self.give(Input::Verdict {
            attempt: self.call.attempt(),
            verdict,
        })
    }

    fn see(&mut self, leg: Leg, seen: Seen) -> &mut Self {
        self.give(Input::Leg(leg, seen))
    }

    /// The leg answers, and the expert accepts.
    fn accept(&mut self, leg: Leg) -> &mut Self {
        self.see(leg, Seen::Up)
            .see(leg, Seen::Accepted(Acceptance::Key))
    }

    fn gone(&mut self, leg: Leg, cause: u8) -> &mut Self {
        self.see(leg, Seen::Gone(Cause::seen(cause)))
    }

    fn timeout(&mut self, kind: TimerKind) -> &mut Self {
        let timer = self.timer(kind).expect("the timer was started");
        self.give(Input::Timeout(timer))
    }

    fn timer(&self, kind: TimerKind) -> Option<Timer> {
        self.outputs.iter().rev().find_map(|output| match output {
            Output::StartTimer { timer, .. } if timer.kind == kind => Some(*timer),
            _ => None,
        })
    }

    fn snapshot(&mut self, legs: Vec<LegView>) -> &mut Self {
        self.give(Input::Snapshot {
            legs,
            restarted: false,
        })
    }

    fn state(&self) -> State {
        self.call.state().clone()
    }

    fn count(&self, wanted: impl Fn(&Output) -> bool) -> usize {
        self.outputs.iter().filter(|output| wanted(output)).count()
    }

    fn hangups(&self, leg: Leg) -> Vec<u8> {
        let cause_of = |output: &Output| match output {
            Output::Hangup { leg: of, cause } if *of == leg => Some(cause.value()),
            _ => None,
        };
        self.outputs.iter().filter_map(cause_of).collect()
    }

    fn states(&self) -> Vec<&str> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::StateChanged(reported) => Some(reported.as_str()),
                _ => None,
            })
            .collect()
    }

    fn witnessed(&self) -> Vec<&str> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Witness(entry) => Some(entry.event.as_str()),
                _ => None,
            })
            .collect()
    }
}

fn out() -> Bench {
    Bench::new(Direction::ToExpert, Backend::Room, 2)
}

fn connected() -> Bench {
    let mut bench = out();
    bench
        .approve()
        .see(EXPERT, Seen::There)
        .see(EXPERT, Seen::Ringing)
        .accept(EXPERT);
    bench.give(Input::Joined(EXPERT));
    bench
}

fn view(leg: Leg, up: bool, joined: bool) -> LegView {
    LegView {
        leg,
        ringing: true,
        up,
        accepted: joined.then_some(Acceptance::Key),
        joined,
    }
}

fn fail_expert(class: ife_call::cause::Class, cause: u8) -> State {
    State::Failed(FailReason::Expert {
        class,
        cause: Cause::seen(cause),
        reply: None,
    })
}

#[test]
fn an_escalation_goes_through_every_state_and_witnesses_each() {
    let mut bench = connected();
    bench.give(Input::UserHangup).gone(EXPERT, 16);
    let states = [
        "received",
        "approved",
        "inviting",
        "ringing",
        "answered",
        "accepted",
        "bridging",
        "connected",
        "ending",
        "ended",
    ];
    assert_eq!(bench.states(), states);
    let events = [
        "ESCALATE",
        "APPROVED",
        "INVITE",
        "RINGING",
        "CONNECTED",
        "ACCEPTED",
        "TRYING",
        "BYE",
        "TERMINATED",
    ];
    assert_eq!(bench.witnessed(), events);
    assert_eq!(bench.state(), State::Ended(EndReason::UserHangup));
}

#[test]
fn no_call_is_made_before_the_gate_approves() {
    let mut bench = out();
    assert_eq!(
        bench.count(|output| matches!(output, Output::Originate { .. })),
        0
    );
    bench.approve();
    assert_eq!(
        bench.count(|output| matches!(output, Output::Originate { .. })),
        1
    );
}

#[test]
fn a_refusal_by_the_gate_makes_no_call() {
    let mut bench = out();
    bench.refuse(Gate::Hazard, 403);
    assert_eq!(
        bench.count(|output| matches!(output, Output::Originate { .. } | Output::Hangup { .. })),
        0
    );
    let State::Failed(reason) = bench.state() else {
        panic!("{:?}", bench.state())
    };
    assert_eq!(reason.sip(), 403);
    assert!(bench.witnessed().contains(&"REJECTED"));
}

#[test]
fn a_refusal_for_quota_counts_as_busy_and_leads_to_the_next_expert() {
    let mut bench = out();
    bench.refuse(Gate::Quota, 486);
    assert_eq!((bench.state(), bench.call.attempt()), (State::Received, 1));
    assert_eq!(
        bench.count(|output| matches!(output, Output::AskGate { attempt: 1, .. })),
        1
    );
}

#[test]
fn each_way_of_not_having_an_expert_leads_to_the_next() {
    type Way = fn(&mut Bench);
    let ways: [(&str, Way); 6] = [
        ("busy", |bench| {
            bench.gone(EXPERT, 17);
        }),
        ("declined", |bench| {
            bench.gone(EXPERT, 21);
        }),
        ("not registered", |bench| {
            bench.gone(EXPERT, 20);
        }),
        ("no cause", |bench| {
            bench.gone(EXPERT, 0);
        }),
        ("never rang", |bench| {
            bench.timeout(TimerKind::Setup);
        }),
        ("never answered", |bench| {
            bench.see(EXPERT, Seen::Ringing).timeout(TimerKind::Ring);
        }),
    ];
    for (way, happen) in ways {
        let mut bench = out();
        bench.approve().see(EXPERT, Seen::There);
        happen(&mut bench);
        assert_eq!(
            (bench.state(), bench.call.attempt()),
            (State::Received, 1),
            "{way}"
        );
        assert_eq!(
            bench.count(|output| matches!(output, Output::TryNextExpert { .. })),
            1,
            "{way}"
        );
    }
}

#[test]
fn the_next_expert_has_the_whole_time_again() {
    for seen in [Seen::There, Seen::Ringing] {
        let mut bench = out();
        bench.approve().see(EXPERT, seen);
        bench.timeout(if seen == Seen::There {
            TimerKind::Setup
        } else {
            TimerKind::Ring
        });
        bench.approve().see(SECOND, Seen::Ringing);
        assert_eq!(bench.state(), State::Ringing);
        bench.accept(SECOND).give(Input::Joined(SECOND));
        assert_eq!(bench.state(), State::Connected);
    }
}

#[test]
fn policy_can_forbid_the_next_expert() {
    let retry = RetryOn {
        busy: false,
        no_answer: false,
        declined: false,
        unreachable: false,
        refused: false,
    };
    for cause in [17, 19, 21, 3, 0, 42] {
        let policy = Policy {
            retry,
            ..Policy::default()
        };
        let mut bench = Bench::with_policy(Direction::ToExpert, Backend::Room, 2, policy);
        bench.approve().see(EXPERT, Seen::There).gone(EXPERT, cause);
        assert_eq!(bench.call.attempt(), 0);
        assert!(
            matches!(bench.state(), State::Failed(FailReason::Expert { .. })),
            "cause {cause}"
        );
    }
}

#[test]
fn the_last_expert_gives_the_reason_of_the_failure() {
    let mut bench = out();
    bench.approve().gone(EXPERT, 21).approve().gone(SECOND, 17);
    assert_eq!(bench.state(), fail_expert(ife_call::cause::Class::Busy, 17));
}

#[test]
fn an_expert_who_is_given_up_is_hung_up_at_once_with_a_cause_that_is_no_global_failure() {
    let mut bench = out();
    bench
        .approve()
        .see(EXPERT, Seen::Ringing)
        .timeout(TimerKind::Ring);
    assert_eq!(bench.hangups(EXPERT), [19]);
}

#[test]
fn an_expert_who_answers_after_being_given_up_is_hung_up() {
    let mut bench = out();
    bench
        .approve()
        .see(EXPERT, Seen::Ringing)
        .timeout(TimerKind::Ring)
        .approve();
    bench.see(EXPERT, Seen::Up);
    assert_eq!(bench.hangups(EXPERT), [19, 16]);
    assert_eq!(bench.call.attempt(), 1);
    assert_ne!(bench.state(), State::Answered);
}

#[test]
fn a_user_who_hangs_up_gets_no_further_expert() {
    let mut bench = out();
    bench
        .approve()
        .see(EXPERT, Seen::Ringing)
        .give(Input::UserHangup)
        .gone(EXPERT, 17);
    assert_eq!(bench.state(), State::Ended(EndReason::UserHangup));
    assert_eq!(bench.hangups(EXPERT), [31]);
}

#[test]
fn what_is_seen_of_a_leg_may_come_in_any_order() {
    let seen = [
        Input::Leg(EXPERT, Seen::There),
        Input::Leg(EXPERT, Seen::Ringing),
        Input::Leg(EXPERT, Seen::Up),
        Input::Leg(EXPERT, Seen::Accepted(Acceptance::Key)),
        Input::Joined(EXPERT),
    ];
    for order in permutations(5) {
        let mut bench = out();
        bench.approve();
        for at in &order {
            bench.give(seen[*at].clone());
        }
        assert_eq!(bench.state(), State::Connected, "{order:?}");
        assert!(bench.hangups(EXPERT).is_empty(), "{order:?}");
    }
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let insert = |rest: Vec<usize>| {
        (0..of).map(move |at| {
            let mut order = rest.clone();
            order.insert(at, of - 1);
            order
        })
    };
    permutations(of - 1).into_iter().flat_map(insert).collect()
}

#[test]
fn success_of_the_order_to_call_is_not_an_answer() {
    // `OriginateResponse: Success` comes before the channel is up; the shell gives it as `There` at
    // most.
    let mut bench = out();
    bench.approve().see(EXPERT, Seen::There);
    assert_eq!(bench.state(), State::Inviting);
}

#[test]
fn a_leg_that_never_came_to_be_ends_the_attempt_without_any_channel_event() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 1);
    bench.approve().gone(EXPERT, 0);
    assert_eq!(
        bench.state(),
        fail_expert(ife_call::cause::Class::Unknown, 0)
    );
    assert!(bench.hangups(EXPERT).is_empty());
}

#[test]
fn cause_111_is_not_a_refusal_by_the_expert() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 1);
    bench.approve().see(EXPERT, Seen::There).gone(EXPERT, 111);
    assert_eq!(
        bench.state(),
        fail_expert(ife_call::cause::Class::Unknown, 111)
    );
}

#[test]
fn a_later_report_adds_the_cause_that_the_first_did_not_know() {
    let mut bench = connected();
    bench.gone(EXPERT, 0).gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::ExpertLeft));
}

#[test]
fn an_expert_who_leaves_is_told_from_one_who_is_removed() {
    for leaving_first in [true, false] {
        let mut bench = connected();
        if leaving_first {
            bench.see(EXPERT, Seen::Leaving);
        }
        bench.give(Input::Left(EXPERT));
        if !leaving_first {
            bench.see(EXPERT, Seen::Leaving);
        }
        bench.gone(EXPERT, 16);
        assert_eq!(bench.state(), State::Ended(EndReason::ExpertLeft));
    }
    let mut bench = connected();
    bench
        .give(Input::Left(EXPERT))
        .see(EXPERT, Seen::Removed)
        .gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::CouncilLeft));
    assert_eq!(bench.hangups(EXPERT), []);
    // Nothing is seen but that the leg is gone: only a removed one would have shown more.
    let mut bench = connected();
    bench.give(Input::Left(EXPERT)).gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::ExpertLeft));
}

#[test]
fn a_leg_that_has_left_the_room_and_stays_is_hung_up() {
    let mut bench = connected();
    bench.give(Input::Left(EXPERT));
    assert_eq!(bench.state(), State::Ending);
    assert_eq!(bench.hangups(EXPERT), []);
    bench.timeout(TimerKind::Hangup);
    assert_eq!(bench.hangups(EXPERT), [16]);
}

#[test]
fn an_answer_is_no_acceptance() {
    let mut bench = out();
    bench.approve().see(EXPERT, Seen::Up);
    assert_eq!(bench.state(), State::Answered);
    bench.see(EXPERT, Seen::Briefing);
    assert_eq!(bench.state(), State::Briefing);
    // Not even in the room: a dialplan that lets in without acceptance is none of ours.
    bench.give(Input::Joined(EXPERT));
    assert_eq!(bench.state(), State::Briefing);
    bench.see(EXPERT, Seen::Accepted(Acceptance::Page));
    assert_eq!(bench.state(), State::Connected);
    let accepted = |output: &Output| match output {
        Output::Witness(entry) if entry.event.as_str() == "ACCEPTED" => entry.means,
        _ => None,
    };
    let means: Vec<_> = bench.outputs.iter().filter_map(accepted).collect();
    assert_eq!(means, [Acceptance::Page]);
}

#[test]
fn an_expert_who_answers_and_does_not_accept_leads_to_the_next() {
    type Way = fn(&mut Bench);
    let ways: [(&str, Way); 5] = [
        ("expert_declined", |bench| {
            bench.see(EXPERT, Seen::NotAccepted(NotAccepted::Declined));
        }),
        ("expert_passed_on", |bench| {
            bench.see(EXPERT, Seen::NotAccepted(NotAccepted::PassedOn));
        }),
        ("expert_not_accepted", |bench| {
            bench.see(EXPERT, Seen::NotAccepted(NotAccepted::NoKey));
        }),
        ("expert_not_accepted", |bench| {
            bench.timeout(TimerKind::Accept);
        }),
        ("expert_left_early", |bench| {
            bench.gone(EXPERT, 16);
        }),
    ];
    for (way, happen) in ways {
        for briefed in [true, false] {
            let mut bench = out();
            bench.approve().see(EXPERT, Seen::Up);
            if briefed {
                bench.see(EXPERT, Seen::Briefing);
            }
            happen(&mut bench);
            assert_eq!((bench.state(), bench.call.attempt()), (State::Received, 1));
            let why = |output: &Output| match output {
                Output::TryNextExpert { why, .. } => Some(why.to_string()),
                _ => None,
            };
            let whys: Vec<_> = bench.outputs.iter().filter_map(why).collect();
            assert_eq!(whys, [way]);
        }
    }
}

#[test]
fn a_leg_whose_dialplan_says_goodbye_is_not_cut_off() {
    let mut bench = out();
    let declined = Seen::NotAccepted(NotAccepted::Declined);
    bench.approve().see(EXPERT, Seen::Up).see(EXPERT, declined);
    assert_eq!(bench.hangups(EXPERT), []);
    // The last expert: the call ends with the leg, or by order if the leg stays.
    bench.approve().see(SECOND, Seen::Up).see(SECOND, declined);
    assert_eq!(bench.state(), State::Ending);
    assert_eq!(bench.hangups(SECOND), []);
    bench.timeout(TimerKind::Hangup);
    assert_eq!(bench.hangups(SECOND), [16]);
    bench.gone(EXPERT, 16).gone(SECOND, 16);
    let failed = FailReason::NotAccepted(NotAccepted::Declined);
    assert_eq!(bench.state(), State::Failed(failed));
}

#[test]
fn a_key_after_the_time_out_accepts_nothing() {
    let mut bench = out();
    let too_late = Seen::NotAccepted(NotAccepted::NoKey);
    bench.approve().see(EXPERT, Seen::Up).see(EXPERT, too_late);
    bench.see(EXPERT, Seen::Accepted(Acceptance::Key));
    assert_eq!((bench.state(), bench.call.attempt()), (State::Received, 1));
    assert_eq!(bench.hangups(EXPERT), [16]);
}

#[test]
fn an_expert_gone_before_the_council_is_joined_is_a_failure() {
    let mut bench = out();
    bench.approve().accept(EXPERT).gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Failed(FailReason::ExpertLeftEarly));
}

#[test]
fn a_council_that_cannot_be_joined_is_undone_by_a_compensating_hangup() {
    let mut bench = out();
    bench.approve().accept(EXPERT).timeout(TimerKind::Join);
    assert_eq!(bench.state(), State::Ending);
    assert_eq!(bench.hangups(EXPERT), [16]);
    bench.gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Failed(FailReason::CouncilTimeout));
}

#[test]
fn a_hangup_is_ordered_again_until_the_leg_is_gone() {
    let mut bench = connected();
    bench
        .give(Input::UserHangup)
        .timeout(TimerKind::Hangup)
        .timeout(TimerKind::Hangup);
    assert_eq!(bench.hangups(EXPERT).len(), 3);
    bench.gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::UserHangup));
}

#[test]
fn a_call_whose_leg_is_never_seen_gone_does_not_claim_to_have_ended() {
    let mut bench = connected();
    bench.give(Input::UserHangup);
    for _ in 0..Policy::default().hangup_tries {
        bench.timeout(TimerKind::Hangup);
    }
    assert_eq!(bench.state(), State::Failed(FailReason::HangupUnconfirmed));
}

#[test]
fn a_leg_that_shows_itself_after_the_end_is_hung_up() {
    let mut bench = connected();
    bench.give(Input::UserHangup).gone(EXPERT, 16);
    let before = bench.hangups(EXPERT).len();
    bench
        .see(EXPERT, Seen::Up)
        .snapshot(vec![view(EXPERT, true, true)]);
    assert_eq!(bench.hangups(EXPERT).len(), before + 2);
    assert!(!bench.call.is_live());
}

#[test]
fn out_of_sight_is_unknown_and_comes_back_as_it_was() {
    let mut bench = connected();
    bench.give(Input::LinkDown);
    assert_eq!(bench.call.reported(), Reported::Unknown(State::Connected));
    assert_eq!(bench.call.reported().as_str(), "unknown");
    bench.snapshot(vec![view(EXPERT, true, true)]);
    assert_eq!(bench.call.reported(), Reported::Known(State::Connected));
    assert!(bench.hangups(EXPERT).is_empty());
}

#[test]
fn a_leg_missing_from_a_snapshot_has_ended_unseen() {
    let mut bench = connected();
    bench.give(Input::LinkDown).snapshot(Vec::new());
    assert_eq!(bench.state(), State::Ended(EndReason::Unseen));
}

#[test]
fn a_leg_that_was_only_ordered_is_not_gone_because_a_snapshot_lacks_it() {
    let mut bench = out();
    bench.approve().snapshot(Vec::new());
    assert_eq!(bench.state(), State::Approved);
    bench.see(EXPERT, Seen::Ringing);
    assert_eq!(bench.state(), State::Ringing);
}

#[test]
fn a_restart_of_the_gateway_fails_the_call_with_that_reason() {
    let mut bench = connected();
    bench.give(Input::LinkDown).give(Input::Snapshot {
        legs: Vec::new(),
        restarted: true,
    });
    assert_eq!(bench.state(), State::Failed(FailReason::GatewayRestarted));
}

#[test]
fn a_gateway_that_stays_away_fails_the_call() {
    let mut bench = connected();
    bench.give(Input::LinkDown).timeout(TimerKind::Link);
    assert_eq!(bench.state(), State::Failed(FailReason::GatewayLost));
    // It was only its voice that was gone.
    bench.snapshot(vec![view(EXPERT, true, true)]);
    assert_eq!(bench.hangups(EXPERT), [16, 16]);
}

#[test]
fn timers_of_calling_decide_nothing_while_the_gateway_is_out_of_sight() {
    let mut bench = out();
    bench
        .approve()
        .see(EXPERT, Seen::Ringing)
        .give(Input::LinkDown)
        .timeout(TimerKind::Ring);
    assert_eq!(bench.state(), State::Ringing);
    bench.snapshot(vec![view(EXPERT, true, false)]);
    assert_eq!(bench.state(), State::Answered);
}

#[test]
fn an_answered_leg_that_is_gone_does_not_wait_for_the_gateway_to_come_back() {
    let mut bench = out();
    bench.approve().give(Input::LinkDown).accept(EXPERT);
    assert_eq!(bench.state(), State::Accepted);
    bench.gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Failed(FailReason::ExpertLeftEarly));
}

#[test]
fn a_stale_timer_is_ignored() {
    let mut bench = out();
    let gate = bench
        .timer(TimerKind::Gate)
        .expect("the gate is waited for");
    bench.approve().give(Input::Timeout(gate));
    assert_eq!(bench.state(), State::Approved);
}

#[test]
fn an_mcu_is_joined_when_its_leg_answers() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .accept(EXPERT)
        .see(Leg::Council, Seen::Ringing);
    assert_eq!(bench.state(), State::Bridging);
    bench.see(Leg::Council, Seen::Up);
    assert_eq!(bench.state(), State::Connected);
    bench.gone(Leg::Council, 16);
    assert_eq!(bench.hangups(EXPERT), [16]);
    bench.gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::CouncilLeft));
    assert!(
        bench
            .witnessed()
            .ends_with(&["COUNCIL_LEAVE", "H323_RELEASED", "TERMINATED"])
    );
}

#[test]
fn an_mcu_that_hangs_up_is_told_from_an_expert_who_does_whichever_leg_is_gone_first() {
    let cases = [
        (Leg::Council, EXPERT, EndReason::CouncilLeft),
        (Leg::Council, Leg::Council, EndReason::CouncilLeft),
        (EXPERT, EXPERT, EndReason::ExpertLeft),
        (EXPERT, Leg::Council, EndReason::ExpertLeft),
    ];
    for (leaves, gone_first, reason) in cases {
        let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
        bench.approve().accept(EXPERT).see(Leg::Council, Seen::Up);
        bench.see(leaves, Seen::Leaving).gone(gone_first, 16);
        let other = if gone_first == EXPERT {
            Leg::Council
        } else {
            EXPERT
        };
        bench.gone(other, 16);
        assert_eq!(
            bench.state(),
            State::Ended(reason),
            "{leaves} leaves, {gone_first} is gone first"
        );
    }
}

#[test]
fn an_mcu_that_never_says_a_word_is_unreachable() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .accept(EXPERT)
        .see(Leg::Council, Seen::There)
        .gone(Leg::Council, 0)
        .gone(EXPERT, 16);
    let (class, cause) = (Class::Unreachable, Cause::UNKNOWN);
    assert_eq!(
        bench.state(),
        State::Failed(FailReason::Council { class, cause })
    );

    // For one that rang it has no meaning.
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .accept(EXPERT)
        .see(Leg::Council, Seen::Ringing)
        .gone(Leg::Council, 0)
        .gone(EXPERT, 16);
    let (class, cause) = (Class::Unknown, Cause::UNKNOWN);
    assert_eq!(
        bench.state(),
        State::Failed(FailReason::Council { class, cause })
    );
}

#[test]
fn the_reply_says_more_than_the_cause() {
    let cases = [
        (401, 21, false, Class::Forbidden),
        (603, 21, true, Class::Declined),
        (302, 19, false, Class::Redirected),
        (415, 0, false, Class::Incompatible),
        (607, 0, true, Class::Declined),
        (608, 0, false, Class::Forbidden),
        (480, 19, false, Class::Unreachable),
        (480, 19, true, Class::NoAnswer),
        (499, 21, true, Class::Unknown),
    ];
    for (status, cause, rings, class) in cases {
        let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 1);
        bench.approve();
        if rings {
            bench.see(EXPERT, Seen::Ringing);
        }
        bench.see(EXPERT, Seen::Replied(status)).gone(EXPERT, cause);
        let wanted = FailReason::Expert {
            class,
            cause: Cause::seen(cause),
            reply: Some(status),
        };
        assert_eq!(wanted.sip(), status);
        assert_eq!(bench.state(), State::Failed(wanted), "{status}");
    }
}

#[test]
fn an_answer_without_a_usable_session_is_no_hang_up() {
    for (reply, wanted) in [
        (
            Some(406),
            FailReason::Expert {
                class: Class::Incompatible,
                cause: Cause::NORMAL,
                reply: Some(406),
            },
        ),
        (Some(408), FailReason::ExpertLeftEarly),
        (None, FailReason::ExpertLeftEarly),
    ] {
        let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 1);
        bench.approve().see(EXPERT, Seen::Up);
        if let Some(status) = reply {
            bench.see(EXPERT, Seen::Replied(status));
        }
        bench.gone(EXPERT, 16);
        assert_eq!(bench.state(), State::Failed(wanted));
    }
    // The MCU answered before the gateway looked at the phone's SDP.
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .see(EXPERT, Seen::Up)
        .see(Leg::Council, Seen::Up)
        .see(EXPERT, Seen::Replied(406))
        .see(EXPERT, Seen::Leaving)
        .gone(Leg::Council, 16)
        .gone(EXPERT, 16);
    let wanted = FailReason::Expert {
        class: Class::Incompatible,
        cause: Cause::NORMAL,
        reply: Some(406),
    };
    assert_eq!(bench.state(), State::Failed(wanted));
}

#[test]
fn only_a_persons_refusal_keeps_the_next_expert_from_being_called() {
    let policy = Policy {
        retry: RetryOn {
            declined: false,
            ..RetryOn::default()
        },
        ..Policy::default()
    };
    for (status, attempts) in [(401, 1), (302, 1), (608, 1), (603, 0)] {
        let mut bench = Bench::with_policy(Direction::ToExpert, Backend::Room, 2, policy);
        bench
            .approve()
            .see(EXPERT, Seen::Replied(status))
            .gone(EXPERT, 21);
        assert_eq!(bench.call.attempt(), attempts, "{status}");
    }
}

#[test]
fn a_leg_that_vanished_while_the_gateway_was_out_of_sight_ended_unseen() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 1);
    bench.approve().see(EXPERT, Seen::Ringing);
    bench.give(Input::LinkDown).snapshot(vec![]);
    assert_eq!(bench.state(), State::Failed(FailReason::Unseen));

    let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 1);
    bench.approve().see(EXPERT, Seen::Up);
    bench.give(Input::LinkDown).snapshot(vec![]);
    assert_eq!(bench.state(), State::Failed(FailReason::Unseen));

    // The next expert is called where policy has one.
    let mut bench = Bench::new(Direction::ToExpert, Backend::Room, 2);
    bench.approve().see(EXPERT, Seen::Ringing);
    bench.give(Input::LinkDown).snapshot(vec![]);
    assert_eq!(bench.call.attempt(), 1);
}

#[test]
fn an_mcu_that_refuses_undoes_the_answered_leg() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .accept(EXPERT)
        .gone(Leg::Council, 34)
        .gone(EXPERT, 16);
    assert_eq!(bench.hangups(EXPERT), [16]);
    assert!(matches!(
        bench.state(),
        State::Failed(FailReason::Council { .. })
    ));
}

#[test]
fn an_expert_who_hangs_up_while_the_mcu_is_dialled_is_no_refusal_by_the_council() {
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .accept(EXPERT)
        .see(Leg::Council, Seen::There)
        .see(EXPERT, Seen::Leaving)
        .gone(Leg::Council, 16)
        .gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Failed(FailReason::ExpertLeftEarly));

    let mut bench = Bench::new(Direction::ToCouncil, Backend::Mcu, 1);
    bench
        .approve()
        .see(Leg::Council, Seen::Ringing)
        .see(EXPERT, Seen::Leaving)
        .gone(Leg::Council, 16)
        .gone(EXPERT, 127);
    assert_eq!(bench.state(), State::Ended(EndReason::ExpertLeft));

    // Here it was the MCU; that the expert goes as well is the consequence.
    let mut bench = Bench::new(Direction::ToExpert, Backend::Mcu, 1);
    bench
        .approve()
        .accept(EXPERT)
        .see(Leg::Council, Seen::Leaving)
        .see(EXPERT, Seen::Leaving)
        .gone(Leg::Council, 17)
        .gone(EXPERT, 16);
    assert!(matches!(
        bench.state(),
        State::Failed(FailReason::Council { .. })
    ));
}

#[test]
fn an_incoming_call_is_connected_when_it_is_in_the_room() {
    let mut bench = Bench::new(Direction::ToCouncil, Backend::Room, 1);
    bench
        .approve()
        .see(EXPERT, Seen::Up)
        .give(Input::Joined(EXPERT));
    assert_eq!(bench.state(), State::Connected);
}

#[test]
fn an_incoming_call_is_connected_when_the_mcu_and_then_its_own_leg_answer() {
    let mut bench = Bench::new(Direction::ToCouncil, Backend::Mcu, 1);
    bench.approve().see(Leg::Council, Seen::Ringing);
    assert_eq!(bench.state(), State::Ringing);
    bench.see(Leg::Council, Seen::Up);
    assert_eq!(bench.state(), State::Bridging);
    bench.see(EXPERT, Seen::Up);
    assert_eq!(bench.state(), State::Connected);
}

#[test]
fn an_incoming_call_that_is_refused_is_hung_up_with_the_code_of_the_gate() {
    let mut bench = Bench::new(Direction::ToCouncil, Backend::Room, 1);
    bench.refuse(Gate::Hazard, 403);
    assert_eq!(bench.hangups(EXPERT), [21]);
    bench.gone(EXPERT, 21);
    assert!(matches!(
        bench.state(),
        State::Failed(FailReason::Refused {
            gate: Gate::Hazard,
            ..
        })
    ));
}

#[test]
fn an_incoming_call_gets_the_cause_of_the_mcu() {
    for (seen, set) in [
        (17, 17),
        (20, 3),
        (34, 42),
        (0, 42),
        (111, 42),
        (16, 42),
        (58, 58),
    ] {
        let mut bench = Bench::new(Direction::ToCouncil, Backend::Mcu, 1);
        bench
            .approve()
            .see(Leg::Council, Seen::There)
            .gone(Leg::Council, seen);
        assert_eq!(bench.hangups(EXPERT), [set], "cause {seen}");
    }
}

#[test]
fn a_caller_who_gives_up_ends_the_call() {
    let mut bench = Bench::new(Direction::ToCouncil, Backend::Mcu, 1);
    bench
        .approve()
        .see(Leg::Council, Seen::Ringing)
        .gone(EXPERT, 0);
    assert_eq!(bench.hangups(Leg::Council), [31]);
    bench.gone(Leg::Council, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::ExpertLeft));
}

#[test]
fn a_call_taken_over_is_unknown_until_the_gateway_shows_it() {
    let plan = Plan {
        direction: Direction::ToExpert,
        backend: Backend::Room,
        experts: vec!["expert-a@example".into()],
        policy: Policy::default(),
    };
    let mut bench = Bench::of(Call::adopt(plan, 0));
    assert_eq!(bench.call.reported().as_str(), "unknown");
    bench.snapshot(vec![view(EXPERT, true, true)]);
    assert_eq!(bench.call.reported(), Reported::Known(State::Connected));
    let orders = |output: &Output| {
        matches!(
            output,
            Output::AskGate { .. } | Output::Originate { .. } | Output::Hangup { .. }
        )
    };
    assert_eq!(bench.count(orders), 0);
}

#[test]
fn a_call_taken_over_whose_leg_is_gone_ends() {
    let plan = Plan {
        direction: Direction::ToExpert,
        backend: Backend::Room,
        experts: vec!["expert-a@example".into()],
        policy: Policy::default(),
    };
    let mut bench = Bench::of(Call::adopt(plan, 0));
    bench.snapshot(Vec::new());
    assert!(!bench.call.is_live());
    assert_eq!(
        bench.count(|output| matches!(output, Output::Originate { .. })),
        0
    );
}

#[test]
fn without_a_gateway_no_call_is_begun() {
    let mut bench = out();
    bench.give(Input::LinkDown).approve();
    assert_eq!(bench.state(), State::Failed(FailReason::GatewayDown));
    assert_eq!(
        bench.count(|output| matches!(output, Output::Originate { .. })),
        0
    );
}

#[test]
fn a_plan_without_experts_fails_at_once() {
    let bench = Bench::new(Direction::ToExpert, Backend::Room, 0);
    assert_eq!(bench.state(), State::Failed(FailReason::NoExpert));
}

#[test]
fn the_longest_call_is_ended() {
    let mut bench = connected();
    bench.timeout(TimerKind::Call).gone(EXPERT, 16);
    assert_eq!(bench.state(), State::Ended(EndReason::TooLong));
}
