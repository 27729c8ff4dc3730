//! One viewer's session as the server keeps it: the link, the files, and the connection if there is
//! one. Sessions of one call share nothing but its files.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ife_evidence::{Body, Session, Talk};
use ife_words::time;
use tokio::sync::oneshot;

use super::{blocks::Blocks, grant::Grant, source::Prepared};
use crate::{clock, view::EvidencePeer, witness::Leaf};

/// A connection that never opens is dropped after this.
pub(super) const OPENING_MAX: Duration = Duration::from_secs(60);
/// Time for the page to receive the end of its call.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);
/// Time for which a call that ended is answered as over, before it is unknown.
pub(super) const LINGER: Duration = Duration::from_secs(600);

/// The files, as far as they are known.
#[derive(Debug, Clone)]
pub(super) enum Files {
    Preparing,
    Ready(Arc<Prepared>),
}

/// Where an entry is found in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoggedLeaf {
    pub(super) leaf: Leaf,
    /// An index that it is not below.
    pub(super) from: u64,
}

/// One connection of the viewer's browser.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) session: Session,
    pub(super) files: Arc<Prepared>,
    pub(super) blocks: Blocks,
    /// When the session wants to be woken.
    pub(super) wake: Instant,
    /// When it is given up, unless it opens or comes back before.
    pub(super) give_up: Option<Instant>,
    /// Our address that the browser reaches.
    pub(super) via: Option<IpAddr>,
    /// Once the channel is open.
    pub(super) peer: Option<EvidencePeer>,
}

/// A session of the expert or of a guardian.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) grant: Grant,
    pub(super) files: Files,
    pub(super) call_state: String,
    pub(super) over: bool,
    pub(super) connection: Option<Connection>,
    /// The last entry that names the manifest.
    pub(super) manifested: Option<LoggedLeaf>,
    /// The last entry of a receipt.
    pub(super) receipted: Option<LoggedLeaf>,
    pub(super) log_size: u64,
    /// Entries in the witness log so far.
    pub(super) entries: u32,
    pub(super) talk: Talk,
    /// Clients that wait for their messages to be shown, by the message's id.
    pub(super) waiters: Vec<(String, oneshot::Sender<()>)>,
    /// When something is due without a connection.
    pub(super) forget_at: Option<Instant>,
    /// Where it stands in the queue of the server.
    pub(super) due: Option<Instant>,
}

impl Case {
    pub(super) fn new(grant: Grant, files: Files) -> Case {
        Case {
            grant,
            files,
            call_state: "unknown".to_owned(),
            over: false,
            connection: None,
            manifested: None,
            receipted: None,
            log_size: 0,
            entries: 0,
            talk: Talk::default(),
            waiters: Vec::new(),
            forget_at: None,
            due: None,
        }
    }

    /// Whether it is a guardian's session of that call.
    pub(super) fn is_of(&self, guardian: &str) -> bool {
        self.grant.about.guardian.as_deref() == Some(guardian)
    }

    /// When it must be looked at again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let connection = self.connection.as_ref();
        let wake = connection.map(|connection| connection.wake);
        let give_up = connection.and_then(|connection| connection.give_up);
        [wake, give_up, self.forget_at].into_iter().flatten().min()
    }

    /// Sends a changed state of the call to the page.
    pub(super) fn set_state(&mut self, state: &str) {
        if self.call_state == state {
            return;
        }
        self.call_state = state.to_owned();
        self.say(&Body::State {
            call_state: state.to_owned(),
        });
    }

    /// Sends on the channel, if it is open.
    pub(super) fn say(&mut self, body: &Body) -> bool {
        let open = self
            .connection
            .as_mut()
            .filter(|connection| connection.peer.is_some());
        open.map(|connection| connection.session.say(body))
            .is_some()
    }

    /// The call is over: connected peers hear it, and no session begins any more.
    pub(super) fn end(&mut self, now: Instant, linger: Duration) {
        self.over = true;
        self.forget_at = Some(now + linger);
        // A transfer keeps its files until the connection ends.
        self.files = Files::Preparing;
        if let Some(connection) = &mut self.connection {
            let farewell = now + FAREWELL;
            connection.give_up = Some(connection.give_up.map_or(farewell, |at| at.min(farewell)));
        }
    }

    /// The peer that a channel has opened to.
    pub(super) fn peer_of(&self, public_key: String) -> EvidencePeer {
        let about = &self.grant.about;
        EvidencePeer {
            call_id: about.call_id.clone(),
            trace_id: about.trace_id.clone(),
            expert_id: about.expert_id.clone(),
            guardian: about.guardian.clone(),
            public_key,
            connected: time::of_ms(clock::unix_ms()),
        }
    }
}
