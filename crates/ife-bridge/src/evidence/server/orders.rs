//! Orders to the server: links redeemed, offers answered, messages sent, and who is
//! connected.

use std::{sync::Arc, time::Instant};

use ife_evidence::{Now, Redeemed, Session, SessionConfig, message::CallFacts};
use ife_witness::entry::{Event, Evidence};
use serde_json::{Map, Value};
use tracing::warn;

use super::{
    super::{
        blocks::Blocks,
        case::{Case, Connection, Files, OPENING_MAX},
        desk::{Answer, Denied, Description, EvidenceState, Order, Pass, Spoken, WitnessKeys},
        drive::{Done, World},
        grant::expert_name,
        source::Prepared,
    },
    Name, Server,
    sessions::Viewers,
};
use crate::{clock, view::EvidencePeer};

impl Server {
    pub(super) fn on_order(&mut self, order: Order) {
        // Of every reply: the receiver may be dropped.
        match order {
            Order::Open(grant) => self.open(*grant),
            Order::End(guardian) => self.end_guardian(&guardian),
            Order::Keep(call_ids) => self.keep(&call_ids),
            Order::Redeem(session, token, reply) => drop(reply.send(self.redeem(&session, &token))),
            Order::Describe(pass, reply) => {
                drop(reply.send(self.admit(&pass).map(|name| self.describe(&name))));
            }
            Order::Offer(pass, sdp, reply) => drop(reply.send(self.offer(&pass, &sdp))),
            Order::Hangup(pass, peer, reply) => drop(reply.send(self.hang_up(&pass, peer))),
            Order::Decider(pass, reply) => drop(reply.send(self.decider(&pass))),
            Order::Manifested(pass, reply) => {
                let places = self.admit(&pass).map(|name| {
                    let case = self.cases.get(&name);
                    case.map_or((None, None), |case| (case.manifested, case.receipted))
                });
                drop(reply.send(places));
            }
            Order::Peers(reply) => drop(reply.send(self.peers())),
            Order::Say(call_id, message, reply) => {
                drop(reply.send(self.say(call_id.as_deref(), &message)));
            }
        }
    }

    fn redeem(&mut self, session: &str, token: &str) -> Result<(String, Description), Denied> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| Denied::Busy)?;
        let name: Name = session.into();
        let redeemed = self.with(&name, |case, world| {
            let link = &mut case.grant.link;
            let before = link.clone();
            if case.over && link.knows(token) {
                return Err(Denied::Over);
            }
            match link.redeem(token, random, clock::unix_ms() / 1_000) {
                Redeemed::No => Err(Denied::Unauthorized),
                Redeemed::Already => Err(Denied::Used),
                Redeemed::Now(cookie) => {
                    // On disk before it is answered: a restart must not make the link good again.
                    match case.grant.save(&world.settings.dir) {
                        Ok(()) => Ok(cookie),
                        Err(error) => {
                            warn!("a redeemed link cannot be stored: {error}");
                            // No cookie went out: the expert may try again.
                            case.grant.link = before;
                            Err(Denied::Busy)
                        }
                    }
                }
            }
        });
        let cookie = redeemed.unwrap_or(Err(Denied::Unauthorized))?;
        self.end_earlier(&name);
        Ok((cookie, self.describe(&name)))
    }

    /// The session of a request with a good cookie.
    fn admit(&self, pass: &Pass) -> Result<Name, Denied> {
        let found = self.cases.get_key_value(pass.session.as_str());
        let admitted = found.filter(|(_, case)| case.grant.link.admits(&pass.cookie));
        match admitted {
            None => Err(Denied::Unauthorized),
            Some((_, case)) if case.over => Err(Denied::Over),
            Some((name, _)) => Ok(name.clone()),
        }
    }

    /// The call and the expert of a page, whose call may be over.
    fn decider(&self, pass: &Pass) -> Result<(String, String), Denied> {
        let found = self.cases.get(pass.session.as_str());
        let admitted = found.filter(|case| case.grant.link.admits(&pass.cookie));
        let about = &admitted.ok_or(Denied::Unauthorized)?.grant.about;
        if about.guardian.is_some() {
            return Err(Denied::NotExpert);
        }
        Ok((about.call_id.clone(), about.expert_id.clone()))
    }

    fn describe(&self, name: &Name) -> Description {
        let settings = &self.world.settings;
        let case = self.cases.get(name);
        let about = case
            .map(|case| case.grant.about.clone())
            .unwrap_or_default();
        let files = case.map(|case| &case.files);
        let evidence = match files {
            Some(Files::Ready(files)) => EvidenceState {
                state: "ready",
                unavailable: files
                    .missing
                    .iter()
                    .map(|(error, _)| error.clone())
                    .collect(),
            },
            Some(Files::Preparing) | None => EvidenceState {
                state: "preparing",
                unavailable: Vec::new(),
            },
        };
        let now_s = clock::unix_ms() / 1_000;
        let turn = settings.turn.iter();
        Description {
            session: name.to_string(),
            call_state: case.map(|case| case.call_state.clone()).unwrap_or_default(),
            accepts_here: about.accepts_here,
            evidence,
            bridge: settings.name.clone(),
            expert: expert_name(&about.expert_id),
            viewer: case
                .map(|case| case.grant.viewer_name())
                .unwrap_or_default(),
            bridge_key: settings.key.public_key().to_string(),
            witness: WitnessKeys {
                vkeys: settings
                    .log
                    .iter()
                    .flat_map(|log| log.vkeys().to_vec())
                    .collect(),
            },
            ice_servers: turn.map(|turn| turn.credentials(name, now_s)).collect(),
            trace_id: about.trace_id,
            call_id: about.call_id,
            hazard: about.hazard,
            briefing: about.briefing,
            council: about.council,
            caller: about.caller,
        }
    }

    fn offer(&mut self, pass: &Pass, sdp: &str) -> Result<Answer, Denied> {
        let name = self.admit(pass)?;
        let accepted = self.with(&name, |case, world| {
            let Files::Ready(files) = &case.files else {
                return Err(Denied::Preparing);
            };
            let files = files.clone();
            accept(case, files, sdp, world)
        });
        let answer = accepted.unwrap_or(Err(Denied::Unauthorized))?;
        // What came from its addresses belonged to the connection before.
        self.by_address.retain(|_, at| *at != name);
        self.ask_log_size(&name);
        Ok(answer)
    }

    /// So that the entry of the manifest is looked for from there on, not from the log's beginning.
    fn ask_log_size(&self, name: &Name) {
        let Some(log) = self.world.settings.log.clone() else {
            return;
        };
        let (session, done) = (name.clone(), self.world.done.clone());
        tokio::task::spawn_blocking(move || {
            if let Ok(size) = log.size() {
                // A server that has stopped asks for no proofs.
                let _ = done.send(Done::LogSize { session, size });
            }
        });
    }

    fn hang_up(&mut self, pass: &Pass, peer: u64) -> Result<(), Denied> {
        let name = self.admit(pass)?;
        let found = self.with(&name, |case, world| {
            let is_there = case.connection.as_ref().is_some_and(|c| c.number == peer);
            if is_there {
                case.hang_up(world, Instant::now());
            }
            is_there
        });
        if found == Some(true) {
            Ok(())
        } else {
            Err(Denied::NoPeer)
        }
    }

    fn peers(&self) -> Vec<EvidencePeer> {
        let connections = self
            .cases
            .values()
            .filter_map(|case| case.connection.as_ref());
        let mut peers: Vec<_> = connections.filter_map(|c| c.peer.clone()).collect();
        peers.sort_by(|a, b| a.connected.cmp(&b.connected));
        peers
    }

    fn say(&mut self, call_id: Option<&str>, message: &Map<String, Value>) -> Vec<Spoken> {
        let expert = |viewers: &Viewers| viewers.expert.clone();
        let all: Vec<Name> = match call_id {
            Some(call_id) => self
                .by_call
                .get(call_id)
                .into_iter()
                .filter_map(expert)
                .collect(),
            None => self.by_call.values().filter_map(expert).collect(),
        };
        let now = Instant::now();
        let mut spoken = Vec::new();
        for name in all {
            let said = self.with(&name, |case, world| {
                let said = case.say_to_expert(message, now, world);
                case.drive(world, now);
                said
            });
            spoken.extend(said.flatten());
        }
        spoken
    }
}

/// Answers an offer; the connection before it ends, once the new one stands.
fn accept(
    case: &mut Case,
    files: Arc<Prepared>,
    sdp: &str,
    world: &mut World,
) -> Result<Answer, Denied> {
    let (settings, now) = (world.settings.clone(), Instant::now());
    let about = &case.grant.about;
    let config = SessionConfig {
        session: case.grant.session.clone(),
        trace_id: about.trace_id.clone(),
        bridge: settings.name.clone(),
        viewer: case.grant.viewer_name(),
        call: CallFacts {
            hazard: about.hazard.clone(),
            council: about.council.clone(),
            caller: about.caller.clone(),
        },
        manifest: files.manifest.clone(),
    };
    let unix_ms = i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX);
    let now_both = Now {
        instant: now,
        unix_ms,
    };
    let accepted = Session::accept(
        config,
        settings.key.clone(),
        sdp,
        &settings.addresses,
        now_both,
    );
    let (session, answer) = accepted.map_err(|error| Denied::BadOffer(error.to_string()))?;
    case.hang_up(world, now);
    case.grant.peers += 1;
    case.manifested = None;
    let number = case.grant.peers;
    let said = Evidence {
        peer: Some(number),
        binding: Some(session.binding()),
        ..Evidence::default()
    };
    case.record(Event::EvidenceOffer, said, "", world);
    case.record(Event::EvidenceAnswer, said, "", world);
    case.publish("webrtc_answer_created", world);
    case.connection = Some(Connection {
        number,
        session,
        files,
        blocks: Blocks::default(),
        wake: now,
        give_up: Some(now + OPENING_MAX),
        via: None,
        peer: None,
    });
    case.drive(world, now);
    let now_s = clock::unix_ms() / 1_000;
    let turn = settings.turn.iter();
    Ok(Answer {
        sdp: answer,
        peer: number,
        ice_servers: turn
            .map(|turn| turn.credentials(&case.grant.session, now_s))
            .collect(),
    })
}
