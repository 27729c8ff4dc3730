//! Two bridges and the messages of a stream, which are given to either at any time: the engine, by
//! the rules of `nats/decide.rs` in ife-bridge, and a rival that follows the same rules. The rival
//! is lost at any time, for another one with a name of its own; its orders, also those of a lost
//! one, reach Asterisk by the dice.

use std::sync::{Arc, Mutex};

use ife_engine::{
    Action,
    command::{Command, Escalation, GatewayView, Note, Reply, Resume, TAKEN_ELSEWHERE},
    refusal::{ErrorName, Refusal},
    view::CallView,
};

use crate::{
    gateway::Headers,
    world::{EXPERTS, World},
};

const US: &str = "node1";
const MESSAGES_MAX: usize = 12;

/// An answer of the engine about a message.
type Told = Arc<Mutex<Vec<(usize, Answer)>>>;

enum Answer {
    Found(Result<GatewayView, Refusal>),
    Called(Box<Result<CallView, Refusal>>),
}

/// The engine's work for a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// It looks around, since the claim had that revision.
    Looks(u64),
    Calls,
    Waits,
}

/// An order of the rival to call an expert.
#[derive(Clone)]
struct Order {
    node: String,
    call: String,
    /// Experts who were called before.
    tried: u8,
    takes: String,
}

enum Rivals {
    /// Not carried out yet.
    Ordered(Order),
    /// With the channel, and the number of experts who were called.
    Called(String, u8),
}

struct Message {
    escalation: Escalation,
    /// Changes of its claim; none before the first.
    revision: u64,
    is_settled: bool,
    ours: Option<Ours>,
    rivals: Option<Rivals>,
}

/// The next step, as far as it differs here.
enum Next {
    Settle,
    Wait,
    Call(Resume),
}

#[derive(Default)]
pub(crate) struct Stream {
    messages: Vec<Message>,
    told: Told,
    /// Orders of rivals that were lost, on their way to Asterisk.
    late: Vec<Order>,
    losses: u32,
    kills: u32,
    pub(crate) taken_over: u32,
}

impl Stream {
    pub(crate) fn step(&mut self, world: &mut World) {
        if self.kills != world.kills {
            self.kills = world.kills;
            self.told = Told::default();
            self.messages.iter_mut().for_each(|known| known.ours = None);
        }
        self.listen(world);
        let dice = world.below(12);
        if self.messages.is_empty() || (dice == 0 && self.messages.len() < MESSAGES_MAX) {
            self.messages.push(message(self.messages.len()));
        }
        let number = world.below(self.messages.len() as u64) as usize;
        match dice {
            1..5 => self.us(world, number),
            5..9 => self.rival(world, number),
            9 => self.lose_rival(world),
            10 if !self.late.is_empty() => {
                let at = world.below(self.late.len() as u64) as usize;
                let order = self.late.swap_remove(at);
                carry_out(world, &order);
            }
            _ => {}
        }
        world.deliver();
    }

    /// The message is given to this bridge, or it goes on with it.
    fn us(&mut self, world: &mut World, number: usize) {
        let message = &mut self.messages[number];
        match message.ours {
            Some(Ours::Looks(_) | Ours::Calls) => return,
            _ if message.is_settled => return,
            None if message.revision == 0 => {
                message.revision = 1;
                message.ours = Some(Ours::Calls);
                return self.escalate(world, number, None);
            }
            None | Some(Ours::Waits) => message.ours = Some(Ours::Looks(message.revision)),
        }
        let (told, escalation) = (self.told.clone(), Box::new(message.escalation.clone()));
        let reply = Reply::new(move |found| tell(&told, number, Answer::Found(found)));
        world.apply(Action::Command(Command::GatewayView(escalation, reply)));
    }

    fn escalate(&mut self, world: &mut World, number: usize, resume: Option<Resume>) {
        let told = self.told.clone();
        let escalation = Box::new(self.messages[number].escalation.clone());
        let reply = Reply::new(move |result| tell(&told, number, Answer::Called(Box::new(result))));
        world.apply(Action::Command(Command::Escalate {
            escalation,
            wait: true,
            resume,
            reply,
        }));
    }

    /// Follows the engine's answers.
    fn listen(&mut self, world: &mut World) {
        let told = std::mem::take(&mut *self.told.lock().expect("no panic"));
        for (number, answer) in told {
            let message = &mut self.messages[number];
            match answer {
                Answer::Found(Err(_)) => message.ours = Some(Ours::Waits),
                Answer::Found(Ok(gateway_view)) => match found(&gateway_view, US) {
                    Next::Settle => message.settle(),
                    Next::Wait => message.ours = Some(Ours::Waits),
                    // Another bridge has taken it over meanwhile.
                    Next::Call(_) if message.ours != Some(Ours::Looks(message.revision)) => {
                        message.ours = None;
                    }
                    Next::Call(resume) => {
                        message.revision += 1;
                        message.ours = Some(Ours::Calls);
                        self.taken_over += u32::from(resume.takes.is_some());
                        self.escalate(world, number, Some(resume));
                    }
                },
                Answer::Called(result) => {
                    if is_outcome(&result) {
                        message.settle();
                    } else {
                        message.ours = Some(Ours::Waits);
                    }
                }
            }
        }
    }

    /// The message is given to the rival, or it goes on with it.
    fn rival(&mut self, world: &mut World, number: usize) {
        let node = self.rival_name();
        let message = &mut self.messages[number];
        let (call, name) = (message.call(), node.clone());
        let order = |tried, takes| {
            Some(Rivals::Ordered(Order {
                node,
                call,
                tried,
                takes,
            }))
        };
        match &message.rivals {
            None if message.is_settled => {}
            None if message.revision == 0 => {
                message.revision = 1;
                message.rivals = order(0, String::new());
            }
            None => match found(&seen_by_rival(world, message), &name) {
                Next::Settle => message.settle(),
                Next::Wait => {}
                Next::Call(resume) if usize::from(resume.tried) < EXPERTS.len() => {
                    message.revision += 1;
                    let takes = resume.takes.map(|note| note.text);
                    message.rivals = order(resume.tried, takes.unwrap_or_default());
                }
                Next::Call(_) => message.settle(),
            },
            Some(Rivals::Ordered(order)) => {
                let (channel, tried) = (carry_out(world, order), order.tried + 1);
                message.rivals = channel.map(|channel| Rivals::Called(channel, tried));
            }
            Some(Rivals::Called(channel, tried)) => {
                let tried = *tried;
                let outside = world.outside();
                let is_there = outside.asterisk.channels.contains_key(channel);
                let note = outside.asterisk.notes.get(&call_of(&message.escalation));
                let answered = note.is_some_and(|note| note.ends_with(":answered"));
                if answered || (!is_there && usize::from(tried) == EXPERTS.len()) {
                    message.settle();
                } else if !is_there {
                    message.rivals = order(tried, String::new());
                }
            }
        }
    }

    fn rival_name(&self) -> String {
        format!("node{}", 2 + self.losses)
    }

    /// Its orders may be on the way all the same.
    fn lose_rival(&mut self, world: &mut World) {
        self.losses += 1;
        for message in &mut self.messages {
            if let Some(Rivals::Ordered(order)) = message.rivals.take()
                && world.below(3) > 0
            {
                self.late.push(order);
            }
        }
    }
}

impl Message {
    fn call(&self) -> String {
        call_of(&self.escalation)
    }

    fn settle(&mut self) {
        self.is_settled = true;
        self.ours = None;
        self.rivals = None;
    }
}

fn tell(told: &Told, number: usize, answer: Answer) {
    told.lock().expect("no panic").push((number, answer));
}

fn call_of(escalation: &Escalation) -> String {
    let call_id = escalation.request.call_id();
    call_id.trim_start_matches("sip-call-").to_owned()
}

fn message(number: usize) -> Message {
    let value = serde_json::json!({
        "id": format!("stream-{number:04}"), "timestamp": "2026-09-21T14:13:20Z", "level": 1,
        "source": "if://agent/guard", "destination": "if://service/bridge",
        "performative": "escalate", "payload": {"hazards": ["safety"]}
    });
    let message = serde_json::from_value(value).expect("a message");
    Message {
        escalation: Escalation::of(&message).expect("an escalation"),
        revision: 0,
        is_settled: false,
        ours: None,
        rivals: None,
    }
}

/// Asterisk carries out an order of the rival. Returns the channel, if the phone is dialled.
fn carry_out(world: &World, order: &Order) -> Option<String> {
    let outside = &mut *world.outside();
    if !outside.asterisk.is_up {
        return None;
    }
    let Order {
        node,
        call,
        tried,
        takes,
    } = order;
    let channel = format!("ife.{node}.{call}.e{tried}");
    let user = EXPERTS[usize::from(*tried)].split('@').next();
    let variables = [
        ("IFE_CALL", call.clone()),
        ("IFE_NODE", node.clone()),
        ("IFE_TRIED", (tried + 1).to_string()),
        ("IFE_TAKES", takes.clone()),
        ("IFE_USER", user.unwrap_or_default().to_owned()),
        ("IFE_ROOM", "council".to_owned()),
        ("IFE_ACCEPT", "key".to_owned()),
    ];
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut action: Headers = vec![
        header("Channel", "Local/call@ife-expert/n"),
        header("ChannelId", &channel),
        header("Context", "ife-join"),
        header("Timeout", "45000"),
    ];
    let variables = variables.map(|(name, value)| header("Variable", &format!("{name}={value}")));
    action.extend(variables);
    outside.asterisk.call(&action, &mut outside.dice);
    let is_there = outside.asterisk.channels.contains_key(&channel);
    is_there.then_some(channel)
}

/// The gateway's answer to the rival.
fn seen_by_rival(world: &World, message: &Message) -> GatewayView {
    let outside = world.outside();
    let call = message.call();
    let infix = format!(".{call}.e");
    let channels = outside.asterisk.channels.iter();
    let mut near = channels.filter(|(id, _)| id.contains(&infix) && !id.ends_with("-sip"));
    let found = near.next();
    let note = outside.asterisk.notes.get(&call);
    GatewayView {
        call_id: message.escalation.request.call_id(),
        is_live: found.is_some(),
        is_known: false,
        participant: found.and_then(|(_, channel)| channel.room.clone()),
        note: note.and_then(|note| Note::parse(note)),
        expert: None,
    }
}

/// `found` of `nats/decide.rs`.
fn found(found: &GatewayView, us: &str) -> Next {
    let note = found.note.as_ref();
    let answered = note.is_some_and(|note| note.answered && (note.node != us || !found.is_known));
    if found.participant.is_some() || answered {
        return Next::Settle;
    }
    match note {
        Some(note) if note.node == us => Next::Call(Resume {
            tried: note.tried,
            takes: None,
        }),
        _ if found.is_live => Next::Wait,
        Some(note) => Next::Call(Resume {
            tried: note.tried,
            takes: Some(note.clone()),
        }),
        None => Next::Call(Resume::default()),
    }
}

/// `answered` of `nats/decide.rs`.
fn is_outcome(result: &Result<CallView, Refusal>) -> bool {
    match result {
        Ok(view) => view.cause != Some(TAKEN_ELSEWHERE),
        Err(refusal) => ![
            ErrorName::CapacityExceeded,
            ErrorName::Unavailable,
            ErrorName::Timeout,
        ]
        .contains(&refusal.name),
    }
}
