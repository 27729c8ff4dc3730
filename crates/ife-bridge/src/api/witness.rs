//! The witness part of the API: search, stories with proofs, verdicts over time, the checkpoint.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
};
use ife_trace::{
    Alarm, CheckpointView, Found, Log, SearchError, Story,
    index::{Member, Wanted},
    rfc3339,
    verdicts::{MINUTES_MAX, VerdictLine, minute_of},
};
use ife_witness::{proof::ProofError, reader::ProveError};
use ife_words::time;
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use utoipa::{IntoParams, ToSchema};

use super::{AppState, Asked, Number, Problem, Refusals};
use crate::{
    clock,
    log::health,
    refusal::{ErrorName, Refusal},
    view::LogHealth,
};

/// Longest text that is searched for, in bytes.
const QUERY_LEN_MAX: usize = 256;
/// Traces that a search answers unless it asks for fewer.
const TRACES_MAX: usize = 200;
const TRACES_USUAL: usize = 50;
/// Requests that read the log at once, so that they take neither all threads nor all of the disk.
static TURNS: Semaphore = Semaphore::const_new(2);
/// Time that a search waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(10);

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
    /// The text, at most 256 bytes; without it the newest traces.
    #[serde(default)]
    q: Option<String>,
    /// Which member has it: `any`, `trace_id`, `call_id` or `expert`.
    #[serde(default, rename = "in")]
    #[param(inline)]
    member: Member,
    /// `prefix` or `exact`.
    #[serde(default, rename = "match")]
    #[param(inline)]
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

/// The log as it is, as in `GET /v1/witness/checkpoint`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogView {
    /// In a word; `verified` only when signatures, history and every entry that was read are as
    /// signed.
    state: LogHealth,
    /// The latest checkpoint whose signatures were verified, by all keys of `witness_log.vkeys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<CheckpointView>,
    /// Why the checkpoint could not be read or believed the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// When it was last read; RFC 3339.
    read: String,
    /// First entry of the index that searches look at first.
    indexed_from: u64,
    /// Contradictions to signed heads since the bridge started; at most 16.
    alarms: Vec<AlarmView>,
}

/// A contradiction to a signed head.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmView {
    /// RFC 3339; when it was seen first.
    seen: String,
    /// The entry, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// The fault.
    what: String,
}

/// Verdicts by gate over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictsView {
    /// RFC 3339; start of the first step.
    from: String,
    /// Seconds of a step.
    step_s: u64,
    /// RFC 3339; the time from which on entries were counted. Before it nothing is known, which is
    /// not the same as nothing happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_from: Option<String>,
    /// A line for each gate with a verdict.
    lines: Vec<VerdictLine>,
}

impl LogView {
    fn new(state: &ife_trace::State, health: LogHealth) -> LogView {
        let alarm = |alarm: &Alarm| AlarmView {
            seen: time::of_ms(alarm.seen_ms),
            index: alarm.index,
            what: alarm.what.clone(),
        };
        LogView {
            state: health,
            checkpoint: state.head.as_ref().map(CheckpointView::new),
            problem: state.problem.clone(),
            read: time::of_ms(state.read_ms),
            indexed_from: state.index.from(),
            alarms: state.alarms.iter().map(alarm).collect(),
        }
    }
}

/// The log: latest checkpoint, whose signatures were verified, and faults, if any.
#[utoipa::path(
    get,
    path = "/v1/witness/checkpoint",
    tag = "witness",
    responses((status = 200, body = LogView), Refusals<404>),
)]
pub(crate) async fn checkpoint(State(state): State<AppState>) -> Result<Json<LogView>, Problem> {
    let log = log(&state)?;
    let health = health(log);
    Ok(Json(LogView::new(&log.state(), health)))
}

/// Verdicts by gate over time.
#[utoipa::path(
    get,
    path = "/v1/witness/verdicts",
    tag = "witness",
    params(Span),
    responses((status = 200, body = VerdictsView), Refusals<400, 404>),
)]
pub(crate) async fn verdicts(
    State(state): State<AppState>,
    Asked(span): Asked<Span>,
) -> Result<Json<VerdictsView>, Problem> {
    let log = log(&state)?;
    let minutes = within("minutes", span.minutes.unwrap_or(60), MINUTES_MAX)?;
    let step = within("step", span.step.unwrap_or(1), 60)?;
    let steps = minutes.div_ceil(step);
    // Steps begin at multiples of their length, so that a count does not wander from one to the
    // next.
    let now = minute_of(i64::try_from(clock::unix_ns()).unwrap_or(i64::MAX));
    let until = now / step * step + step - 1;
    let known = log.state();
    let lines = known.verdicts.lines(until, step, steps);
    let first = (until + 1).saturating_sub(step * steps);
    Ok(Json(VerdictsView {
        from: time::of_ms(first * 60_000),
        step_s: step * 60,
        counted_from: known.verdicts.since_ns().map(rfc3339),
        lines,
    }))
}

/// Traces by trace id, Call-ID or expert; the newest ones first. Looks at the newest entries, and
/// if it finds nothing there, at 262,144 entries before them; `before` goes on from there.
#[utoipa::path(
    get,
    path = "/v1/witness/search",
    tag = "witness",
    params(Search),
    responses((status = 200, body = Found), Refusals<400, 404, 503>),
)]
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
        member: search.member,
        is_prefix: search.how == Match::Prefix,
    };
    let before = search.before;
    let found = in_turn(&state, move |log| {
        log.search(&wanted, limit, before)
            .map_err(|error| unfound(&error))
    });
    Ok(Json(found.await?))
}

/// The entries of a trace id or Call-ID in the order of time, each checked against the signed
/// checkpoint. Entries that are too old for the index are looked for in the log, 262,144 entries at
/// a time; `before` goes on from there.
#[utoipa::path(
    get,
    path = "/v1/witness/story",
    tag = "witness",
    params(Which),
    responses((status = 200, body = Story), Refusals<400, 404, 503>),
)]
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
    let wanted = Wanted::exactly(member, &text);
    let story = in_turn(&state, move |log| {
        log.story(&wanted, which.before, clock::unix_ms())
            .map_err(|error| unfound(&error))
    });
    Ok(Json(story.await?))
}

/// The proof that an entry is in the log (C2SP tlog-proof), for `ifectl witness check-proof` or any
/// other verifier.
#[utoipa::path(
    get,
    path = "/v1/witness/entries/{index}/proof",
    tag = "witness",
    params(("index" = u64, Path)),
    responses((status = 200, body = String, content_type = "text/plain"), Refusals<404, 503>),
)]
pub(crate) async fn proof(
    State(state): State<AppState>,
    Number(index): Number,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let text = in_turn(&state, move |log| {
        let (proof, _) = log.prove(index).map_err(|error| unproved(&error))?;
        Ok(proof.to_string())
    });
    Ok((
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text.await?,
    ))
}

/// An entry's bytes, exactly as they were hashed.
#[utoipa::path(
    get,
    path = "/v1/witness/entries/{index}",
    tag = "witness",
    params(("index" = u64, Path)),
    responses((status = 200, body = serde_json::Value), Refusals<404, 503>),
)]
pub(crate) async fn entry(
    State(state): State<AppState>,
    Number(index): Number,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Problem> {
    let bytes = in_turn(&state, move |log| {
        let (_, entry) = log.prove(index).map_err(|error| unproved(&error))?;
        Ok(entry)
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes.await?))
}

fn log(state: &AppState) -> Result<&Arc<Log>, Problem> {
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
    work: impl FnOnce(&Log) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Problem> {
    let log = log(state)?.clone();
    let busy = || Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(
            ErrorName::Unavailable,
            "other searches of the log are under way",
        )
    };
    let turn = timeout(TURN_TIME_MAX, TURNS.acquire()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    let done = spawn_blocking(move || {
        let result = work(&log);
        drop(turn);
        result
    });
    let failed = |_| Refusal::new(ErrorName::Unavailable, "the search has failed");
    Ok(done.await.map_err(failed)??)
}

fn unfound(error: &SearchError) -> Refusal {
    Refusal {
        retry_after_s: match error {
            SearchError::NoCheckpoint => Some(1),
            SearchError::Log(_) => None,
        },
        // The operator's own log: which file is wrong is what they must know.
        ..Refusal::new(ErrorName::Unavailable, error.to_string())
    }
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
