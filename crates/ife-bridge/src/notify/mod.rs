//! Notifies experts of calls by webhook and mail, by [`ife_engine::notice`]. No call waits for
//! it, and no failure in here ends one.
//!
//! ```text
//! engine --Notifier--> one task: a delivery for each channel --> webhook, mail server
//!    ^                                    |
//!    +--------- Command::Notified --------+
//! ```

mod mail;
mod settings;
mod webhook;

use std::{collections::HashMap, sync::Arc};

use ife_engine::notice::{Notice, Notified, Outcome};
use ife_guard::registry::Channel;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::sleep,
};
use tracing::{debug, warn};

use crate::handle::{Command, EngineHandle};
pub use settings::{NotifyError, Settings};

/// Orders that may wait.
const ORDERS_MAX: usize = 256;
/// Notifications under way, the pauses between their tries included.
const UNDER_WAY_MAX: usize = 512;
/// Tries at once.
const TRIES_MAX: usize = 16;

#[derive(Debug)]
enum Order {
    Tell(Box<Notice>),
    Withdraw(String),
}

/// The engine's side: it never waits.
#[derive(Debug, Clone)]
pub struct Notifier(mpsc::Sender<Order>);

impl Notifier {
    /// Starts the task; needs a tokio runtime. Without settings each notification ends as
    /// `not_configured`.
    pub fn start(settings: Option<Settings>, engine: EngineHandle) -> Notifier {
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let desk = Desk {
            settings: settings.map(Arc::new),
            engine,
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            tries: Arc::new(Semaphore::new(TRIES_MAX)),
            calls: HashMap::new(),
        };
        tokio::spawn(desk.run(receiver));
        Notifier(orders)
    }

    /// Takes a notice; false when too many wait.
    pub fn tell(&self, notice: Notice) -> bool {
        self.0.try_send(Order::Tell(Box::new(notice))).is_ok()
    }

    /// Gives up the notices of a call that are not delivered yet. Of no effect while too many
    /// orders wait: then at most the tries that are left are made in vain.
    pub fn withdraw(&self, call_id: &str) {
        let _ = self.0.try_send(Order::Withdraw(call_id.to_owned()));
    }
}

struct Desk {
    settings: Option<Arc<Settings>>,
    engine: EngineHandle,
    under_way: Arc<Semaphore>,
    tries: Arc<Semaphore>,
    /// Calls with deliveries under way, and what withdraws them.
    calls: HashMap<String, watch::Sender<bool>>,
}

impl Desk {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.recv().await {
            self.calls.retain(|_, withdraw| !withdraw.is_closed());
            match order {
                Order::Tell(notice) => self.tell(&Arc::new(*notice)),
                Order::Withdraw(call_id) => {
                    if let Some(withdraw) = self.calls.remove(&call_id) {
                        // Every delivery may just have ended.
                        let _ = withdraw.send(true);
                    }
                }
            }
        }
    }

    fn tell(&mut self, notice: &Arc<Notice>) {
        let (withdraw, withdrawn) = watch::channel(false);
        for place in 0..notice.channels.len() {
            let permit = self.under_way.clone().try_acquire_owned().ok();
            let delivery = Delivery {
                notice: notice.clone(),
                place,
                settings: self.settings.clone(),
                tries: self.tries.clone(),
                withdrawn: withdrawn.clone(),
            };
            let engine = self.engine.clone();
            tokio::spawn(async move {
                let ended = match &permit {
                    Some(_) => delivery.run().await,
                    None => Some((Outcome::Busy, 0)),
                };
                if let Some((outcome, tries)) = ended {
                    delivery.report(&engine, outcome, tries).await;
                }
            });
        }
        self.calls.insert(notice.about.call_id.clone(), withdraw);
    }
}

/// One notice by one channel.
struct Delivery {
    notice: Arc<Notice>,
    place: usize,
    settings: Option<Arc<Settings>>,
    tries: Arc<Semaphore>,
    withdrawn: watch::Receiver<bool>,
}

impl Delivery {
    /// Tries until an outcome is the last one; gives it with the number of tries.
    async fn run(&self) -> Option<(Outcome, usize)> {
        let channel = self.notice.channels.get(self.place)?;
        let Some(settings) = &self.settings else {
            return Some((Outcome::NotConfigured, 0));
        };
        let mut withdrawn = self.withdrawn.clone();
        let mut tries = 0;
        loop {
            let permit = tokio::select! {
                permit = self.tries.acquire() => permit.ok()?,
                _ = withdrawn.wait_for(|withdrawn| *withdrawn) => {
                    return Some((Outcome::Withdrawn, tries));
                }
            };
            let outcome = self.attempt(settings, channel).await;
            drop(permit);
            tries += usize::from(is_try(outcome));
            let Some(pause) = outcome.again_after(tries) else {
                return Some((outcome, tries));
            };
            tokio::select! {
                () = sleep(pause) => {}
                _ = withdrawn.wait_for(|withdrawn| *withdrawn) => {
                    return Some((Outcome::Withdrawn, tries));
                }
            }
        }
    }

    async fn attempt(&self, settings: &Settings, channel: &Channel) -> Outcome {
        let (outcome, why) = match channel {
            Channel::Webhook { url, secret } => {
                let id = self.notice.id(self.place);
                webhook::send(settings, url, secret, &id, &self.notice).await
            }
            Channel::Mail { address } => {
                let id = self.notice.id(self.place);
                mail::send(settings, address, &id, &self.notice).await
            }
        };
        debug!(
            call_id = %self.notice.about.call_id,
            channel = channel.name(),
            "notification {outcome}: {why}"
        );
        outcome
    }

    async fn report(&self, engine: &EngineHandle, outcome: Outcome, tries: usize) {
        let Some(channel) = self.notice.channels.get(self.place) else {
            return;
        };
        let (call_id, name) = (&self.notice.about.call_id, channel.name());
        if outcome != Outcome::Delivered && outcome != Outcome::Withdrawn {
            let expert = &self.notice.about.expert_id;
            warn!(
                call_id,
                expert, tries, "the expert is not notified by {name}: {outcome}"
            );
        }
        let notified = Notified::of(&self.notice, channel, outcome, tries);
        engine.deliver(Command::Notified(Box::new(notified))).await;
    }
}

/// Whether something was sent, or tried to be.
fn is_try(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Delivered
        | Outcome::Refused
        | Outcome::Redirected
        | Outcome::Unreachable
        | Outcome::Timeout
        | Outcome::Failed => true,
        Outcome::NotAllowed | Outcome::NotConfigured | Outcome::Busy | Outcome::Withdrawn => false,
    }
}
