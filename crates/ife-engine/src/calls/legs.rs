//! Names of channels, and the legs that they are. The bridge names its own channels, so that they
//! are known again after a restart:
//!
//! ```text
//! ife.<node>.<16 hex of the call id>.e<attempt>      near half of the Local channel that calls an expert
//! ife.<node>.<16 hex of the call id>.e<attempt>.b    its far half, which dials
//! ife.<node>.g.<guardian>.<number>                   a guardian who was called
//! ```

use std::collections::HashMap;

use ife_ami::value::{ChannelId, Uniqueid, ValueError};
use ife_call::Leg;

use super::CallId;

/// What call ids begin with.
pub(crate) const CALL_ID_PREFIX: &str = "sip-call-";

/// The names of this bridge's channels.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    node: String,
    prefix: String,
}

/// A channel that this bridge made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ours {
    /// Near half of an expert's leg.
    Expert {
        /// The call.
        call_id: String,
        /// The expert, from 0.
        attempt: u8,
    },
    /// Far half of it.
    Far,
    /// A guardian.
    Guardian {
        /// Name in the configuration.
        name: String,
    },
}

impl Names {
    pub(crate) fn new(node: &str) -> Names {
        Names {
            node: node.to_owned(),
            prefix: format!("ife.{node}."),
        }
    }

    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) fn expert(&self, call_id: &str, attempt: u8) -> Result<ChannelId, ValueError> {
        let hex = hex_of(call_id);
        ChannelId::parse(format!("{}{hex}.e{attempt}", self.prefix))
    }

    pub(crate) fn far(&self, near: &ChannelId) -> Result<ChannelId, ValueError> {
        ChannelId::parse(format!("{near}.b"))
    }

    pub(crate) fn guardian(&self, name: &str, number: u64) -> Result<ChannelId, ValueError> {
        ChannelId::parse(format!("{}g.{name}.{number}", self.prefix))
    }

    /// Reads a channel's name; `None` for one that this bridge did not make.
    pub(crate) fn parse(&self, id: &Uniqueid) -> Option<Ours> {
        let rest = id.as_str().strip_prefix(&self.prefix)?;
        if let Some(guardian) = rest.strip_prefix("g.") {
            let (name, _) = guardian.rsplit_once('.')?;
            return Some(Ours::Guardian {
                name: name.to_owned(),
            });
        }
        let (hex, leg) = rest.split_once(".e")?;
        if leg.ends_with(".b") {
            return Some(Ours::Far);
        }
        let is_hex = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let attempt = leg.parse().ok().filter(|_| is_hex)?;
        let call_id = format!("{CALL_ID_PREFIX}{hex}");
        Some(Ours::Expert { call_id, attempt })
    }
}

/// A channel that any of the bridges at this gateway made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bridges<'a> {
    /// Near half of an expert's leg, with the hex digits of its call.
    Expert(&'a str),
    /// A guardian, by name.
    Guardian(&'a str),
}

impl Bridges<'_> {
    pub(crate) fn parse(id: &Uniqueid) -> Option<Bridges<'_>> {
        let (_node, rest) = id.as_str().strip_prefix("ife.")?.split_once('.')?;
        if let Some(guardian) = rest.strip_prefix("g.") {
            return guardian
                .rsplit_once('.')
                .map(|(name, _)| Bridges::Guardian(name));
        }
        let (hex, leg) = rest.split_once(".e")?;
        (!leg.ends_with(".b")).then_some(Bridges::Expert(hex))
    }
}

/// The hex digits of a call's name.
pub(crate) fn hex_of(call_id: &str) -> &str {
    call_id.strip_prefix(CALL_ID_PREFIX).unwrap_or(call_id)
}

/// The part that a channel has in its leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The leg itself, which is hung up and joins.
    Primary,
    /// The SIP channel behind a Local one: it rings first and knows the cause.
    Sip,
}

/// The leg that a channel belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LegChannel {
    pub(crate) call: CallId,
    pub(crate) leg: Leg,
    pub(crate) part: Part,
}

/// All channels that belong to a call.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    places: HashMap<Uniqueid, LegChannel>,
}

impl Legs {
    pub(crate) fn place(&self, id: &Uniqueid) -> Option<&LegChannel> {
        self.places.get(id)
    }

    pub(crate) fn add(&mut self, id: Uniqueid, place: LegChannel) {
        self.places.insert(id, place);
    }

    pub(crate) fn remove(&mut self, id: &Uniqueid) {
        self.places.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let names = Names::new("node-1");
        let near = names
            .expert("sip-call-0123456789abcdef", 2)
            .expect("a name");
        let far = names.far(&near).expect("a name");
        let guardian = names
            .guardian("guardian.east-1", 1_790_000)
            .expect("a name");
        assert_eq!(near.as_str(), "ife.node-1.0123456789abcdef.e2");
        let parse = |id: &ChannelId| names.parse(&Uniqueid::from(id));
        let call_id = "sip-call-0123456789abcdef".to_owned();
        assert_eq!(
            parse(&near),
            Some(Ours::Expert {
                call_id,
                attempt: 2
            })
        );
        assert_eq!(parse(&far), Some(Ours::Far));
        let name = "guardian.east-1".to_owned();
        assert_eq!(parse(&guardian), Some(Ours::Guardian { name }));
    }

    #[test]
    fn channels_of_other_bridges_are_known_by_their_names() {
        let cases = [
            (
                "ife.node-2.0123456789abcdef.e1",
                Some(Bridges::Expert("0123456789abcdef")),
            ),
            ("ife.node-2.0123456789abcdef.e1.b", None),
            (
                "ife.node-2.g.guardian.east-1.7",
                Some(Bridges::Guardian("guardian.east-1")),
            ),
            ("gateway-1790000000.4", None),
        ];
        for (id, wanted) in cases {
            let id = Uniqueid::parse(id).expect("an id");
            assert_eq!(Bridges::parse(&id), wanted, "{id}");
        }
    }

    #[test]
    fn channels_of_others_are_not_ours() {
        let names = Names::new("node-1");
        for id in [
            "gateway-1790000000.4",
            "ife.node-2.0123456789abcdef.e0",
            "ife.node-1.0123456789abcdef",
            "ife.node-1.0123456789abcdeg.e0",
            "ife.node-1.0123456789abcdef.e999",
        ] {
            let id = Uniqueid::parse(id).expect("an id");
            assert_eq!(names.parse(&id), None, "{id}");
        }
    }
}
