//! Live events (Server-Sent Events).

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{self, KeepAlive, Sse},
};
use tokio_stream::{Stream, StreamExt, wrappers::BroadcastStream};

use super::AppState;
use crate::view::Event;

/// `text/event-stream` of calls, rooms and health as they change. A reader that is too slow gets an
/// event `missed` with the number of events that it did not get, and should ask for the lists anew.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    responses((status = 200, body = Event, content_type = "text/event-stream")),
)]
pub(super) async fn stream(
    State(state): State<AppState>,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let events = BroadcastStream::new(state.engine.subscribe()).map(|event| {
        Ok(match event {
            Ok(event) => named(&event),
            Err(tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged(count)) => {
                sse::Event::default()
                    .event("missed")
                    .data(count.to_string())
            }
        })
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn named(event: &Event) -> sse::Event {
    let name = match event {
        Event::Call(_) => "call",
        Event::Room(_) => "room",
        Event::Health(_) => "health",
        Event::Evidence(_) => "evidence",
        Event::Decision(_) => "decision",
    };
    // These types have string keys and finite numbers only, so they always have a JSON form.
    sse::Event::default()
        .event(name)
        .json_data(event)
        .unwrap_or_default()
}
