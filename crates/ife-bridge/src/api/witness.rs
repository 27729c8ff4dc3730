//! The witness part of the API: search, stories with proofs, verdicts over time, the checkpoint.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
};
use ife_witness::{
    proof::ProofError,
    reader::{LogError, ProveError},
};
use ife_words::time;
use serde::Deserialize;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking, time::timeout};
use utoipa::{IntoParams, ToSchema};

use super::{AppState, Asked, Number, Problem, ProblemBody};
use crate::{
    clock,
    refusal::{ErrorName, Refusal},
    ui::{
        entry::{Key, Record},
        follow,
        index::{Member, Wanted, traces},
        log::{STORY_MAX, Scan, WitnessView, exactly},
        shape::{
            CheckpointView, Found, LogView, SearchedTo, Story, StoryEntry, TraceView, VerdictLine,
            VerdictsView, rfc3339,
        },
        verdicts::{MINUTES_MAX, minute_of},
    },
};

/// Longest text that is searched for, in bytes.
const QUERY_LEN_MAX: usize = 256;
/// Traces that a search answers unless it asks for fewer.
const TRACES_MAX: usize = 200;
const TRACES_USUAL: usize = 50;
/// Time that a search waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(10);

/// Where a search looks.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum In {
    #[default]
    Any,
    TraceId,
    CallId,
    Expert,
}

/// How a text must fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Match {
    #[default]
    Prefix,
    Exact,
}

/// A search.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// The text, at most 256 bytes; without it the newest traces are told.
    #[serde(default)]
    q: Option<String>,
    /// Which member has it: `any`, `trace_id`, `call_id` or `expert`.
    #[serde(default, rename = "in")]
    member: In,
    /// `prefix` or `exact`.
    #[serde(default, rename = "match")]
    how: Match,
    /// Traces at most, 1 to 200.
    #[serde(default)]
    limit: Option<usize>,
    /// Goes on where an earlier search ended: searches below this entry.
    #[serde(default)]
    before: Option<u64>,
}

/// Which story.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// All entries of this trace id.
    #[serde(default)]
    trace_id: Option<String>,
    /// Or all entries of this Call-ID.
    #[serde(default)]
    call_id: Option<String>,
    /// Searches below this entry.
    #[serde(default)]
    before: Option<u64>,
}

/// A time span.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// Back from now, 1 to 1440; 60 when absent.
    #[serde(default)]
    minutes: Option<u64>,
    /// Minutes of a step, 1 to 60; 1 when absent.
    #[serde(default)]
    step: Option<u64>,
}

/// The log: latest checkpoint, whose signatures were verified, and what is wrong, if anything is.
#[utoipa::path(get, path = "/v1/witness/checkpoint", tag = "witness", responses((status = 200, body = LogView), (status = 404, body = ProblemBody)))]
pub(crate) async fn checkpoint(State(state): State<AppState>) -> Result<Json<LogView>, Problem> {
    let view = log(&state)?;
    let health = follow::health(view);
    Ok(Json(LogView::new(&view.state(), health)))
}

/// Verdicts by gate over time.
#[utoipa::path(get, path = "/v1/witness/verdicts", tag = "witness", params(Span),
    responses((status = 200, body = VerdictsView), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn verdicts(
    State(state): State<AppState>,
    Asked(span): Asked<Span>,
) -> Result<Json<VerdictsView>, Problem> {
    let view = log(&state)?;
    let minutes = within("minutes", span.minutes.unwrap_or(60), MINUTES_MAX)?;
    let step = within("step", span.step.unwrap_or(1), 60)?;
    let steps = minutes.div_ceil(step);
    // Steps begin at multiples of their length, so that a count does not wander from one to the next.
    let now = minute_of(i64::try_from(clock::unix_ns()).unwrap_or(i64::MAX));
    let until = now / step * step + step - 1;
    let known = view.state();
    let lines = known.verdicts.lines(until, step, steps);
    let first = (until + 1).saturating_sub(step * steps);
    Ok(Json(VerdictsView {
        from: time::of_ms(first * 60_000),
        step_s: step * 60,
        counted_from: known.verdicts.since_ns().map(rfc3339),
        lines: lines
            .into_iter()
            .map(|line| VerdictLine {
                at: line.at.to_owned(),
                verdict: if line.gate.is_some() {
                    "rejected"
                } else {
                    "approved"
                }
                .to_owned(),
                gate: line.gate.map(str::to_owned),
                counts: line.counts,
            })
            .collect(),
    }))
}

/// Traces by trace id, Call-ID or expert; the newest ones first. Looks at the newest entries, and if it finds nothing there, at 262,144 entries before
/// them; `before` goes on from there.
#[utoipa::path(get, path = "/v1/witness/search", tag = "witness", params(Search),
    responses((status = 200, body = Found), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Asked(search): Asked<Search>,
) -> Result<Json<Found>, Problem> {
    let text = search.q.filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.len() > QUERY_LEN_MAX) {
        return Err(Refusal::field("q", "must be at most 256 bytes").into());
    }
    let limit = search.limit.unwrap_or(TRACES_USUAL);
    within("limit", limit as u64, TRACES_MAX as u64)?;
    let wanted = Wanted {
        text,
        member: match search.member {
            In::Any => Member::Any,
            In::TraceId => Member::TraceId,
            In::CallId => Member::CallId,
            In::Expert => Member::Expert,
        },
        is_prefix: search.how == Match::Prefix,
    };
    let before = search.before;
    let found = in_turn(&state, move |view| found(view, &wanted, limit, before)).await?;
    Ok(Json(found))
}

/// The entries of a trace id or Call-ID in the order of time, each checked against the signed checkpoint. Entries that are too old for the index are
/// looked for in the log, 262,144 entries at a time; `before` goes on from there.
#[utoipa::path(get, path = "/v1/witness/story", tag = "witness", params(Which),
    responses((status = 200, body = Story), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn story(
    State(state): State<AppState>,
    Asked(which): Asked<Which>,
) -> Result<Json<Story>, Problem> {
    let (member, text) = match (which.trace_id, which.call_id) {
        (Some(trace_id), None) => (Member::TraceId, trace_id),
        (None, Some(call_id)) => (Member::CallId, call_id),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::field("trace_id", "give either trace_id or call_id").into());
        }
    };
    if text.is_empty() || text.len() > QUERY_LEN_MAX {
        return Err(Refusal::field("trace_id", "must be 1 to 256 bytes").into());
    }
    let wanted = exactly(member, &text);
    let story = in_turn(&state, move |view| told(view, &wanted, which.before)).await?;
    Ok(Json(story))
}

/// The proof that an entry is in the log (C2SP tlog-proof), for `ifectl witness check-proof` or any other verifier.
#[utoipa::path(get, path = "/v1/witness/entries/{index}/proof", tag = "witness", params(("index" = u64, Path)),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 404, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn proof(
    State(state): State<AppState>,
    Number(index): Number,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let text = in_turn(&state, move |view| {
        let (proof, _) = view.prove(index).map_err(|error| unproved(&error))?;
        Ok(proof.to_string())
    });
    Ok((
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text.await?,
    ))
}

/// An entry's bytes, exactly as they were hashed.
#[utoipa::path(get, path = "/v1/witness/entries/{index}", tag = "witness", params(("index" = u64, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn entry(
    State(state): State<AppState>,
    Number(index): Number,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Problem> {
    let bytes = in_turn(&state, move |view| {
        let (_, entry) = view.prove(index).map_err(|error| unproved(&error))?;
        Ok(entry)
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes.await?))
}

fn log(state: &AppState) -> Result<&Arc<WitnessView>, Problem> {
    let absent = "the bridge does not know the witness log: set witness_log in its configuration";
    let refusal = || Problem::from(Refusal::new(ErrorName::NotFound, absent));
    state.log.as_ref().ok_or_else(refusal)
}

fn within(field: &str, value: u64, max: u64) -> Result<u64, Problem> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(Refusal::field(field, format!("must be 1 to {max}")).into())
}

/// Runs what reads the disk on a thread that may wait for it; no more than two at once.
async fn in_turn<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&WitnessView) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Problem> {
    let view = log(state)?.clone();
    let busy = || Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(
            ErrorName::Unavailable,
            "other searches of the log are under way",
        )
    };
    let turn = timeout(TURN_TIME_MAX, view.turns().acquire_owned()).await;
    let turn: OwnedSemaphorePermit = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    let done = spawn_blocking(move || {
        let result = work(&view);
        drop(turn);
        result
    });
    let failed = |_| Refusal::new(ErrorName::Unavailable, "the search has failed");
    Ok(done.await.map_err(failed)??)
}

fn unreadable(error: &LogError) -> Refusal {
    // The operator's own log: which file is wrong is what they must know.
    Refusal::new(ErrorName::Unavailable, error.to_string())
}

fn unproved(error: &ProveError) -> Refusal {
    match error {
        ProveError::Proof(ProofError::Index { .. }) => {
            Refusal::new(ErrorName::NotFound, error.to_string())
        }
        ProveError::Log(_) | ProveError::Proof(_) => {
            Refusal::new(ErrorName::Unavailable, error.to_string())
        }
    }
}

fn no_checkpoint() -> Refusal {
    Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(
            ErrorName::Unavailable,
            "no checkpoint of the log has been verified yet",
        )
    }
}

fn found(
    view: &WitnessView,
    wanted: &Wanted,
    limit: usize,
    before: Option<u64>,
) -> Result<Found, Refusal> {
    let head = view.head().ok_or_else(no_checkpoint)?;
    let from = {
        let state = view.state();
        let from = state.index.from();
        if before.is_none_or(|before| before > from) {
            let records: Vec<&Record> = state.index.records().collect();
            let first = records.iter().find_map(|record| record.time_ns);
            let found = traces(records.iter().copied(), wanted, limit);
            // A list of the newest needs no more than the index; a search that found nothing goes on below it.
            if !found.is_empty() || wanted.text.is_none() || from == 0 {
                return Ok(Found {
                    traces: views(&found),
                    searched_back_to: SearchedTo::new(from, first),
                });
            }
        }
        from
    };
    let before = before.map_or(from, |before| before.min(from));
    let scan = view.scan(&head, before, wanted, usize::MAX);
    let Scan {
        found: mut records,
        down_to,
        time_ns,
    } = scan.map_err(|error| unreadable(&error))?;
    records.reverse();
    let found = traces(records.iter(), wanted, limit);
    Ok(Found {
        traces: views(&found),
        searched_back_to: SearchedTo::new(down_to, time_ns),
    })
}

fn views(found: &[(Key, Vec<&Record>)]) -> Vec<TraceView> {
    let views = found
        .iter()
        .map(|(key, records)| TraceView::new(key, records));
    views.collect()
}

fn told(view: &WitnessView, wanted: &Wanted, before: Option<u64>) -> Result<Story, Refusal> {
    let (signed, from, first) = {
        let state = view.state();
        let first = state.index.records().find_map(|record| record.time_ns);
        let signed = state.head.clone().ok_or_else(no_checkpoint)?;
        (signed, state.index.from(), first)
    };
    let head = &signed.checkpoint;
    let mut places = view.places(wanted);
    let mut searched = SearchedTo::new(from, first);
    let below = before.map_or(from, |before| before.min(from));
    if below > 0 && (before.is_some() || places.is_empty()) {
        let scan = view.scan(head, below, wanted, STORY_MAX);
        let scan = scan.map_err(|error| unreadable(&error))?;
        let older = scan.found.iter().rev().map(|record| record.index);
        places = older.chain(places).collect();
        searched = SearchedTo::new(scan.down_to, scan.time_ns);
    }
    // The index may be of a later checkpoint than the one that was taken above.
    places.retain(|place| *place < head.size);
    let is_cut = places.len() > STORY_MAX;
    places.drain(..places.len().saturating_sub(STORY_MAX));
    let checked = view
        .read(head, &places, clock::unix_ms())
        .map_err(|error| unreadable(&error))?;
    let mut entries: Vec<StoryEntry> = checked.into_iter().map(StoryEntry::new).collect();
    entries.sort_by_key(StoryEntry::order);
    Ok(Story {
        entries,
        is_cut,
        checkpoint: CheckpointView::new(&signed),
        searched_back_to: searched,
    })
}
