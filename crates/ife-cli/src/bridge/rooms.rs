//! `ifectl rooms`: the council's rooms.

use serde_json::{Value, json};

use super::{
    client::{Answer, Bridge, shaped},
    paint_rooms,
    shape::Room,
};
use crate::{
    Failure, Outcome,
    cli::{ParticipantArg, RoomsArgs, RoomsCommand},
    output::Output,
    text::harmless,
};

pub(super) async fn run(args: &RoomsArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let bridge = Bridge::new(&args.bridge)?;
    match args.command.as_ref().unwrap_or(&RoomsCommand::List) {
        RoomsCommand::List => match bridge.get(&["v1", "rooms"]).await? {
            Answer::No(no) => no.tell(out),
            Answer::Done(rooms) => print(&rooms, out, || {
                shaped(&rooms).map(|rooms: Vec<Room>| paint_rooms::rooms(&rooms))
            }),
        },
        RoomsCommand::Show(arg) => {
            let answer = bridge.get(&["v1", "rooms", &arg.room]).await?;
            one(answer, out)
        }
        RoomsCommand::Create(arg) => {
            let body = json!({"call_id": arg.room});
            one(bridge.post(&["v1", "rooms"], &body).await?, out)
        }
        RoomsCommand::End(arg) => {
            let answer = bridge.delete(&["v1", "rooms", &arg.room]).await?;
            done(answer, &format!("{}: ended", harmless(&arg.room)), out)
        }
        RoomsCommand::Mute(arg) => mute(&bridge, arg, true, out).await,
        RoomsCommand::Unmute(arg) => mute(&bridge, arg, false, out).await,
        RoomsCommand::Remove(arg) => {
            let participant = match participant(&bridge, arg).await? {
                Ok(id) => id,
                Err(no) => return one(no, out),
            };
            let path = ["v1", "rooms", &arg.room, "participants", &participant];
            let answer = bridge.delete(&path).await?;
            let said = format!(
                "{}: {} removed",
                harmless(&arg.room),
                harmless(&participant)
            );
            done(answer, &said, out)
        }
    }
}

async fn mute(
    bridge: &Bridge,
    arg: &ParticipantArg,
    muted: bool,
    out: &mut Output,
) -> Result<Outcome, Failure> {
    let participant = match participant(bridge, arg).await? {
        Ok(id) => id,
        Err(no) => return one(no, out),
    };
    let path = [
        "v1",
        "rooms",
        &arg.room,
        "participants",
        &participant,
        "mute",
    ];
    one(bridge.put(&path, &json!({"muted": muted})).await?, out)
}

/// The id of whom a person means; a refusal when there is no such room.
async fn participant(
    bridge: &Bridge,
    arg: &ParticipantArg,
) -> Result<Result<String, Answer>, Failure> {
    let room = match bridge.get(&["v1", "rooms", &arg.room]).await? {
        Answer::Done(room) => shaped(&room)?,
        no @ Answer::No(_) => return Ok(Err(no)),
    };
    pick(&room, &arg.participant).map(Ok)
}

fn pick(room: &Room, wanted: &str) -> Result<String, Failure> {
    let by_id = room.participants.iter().find(|one| one.id == wanted);
    if let Some(found) = by_id {
        return Ok(found.id.clone());
    }
    let named: Vec<&str> = room
        .participants
        .iter()
        .filter(|one| one.name == wanted)
        .map(|one| one.id.as_str())
        .collect();
    let place = harmless(&room.call_id);
    match named.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => Err(Failure::no(format!(
            "{place}: nobody there is called {}",
            harmless(wanted)
        ))
        .hint("`ifectl rooms` lists who is in a room")),
        several => Err(Failure::no(format!(
            "{place}: {} are called {}: say which, by the id",
            several.len(),
            harmless(wanted)
        ))
        .hint(harmless(&several.join(" ")))),
    }
}

fn one(answer: Answer, out: &mut Output) -> Result<Outcome, Failure> {
    match answer {
        Answer::No(no) => no.tell(out),
        Answer::Done(room) => print(&room, out, || {
            shaped(&room).map(|room: Room| paint_rooms::room(&room))
        }),
    }
}

fn print(
    raw: &Value,
    out: &mut Output,
    lines: impl FnOnce() -> Result<Vec<String>, Failure>,
) -> Result<Outcome, Failure> {
    if out.json() {
        out.value(raw)?;
    } else {
        lines()?.iter().try_for_each(|line| out.line(line))?;
    }
    Ok(Outcome::Yes)
}

/// For answers of the bridge without a body.
fn done(answer: Answer, said: &str, out: &mut Output) -> Result<Outcome, Failure> {
    match answer {
        Answer::No(no) => no.tell(out),
        Answer::Done(_) => {
            if out.json() {
                out.value(&json!({"done": true}))?;
            } else {
                out.line(said)?;
            }
            Ok(Outcome::Yes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::shape::Participant, *};

    #[test]
    fn a_participant_is_named_by_id_or_by_a_name_that_one_has() {
        let one = |id: &str, name: &str| Participant {
            id: id.into(),
            name: name.into(),
            ..Participant::default()
        };
        let room = Room {
            call_id: "council".into(),
            participants: vec![one("a", "expert"), one("b", "unknown"), one("c", "unknown")],
            ..Room::default()
        };
        assert_eq!(pick(&room, "b").expect("an id"), "b");
        assert_eq!(pick(&room, "expert").expect("a name"), "a");
        let ambiguous = pick(&room, "unknown").expect_err("two have it");
        assert!(ambiguous.hint.is_some_and(|hint| hint == "b c"));
        assert!(pick(&room, "nobody").is_err());
    }
}
