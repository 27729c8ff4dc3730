//! A reader of the log: the rooms and their members as its entries give them.

use std::collections::BTreeMap;

use ife_engine::shell::Fact;
use ife_words::Event;

/// Rooms, with their members and whether each is muted.
pub(crate) type Shown = BTreeMap<String, BTreeMap<String, bool>>;

#[derive(Debug, Default)]
pub(crate) struct Log {
    seed: u64,
    /// A process has begun with a store that had lost lines.
    pub(crate) has_forgotten: bool,
    rooms: Shown,
    /// When each guardian was last admitted.
    admitted_ms: BTreeMap<String, u64>,
    /// Calls without a decision.
    pub(crate) undecided: Vec<String>,
}

impl Log {
    pub(crate) fn new(seed: u64) -> Log {
        Log {
            seed,
            ..Log::default()
        }
    }

    pub(crate) fn rooms(&self) -> Shown {
        self.rooms.clone()
    }

    pub(crate) fn follow(&mut self, fact: &Fact<'_>, now_ms: u64) {
        if fact.event == Event::NoDecision {
            self.undecided.extend(fact.call_id.map(str::to_owned));
        }
        if fact.event == Event::CouncilJoin && fact.room.is_none() {
            // An expert whom another bridge has called.
            return;
        }
        let room = fact.room.unwrap_or_default();
        let participant = fact.participant.unwrap_or_default().to_owned();
        let what = format!("seed {}: {} {room} {participant}", self.seed, fact.event);
        let has_forgotten = self.has_forgotten;
        let expect = |is_so: bool| assert!(is_so || has_forgotten, "{what}");
        let events = [
            Event::RoomOpen,
            Event::RoomEnd,
            Event::CouncilJoin,
            Event::CouncilLeave,
            Event::Mute,
            Event::Unmute,
            Event::Admission,
        ];
        match events.iter().position(|event| *event == fact.event) {
            Some(0) => expect(
                self.rooms
                    .insert(room.to_owned(), BTreeMap::new())
                    .is_none(),
            ),
            Some(1) => {
                let members = self.rooms.remove(room);
                expect(members.is_some_and(|members| members.is_empty()));
            }
            Some(2) => {
                let members = self.rooms.entry(room.to_owned()).or_default();
                expect(members.insert(participant, false).is_none());
                if fact.guardian == Some("guardian-2") {
                    let admitted_ms = self.admitted_ms.get("guardian-2");
                    let is_live = admitted_ms.is_some_and(|at_ms| now_ms <= at_ms + 400_000);
                    assert!(is_live, "{what}: not admitted");
                }
            }
            Some(3) => {
                let members = self.rooms.get_mut(room);
                expect(members.is_some_and(|members| members.remove(&participant).is_some()));
            }
            Some(4 | 5) => {
                let is_muted = fact.event == Event::Mute;
                let members = self.rooms.get_mut(room);
                let before = members.and_then(|members| members.insert(participant, is_muted));
                expect(before == Some(!is_muted));
            }
            Some(6) if fact.approved == Some(true) => {
                let guardian = fact.guardian.expect("it is named").to_owned();
                self.admitted_ms.insert(guardian, now_ms);
            }
            Some(_) | None => {}
        }
    }
}
