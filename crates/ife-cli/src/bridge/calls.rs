//! `ifectl calls`: the table of calls, once or as they change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use console::Term;
use ife_words::time;
use serde_json::Value;

use super::{
    client::{Answer, Bridge, shaped},
    live::{Board, Feed, News},
    paint, paint_rooms,
    shape::Call,
};
use crate::{Failure, Outcome, cli::CallsArgs, output::Output, text};

/// How often the table is drawn when nothing changes: talks get longer.
const REDRAW: Duration = Duration::from_secs(1);
/// Between attempts to reach a bridge that has gone.
const RETRY: Duration = Duration::from_secs(2);

pub(super) async fn run(args: &CallsArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let bridge = Bridge::new(&args.bridge)?;
    let term = Term::stdout();
    if args.follow {
        return follow(&bridge, out).await;
    }
    if args.once || out.json() || !term.is_term() {
        return once(&bridge, args, out).await;
    }
    let mut screen = Screen {
        term,
        lines: 0,
        place: args.bridge.bridge.to_string(),
        limit: args.limit,
    };
    tokio::select! {
        result = watch(&bridge, &mut screen) => result,
        _ = tokio::signal::ctrl_c() => Ok(Outcome::Yes),
    }
}

async fn once(bridge: &Bridge, args: &CallsArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let list = match bridge.get(&["v1", "calls"]).await? {
        Answer::Done(list) => list,
        Answer::No(no) => return no.tell(out),
    };
    if out.json() {
        let mut list = list;
        if let Value::Array(calls) = &mut list {
            calls.truncate(args.limit);
        }
        out.value(&list)?;
        return Ok(Outcome::Yes);
    }
    let calls: Vec<Call> = shaped(&list)?;
    let mut board = Board::default();
    let count = calls.len();
    calls.into_iter().for_each(|call| board.hear(call));
    for line in paint::calls(&board.newest(args.limit), now_ns(), None) {
        out.line(line)?;
    }
    if count > args.limit {
        out.remark(format!(
            "{} of {count} calls are shown; --limit asks for more",
            args.limit
        ));
    }
    Ok(Outcome::Yes)
}

/// A line for each change, until the stream ends.
async fn follow(bridge: &Bridge, out: &mut Output) -> Result<Outcome, Failure> {
    let mut feed = Feed::open(bridge).await?;
    loop {
        out.flush()?;
        match feed.next().await? {
            News::Call(_, raw) if out.json() => out.value(&raw)?,
            News::Call(call, _) => out.line(format!(
                "{}  {}",
                time::of_s(text::unix_now()),
                paint::call_line(&call)
            ))?,
            News::Missed => out.remark("events were missed: this reader is too slow"),
            News::Health(_) | News::Other => {}
        }
    }
}

/// The table, drawn anew whenever something changes; a bridge that goes is waited for.
async fn watch(bridge: &Bridge, screen: &mut Screen) -> Result<Outcome, Failure> {
    let mut board = Board::default();
    // A bridge that was never there is an error; one that was is waited for.
    let mut feed = Feed::open(bridge).await?;
    board.fill(bridge).await?;
    loop {
        screen.draw(&board, None);
        let failure = match keep_up(bridge, &mut feed, &mut board, screen).await {
            Ok(()) => continue,
            Err(failure) => failure,
        };
        screen.draw(&board, Some(&failure.what));
        loop {
            tokio::time::sleep(RETRY).await;
            if let Ok(opened) = Feed::open(bridge).await
                && board.fill(bridge).await.is_ok()
            {
                feed = opened;
                break;
            }
        }
    }
}

/// Until the stream ends.
async fn keep_up(
    bridge: &Bridge,
    feed: &mut Feed,
    board: &mut Board,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut tick = tokio::time::interval(REDRAW);
    loop {
        tokio::select! {
            news = feed.next() => match news? {
                News::Call(call, _) => {
                    board.hear(*call);
                    board.forget(screen.limit);
                }
                News::Health(health) => board.health = Some(health),
                News::Missed => board.fill(bridge).await?,
                News::Other => continue,
            },
            _ = tick.tick() => {}
        }
        screen.draw(board, None);
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The part of the terminal that is drawn over and over.
struct Screen {
    term: Term,
    lines: usize,
    place: String,
    limit: usize,
}

impl Screen {
    fn draw(&mut self, board: &Board, trouble: Option<&str>) {
        let (height, width) = self.term.size();
        // The last column stays empty: some terminals wrap there.
        let width = Some(usize::from(width).saturating_sub(1).max(20));
        let room = usize::from(height).saturating_sub(5).max(1).min(self.limit);
        let head = match trouble {
            Some(why) => format!("{}: trying again", text::harmless(why)),
            None => format!(
                "{}  {}",
                self.place,
                paint_rooms::health(board.live(), board.health.as_ref())
            ),
        };
        let mut lines = vec![paint::cut(&head, width), String::new()];
        lines.extend(paint::calls(&board.newest(room), now_ns(), width));
        // A terminal that has gone ends the program by SIGHUP; until then there is nothing to do
        // about it.
        _ = self.term.clear_last_lines(self.lines);
        self.lines = lines.len();
        _ = self.term.write_line(&lines.join("\n"));
    }
}
