//! What people see of rooms, and of the bridge as a whole. Pure, as `paint`.

use console::{Color, style};

use super::{
    paint::table,
    shape::{Health, Room},
};
use crate::text::{counted, harmless};

/// Rooms, and below each who is in it.
pub(super) fn rooms(rooms: &[Room]) -> Vec<String> {
    if rooms.is_empty() {
        return vec!["no rooms are open".to_owned()];
    }
    rooms.iter().flat_map(room).collect()
}

/// One room and who is in it.
pub(super) fn room(room: &Room) -> Vec<String> {
    let mut lines = vec![format!(
        "{}  {} of {} ({})",
        style(harmless(&room.call_id)).bold(),
        room.participant_count,
        room.max_participants,
        harmless(&room.backend)
    )];
    let rows: Vec<Vec<String>> = room
        .participants
        .iter()
        .map(|one| {
            let muted = if one.muted { "muted" } else { "" };
            vec![
                String::new(),
                harmless(&one.role),
                harmless(&one.name),
                style(muted).fg(Color::Yellow).to_string(),
                style(harmless(&one.id)).dim().to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        lines.extend(table(&["", "", "", "", ""], &rows, None).split_off(1));
    }
    lines
}

/// `2 calls live; Asterisk up, witness up, NATS up`, without NATS where it is not configured.
pub(super) fn health(live: usize, health: Option<&Health>) -> String {
    let live = format!("{} live", counted(live as u64, "call", "calls"));
    let Some(health) = health else {
        return live;
    };
    let part = |name: &str, up: bool| {
        if up {
            format!("{name} up")
        } else {
            style(format!("{name} DOWN")).fg(Color::Red).to_string()
        }
    };
    let mut parts = vec![
        part("Asterisk", health.ami),
        part("witness", health.witness),
    ];
    parts.extend(health.nats.map(|up| part("NATS", up)));
    if health.draining {
        parts.push(style("takes no new calls").fg(Color::Yellow).to_string());
    }
    format!("{live}; {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rooms_list_who_is_in_them() {
        let json = json!([{"call_id": "council", "backend": "confbridge", "participant_count": 2,
        "max_participants": 25, "participants": [
            {"id": "confbridge:council:a", "role": "expert",
            "name": "expert-safety@external.advisor", "muted": true},
            {"id": "confbridge:council:b", "role": "guardian", "name": "guardian-1",
            "muted": false}]}]);
        let listed: Vec<Room> = serde_json::from_value(json).expect("rooms");
        let expected = "\
council  2 of 25 (confbridge)
  expert    expert-safety@external.advisor  muted  confbridge:council:a
  guardian  guardian-1                             confbridge:council:b";
        let told = rooms(&listed).join("\n");
        assert_eq!(console::strip_ansi_codes(&told), expected);
    }
}
