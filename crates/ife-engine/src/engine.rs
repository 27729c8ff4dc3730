//! The owner of all calls. It applies one [`Action`] after the other; no other task changes a call,
//! so no call is locked.
//!
//! ```text
//! API, intake --Command--+
//! AMI link ----FromLink--+--> Action -> apply() --+--> AMI actions
//! store --------Stored---+                        +--> store, witness
//! timers, clock ---------+                        +--> events, replies, measures
//! ```

use std::time::Instant;

use ife_call::Input;
use ife_witness::entry::Event;
use tracing::info;

use crate::{
    calls::Calls,
    command::Command,
    context::Context,
    decisions::Decisions,
    gate::{Gate, GateError},
    gateway::FromLink,
    health::HealthWatch,
    ledger::Ledger,
    observe::Sight,
    record::CallRecord,
    requests::{Requests, approve},
    rooms::Rooms,
    settings::Settings,
    shell::Shell,
    time::Now,
    timers::Due,
    view::LogHealth,
};

/// Everything that happens to the engine.
#[derive(Debug)]
pub enum Action {
    /// A request.
    Command(Command),
    /// Input of the connection of that number.
    Link(u64, FromLink),
    /// The store has the record of that token, or never will.
    Stored(u64, bool),
    /// The files of the registry and of the agents were read again.
    Reload {
        /// Whether the new agents are in force.
        agents_taken: bool,
        /// The registry's text.
        registry: Result<String, GateError>,
    },
    /// A deadline has passed.
    Time,
    /// A second has passed.
    Tick,
    /// The process ends.
    Stop,
}

/// The parts that an engine begins with.
#[derive(Debug)]
pub struct Parts {
    /// Settings.
    pub settings: Settings,
    /// The registry in force and the council's key.
    pub gate: Gate,
    /// The login to Asterisk.
    pub gateway: ife_ami::Config,
    /// Everything that the store remembers.
    pub ledger: Ledger,
    /// Calls of an earlier process that had not ended.
    pub live: Vec<CallRecord>,
    /// The process around the engine.
    pub shell: Box<dyn Shell>,
}

/// Owner of all calls.
#[derive(Debug)]
pub struct Engine {
    pub(crate) cx: Context,
    pub(crate) calls: Calls,
    pub(crate) rooms: Rooms,
    pub(crate) requests: Requests,
    pub(crate) decisions: Decisions,
    pub(crate) health: HealthWatch,
    pub(crate) sight: Sight,
}

impl Engine {
    /// Takes up the calls of an earlier process, and connects to Asterisk.
    pub fn new(parts: Parts, now: Now) -> Engine {
        let health = HealthWatch::new(&parts.settings);
        let Parts {
            settings,
            gate,
            gateway,
            ledger,
            live,
            shell,
        } = parts;
        let mut engine = Engine {
            cx: Context::new(now, settings, gate, ledger, gateway, shell),
            calls: Calls::default(),
            rooms: Rooms::default(),
            requests: Requests::default(),
            decisions: Decisions::default(),
            health,
            sight: Sight::default(),
        };
        engine.cx.note(Event::Start, "the bridge has started");
        engine.rooms.reopen(&engine.cx);
        for record in live {
            info!(call_id = %record.call_id, "a call of an earlier process is taken over");
            engine.adopt(record);
        }
        engine.await_decisions();
        engine.look_at_health();
        engine.on_ami();
        engine
    }

    /// Names of the calls that have not ended.
    pub fn live_calls(&self) -> Vec<String> {
        self.calls
            .live()
            .map(|slot| slot.id().to_string())
            .collect()
    }

    /// The time of the next [`Action::Time`].
    pub fn next_due(&self) -> Option<Instant> {
        self.cx.next_due()
    }

    /// Applies an action and all that follows from it.
    pub fn apply(&mut self, action: Action, now: Now) {
        self.cx.now = now;
        match action {
            Action::Command(command) => self.on_command(command),
            Action::Link(number, said) => self.cx.on_link(number, said),
            Action::Stored(token, done) => {
                if !self.on_decision_stored(token, done) {
                    self.on_stored(token, done);
                }
            }
            Action::Reload {
                agents_taken,
                registry,
            } => self.reload(agents_taken, registry),
            Action::Time => self.on_time(),
            Action::Tick => {
                self.health.ask_contact(&mut self.cx);
                self.look_at_health();
            }
            Action::Stop => return self.cx.note(Event::Stop, "the bridge has stopped"),
        }
        self.on_ami();
        self.tell_phones();
        self.tidy_store();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Accept {
                call_id,
                expert_id,
                reply,
            } => reply.respond(self.accept_by_page(&call_id, &expert_id)),
            Command::Escalate {
                escalation,
                wait,
                resume,
                reply,
            } => self.escalate(*escalation, wait, resume, reply),
            Command::GatewayView(escalation, reply) => self.gateway_view(escalation, reply),
            Command::IntakeUp(up) => {
                self.health.set_intake(up);
                self.look_at_health();
            }
            Command::Initiate(request, reply) => self.initiate(request, reply),
            Command::Terminate(call_id, reply) => self.terminate(&call_id, reply),
            Command::Bridge(request, reply) => self.bridge(request, reply),
            Command::Approve(request, reply) => reply.respond(approve(&mut self.cx, &request)),
            Command::Calls(reply) => reply.respond(Ok(self.list_calls())),
            Command::Call(call_id, reply) => reply.respond(self.show_call(&call_id)),
            Command::Decide(submission, reply) => self.decide(submission, reply),
            Command::Owner(call_id, reply) => reply.respond(Ok(self.owner_of(&call_id))),
            Command::Room(command, reply) => self.on_room_command(command, reply),
            Command::Admit(request, reply) => {
                self.rooms
                    .admit(&mut self.cx, &mut self.calls, &request, reply);
            }
            Command::Links(request, reply) => {
                let (cx, calls) = (&mut self.cx, &mut self.calls);
                reply.respond(self.rooms.give_links(cx, calls, &request));
            }
            Command::Health(reply) => {
                self.look_at_health();
                reply.respond(Ok(self.health.shown().clone()));
            }
            Command::Evidence {
                call_id,
                guardian,
                state,
                detail,
                errors,
            } => {
                if let Some(slot) = self.calls.get_mut(&call_id) {
                    let whose = guardian.as_deref();
                    slot.on_evidence(&mut self.cx, whose, state, &detail, errors);
                }
            }
            Command::Said(call_id, message) => {
                if let Some(slot) = self.calls.get_mut(&call_id) {
                    slot.messages.add(*message);
                }
            }
            Command::Shown { call_id, id } => {
                if let Some(slot) = self.calls.get_mut(&call_id) {
                    slot.messages.shown(&id);
                }
            }
            Command::Notified(notified) => self.calls.notified(&mut self.cx, &notified),
            Command::WitnessLog(log) => self.on_log(log),
            Command::Drain(reply) => {
                self.health.drain(reply);
                self.look_at_health();
            }
        }
    }

    fn on_log(&mut self, log: LogHealth) {
        if self.health.set_log(log) {
            self.look_at_health();
        }
    }

    fn on_time(&mut self) {
        self.cx.on_time();
        while let Some(due) = self.cx.timers.pop_due(self.cx.now.at) {
            match due {
                Due::Call(id, timer) => self.feed(&id, Input::Timeout(timer)),
                Due::LegEnd(id, leg) => self.end_held(&id, leg),
                Due::Forget(id) => self.calls.forget(&mut self.cx, &id),
                Due::Undecided(id) => self.close_decision(&id),
                Due::Moved(id) => self.move_failed(&id, "not joined in time"),
                Due::Admission(name) => self.rooms.admission_over(&mut self.cx, &name),
                Due::Guardian { room, name } => {
                    self.rooms
                        .call_again(&mut self.cx, &mut self.calls, &room, &name);
                }
            }
        }
    }
}
