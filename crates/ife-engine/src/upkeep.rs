//! Work on the engine itself: its registry, its health, and its store.

use ife_witness::entry::Event;
use tracing::{error, info};

use crate::{Engine, gate::GateError, record::Line};

impl Engine {
    pub(crate) fn reload(&mut self, agents_taken: bool, registry: Result<String, GateError>) {
        let agents = if agents_taken {
            "agents reloaded"
        } else {
            "agents refused, the old ones stay in force"
        };
        self.cx.note(Event::Reload, agents);
        let loaded = registry.and_then(|registry| self.cx.gate.reload(&registry));
        let words = match loaded {
            Ok(()) => {
                info!("registry reloaded");
                "registry reloaded"
            }
            Err(error) => {
                error!("the registry is not valid, the old one stays in force: {error}");
                "registry refused, the old one stays in force"
            }
        };
        self.cx.note(Event::Reload, words);
    }

    pub(crate) fn look_at_health(&mut self) {
        let is_stored = self.requests.is_stored();
        self.health.look(&mut self.cx, &self.calls, is_stored);
    }

    /// Writes the store anew when it has grown.
    pub(crate) fn tidy_store(&mut self) {
        if !self.cx.shell.wants_rewrite() {
            return;
        }
        let live = self.calls.live().map(|slot| slot.record());
        let mut lines = self.cx.ledger.lines(live.chain(self.requests.coming()));
        let over = self.calls.all().filter(|slot| !slot.is_live());
        lines.extend(over.map(|slot| Line::Ended(Box::new(slot.detail(&self.cx)))));
        self.cx.shell.rewrite(lines);
    }
}
