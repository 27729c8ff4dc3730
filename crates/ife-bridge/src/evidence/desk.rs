//! The two ways to the evidence server: the engine's desk, where links are made, and the handle of
//! everybody else.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
pub use ife_engine::shell::About;
use ife_evidence::{Link, TalkError, Token};
use ife_message::Briefing;
use ife_trace::Proof;
use ife_witness::reader::ProveError;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tracing::{error, warn};

use super::{Settings, case::LoggedLeaf, grant::Grant, talk::Saying, turn::IceServer};
use crate::{
    clock,
    handle::EngineHandle,
    refusal::{ErrorName, Refusal},
    view::{self, Delivery, EvidenceError, EvidencePeer, MessageState},
};

/// Orders that may wait; more are refused.
const ORDERS_MAX: usize = 1_024;
/// A client whose message meets the rate's bound may try again after this.
const RETRY_AFTER_S: u32 = 10;
/// A client is answered that its message was sent, when it was not shown within this time.
const SHOWN_WAIT: Duration = Duration::from_secs(5);

/// The session description (docs/evidence.md, 1).
#[derive(Debug, Clone, Serialize)]
pub(super) struct Description {
    pub(super) session: String,
    pub(super) trace_id: String,
    pub(super) call_id: String,
    pub(super) hazard: String,
    #[serde(flatten)]
    pub(super) briefing: Briefing,
    pub(super) council: String,
    pub(super) caller: String,
    pub(super) call_state: String,
    pub(super) accepts_here: bool,
    pub(super) evidence: EvidenceState,
    pub(super) bridge: String,
    pub(super) expert: String,
    pub(super) viewer: String,
    pub(super) bridge_key: String,
    pub(super) witness: WitnessKeys,
    pub(super) ice_servers: Vec<IceServer>,
}

/// Whether the files are there yet, and which cannot be had.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EvidenceState {
    /// `preparing` or `ready`.
    pub(super) state: &'static str,
    pub(super) unavailable: Vec<EvidenceError>,
}

/// Verifier keys of the witness log; none where it is not configured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct WitnessKeys {
    pub(super) vkeys: Vec<String>,
}

/// Why a page's request is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denied {
    /// No such session, or not by this token or cookie.
    Unauthorized,
    /// The link was used.
    Used,
    /// The call is over.
    Over,
    /// A guardian asks for something that is the expert's.
    NotExpert,
    /// Files are still being read.
    Preparing,
    /// The fault of the offer.
    BadOffer(String),
    /// No log is configured.
    NoLog,
    /// No such connection.
    NoPeer,
    /// The server has too much to do, or has stopped.
    Busy,
}

/// Entries with proofs, those that are under a signed checkpoint already.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Proofs {
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Proof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Proof>,
}

/// An answer to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) sdp: String,
    pub(super) peer: u64,
    pub(super) ice_servers: Vec<IceServer>,
}

/// A message to one expert, or the bound that it meets.
pub(super) type Spoken = Result<Saying, TalkError>;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Denied>>;

/// Who asks: the session's name and the cookie.
#[derive(Debug, Clone, Default)]
pub(super) struct Pass {
    pub(super) session: String,
    pub(super) cookie: String,
}

/// Orders to the server.
#[derive(Debug)]
pub(super) enum Order {
    /// A call has a new link; one that it had before ends.
    Open(Box<Grant>),
    /// A guardian's admission is over, and so are the guardian's sessions.
    End(String),
    /// Sessions of all other calls are those of calls that have ended meanwhile.
    Keep(Vec<String>),
    /// Token for cookie.
    Redeem(String, String, Reply<(String, Description)>),
    Describe(Pass, Reply<Description>),
    Offer(Pass, String, Reply<Answer>),
    Hangup(Pass, u64, Reply<()>),
    /// Whose page asks about a decision: call and expert. It may do so after the call's end. A
    /// guardian's page may not.
    Decider(Pass, Reply<(String, String)>),
    /// The last entries that name the manifest and a receipt.
    Manifested(Pass, Reply<(Option<LoggedLeaf>, Option<LoggedLeaf>)>),
    Peers(oneshot::Sender<Vec<EvidencePeer>>),
    /// To the expert of one call, or to all whose channel is open.
    Say(
        Option<String>,
        Map<String, Value>,
        oneshot::Sender<Vec<Spoken>>,
    ),
}

/// The engine's side: it never waits.
#[derive(Debug, Clone)]
pub struct EvidenceDesk {
    orders: mpsc::Sender<Order>,
    public_url: Arc<str>,
    link_s: u64,
}

impl EvidenceDesk {
    /// A single-use link for the expert of this call, or for a guardian; `None` when the server
    /// takes no orders.
    pub fn offer(&self, about: About) -> Option<String> {
        let (mut name, mut secret) = ([0; 16], [0; 32]);
        if getrandom::fill(&mut name).is_err() || getrandom::fill(&mut secret).is_err() {
            warn!("no randomness: no link to the evidence is made");
            return None;
        }
        let session = URL_SAFE_NO_PAD.encode(name);
        let (token, kept) = Token::new(secret);
        let link = format!("{}/e/{session}#{token}", self.public_url);
        let expires = clock::unix_ms() / 1_000 + self.link_s;
        let grant = Grant {
            session,
            about,
            link: Link::new(kept, expires),
            peers: 0,
            state: view::EvidenceState::Offered,
            ended_unix_s: None,
        };
        if self.orders.try_send(Order::Open(Box::new(grant))).is_err() {
            warn!("the evidence server takes no orders: no link is made");
            return None;
        }
        Some(link)
    }

    /// Ends the sessions and links of a guardian.
    pub fn end(&self, guardian: &str) {
        let order = Order::End(guardian.to_owned());
        if self.orders.try_send(order).is_err() {
            // The next withdrawal or the end of the call ends them.
            error!(
                guardian,
                "the links of a guardian live on: the evidence server takes no orders"
            );
        }
    }

    /// Passes on which calls live on, after a restart.
    pub fn keep(&self, call_ids: Vec<String>) {
        if self.orders.try_send(Order::Keep(call_ids)).is_err() {
            warn!("the evidence server takes no orders");
        }
    }
}

/// The side of HTTP: asks and waits.
#[derive(Debug, Clone)]
pub struct EvidenceHandle {
    orders: mpsc::Sender<Order>,
    pub(super) settings: Arc<Settings>,
    pub(super) engine: EngineHandle,
}

impl EvidenceHandle {
    /// Both ways, and the server's end of them.
    pub(super) fn new(
        settings: Arc<Settings>,
        engine: EngineHandle,
    ) -> (EvidenceHandle, EvidenceDesk, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let desk = EvidenceDesk {
            orders: orders.clone(),
            public_url: settings.public_url.as_str().into(),
            link_s: settings.link_s,
        };
        let handle = EvidenceHandle {
            orders,
            settings,
            engine,
        };
        (handle, desk, receiver)
    }

    /// Asks for a page.
    pub(super) async fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Denied> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .try_send(order(reply))
            .map_err(|_| Denied::Busy)?;
        answer.await.map_err(|_| Denied::Busy)?
    }

    /// What of the session can be proved to be in the witness log.
    pub(super) async fn prove(&self, pass: Pass) -> Result<Proofs, Denied> {
        let (manifest, receipt) = self.ask(|reply| Order::Manifested(pass, reply)).await?;
        let log = self.settings.log.clone().ok_or(Denied::NoLog)?;
        let found = tokio::task::spawn_blocking(move || {
            let prove = |place: Option<LoggedLeaf>| {
                place.map_or(Ok(None), |place| log.prove_leaf(&place.leaf, place.from))
            };
            Ok::<_, ProveError>(Proofs {
                manifest: prove(manifest)?,
                receipt: prove(receipt)?,
            })
        });
        let found = found.await.map_err(|_| Denied::Busy)?;
        found.map_err(|error| {
            warn!("no proof can be given: {error}");
            Denied::Busy
        })
    }

    /// Experts and guardians whose channel is open (the earlier contract's getConnectedPeers).
    pub async fn peers(&self) -> Result<Vec<EvidencePeer>, Refusal> {
        self.tell(Order::Peers).await
    }

    /// Sends an `agent.message` to the expert of one call, or to all of them (sendIFMessage,
    /// broadcastIFMessage), and waits a while for it to be shown.
    pub async fn say(
        &self,
        call_id: Option<String>,
        message: Map<String, Value>,
    ) -> Result<Vec<Delivery>, Refusal> {
        let spoken = self
            .tell(|reply| Order::Say(call_id, message, reply))
            .await?;
        if let [Err(error)] = spoken.as_slice() {
            return Err(refusal_of(*error));
        }
        let until = Instant::now() + SHOWN_WAIT;
        let mut deliveries = Vec::new();
        for saying in spoken.into_iter().flatten() {
            let is_shown = matches!(timeout_at(until, saying.shown).await, Ok(Ok(())));
            deliveries.push(Delivery {
                peer: saying.peer,
                message_id: saying.message_id,
                state: if is_shown {
                    MessageState::Shown
                } else {
                    MessageState::Sent
                },
            });
        }
        Ok(deliveries)
    }

    async fn tell<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, Refusal> {
        let busy = || Refusal {
            retry_after_s: Some(1),
            ..Refusal::new(
                ErrorName::Unavailable,
                "the evidence server has too much to do",
            )
        };
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(order(reply)).map_err(|_| busy())?;
        answer.await.map_err(|_| busy())
    }
}

fn refusal_of(error: TalkError) -> Refusal {
    let name = match error {
        TalkError::TooLong => return Refusal::field("message", "must be at most 16 KiB of JSON"),
        TalkError::BadId => ErrorName::InvalidRequest,
        TalkError::TooMany => ErrorName::Conflict,
        TalkError::TooFast | TalkError::Unshown => ErrorName::CapacityExceeded,
    };
    let passes = name == ErrorName::CapacityExceeded;
    Refusal {
        retry_after_s: passes.then_some(RETRY_AFTER_S),
        ..Refusal::new(name, error.to_string())
    }
}
