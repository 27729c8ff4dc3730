//! The council backends as data: destination of an answered expert, proof of the join, name of a
//! participant.

use ife_ami::{
    action::Destination,
    value::{DialToken, RoomName, Uniqueid, ValueError, Variable},
};
use ife_call::{Acceptance, Backend};

/// Contexts of the dialplan,
/// docs/examples/asterisk/extensions-if-escalate.conf.
pub mod context {
    /// Far half of the Local channel: calls the expert.
    pub const EXPERT: &str = "ife-expert";
    /// Near half, once answered: to the council.
    pub const JOIN: &str = "ife-join";
    /// An expert who has not accepted hears why they are called.
    pub const BRIEF: &str = "ife-brief";
    /// Prefix of the contexts of experts who have accepted; the means follow.
    pub const ACCEPTED: &str = "ife-accepted-";
    /// Where experts meet the council: of those who called in, and included by the others.
    pub const COUNCIL: &str = "ife-council";
    /// A guardian who dials in and was admitted.
    pub const ADMITTED: &str = "ife-admitted";
    /// A guardian who is called.
    pub const GUARDIAN: &str = "ife-guardian";
    /// Experts who call in.
    pub const FROM_KAMAILIO: &str = "ife-from-kamailio";
}

/// The means by which the expert on a channel in this context has accepted the call.
pub(crate) fn acceptance_of(context: &[u8]) -> Option<Acceptance> {
    let means = context.strip_prefix(context::ACCEPTED.as_bytes())?;
    Acceptance::of(std::str::from_utf8(means).ok()?)
}

/// Where experts meet the council.
#[derive(Debug, Clone)]
pub struct Council {
    /// What proves that an expert has joined.
    pub backend: Backend,
    /// [`Backend::Mcu`]: the ooh323 section of the MCU.
    pub mcu_peer: Option<DialToken>,
    /// [`Backend::Mcu`]: the alias that is dialled there; the conference's name when absent.
    pub mcu_alias: Option<DialToken>,
    /// Seconds that joining may take.
    pub join_s: u32,
    /// Address of the H.323 segment.
    pub endpoint: String,
}

impl Council {
    /// Name in the configuration and in the API, and the extension of [`context::JOIN`].
    pub fn name(&self) -> &'static str {
        match self.backend {
            Backend::Room => "confbridge",
            Backend::Mcu => "external_mcu",
        }
    }

    /// Where the near half of an answered call goes.
    pub fn destination(&self) -> Result<Destination, ValueError> {
        Ok(Destination {
            context: DialToken::parse(context::JOIN)?,
            exten: DialToken::parse(self.name())?,
        })
    }

    /// The dialplan's data to join a call to a room.
    pub fn variables(&self, room: &RoomName) -> Result<Vec<Variable>, ValueError> {
        match self.backend {
            Backend::Room => Ok(vec![Variable::channel("IFE_ROOM", room.as_str())?]),
            Backend::Mcu => {
                let alias = self
                    .mcu_alias
                    .as_ref()
                    .map_or(room.as_str(), DialToken::as_str);
                let peer = self.mcu_peer.as_ref().map_or("", DialToken::as_str);
                Ok(vec![
                    Variable::channel("IFE_ALIAS", alias)?,
                    Variable::channel("IFE_MCU", peer)?,
                    Variable::channel("IFE_JOIN_S", self.join_s.to_string())?,
                ])
            }
        }
    }

    /// Name of a participant: by the expert's channel in a room, by the H.323 channel at an MCU.
    pub fn participant(
        &self,
        room: &RoomName,
        expert: &Uniqueid,
        mcu: Option<&Uniqueid>,
    ) -> Option<String> {
        match self.backend {
            Backend::Room => Some(format!("confbridge:{room}:{expert}")),
            Backend::Mcu => mcu.map(|mcu| format!("h323:{mcu}")),
        }
    }

    /// Properties of the H.323 segment: chan_ooh323 has no wide-band codec and no H.235.
    pub fn segment(&self) -> &'static str {
        "narrowband, unencrypted"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn council(backend: Backend) -> Council {
        Council {
            backend,
            mcu_peer: Some(DialToken::parse("mcu-7f3a").expect("a token")),
            mcu_alias: None,
            join_s: 10,
            endpoint: "if://service/guard/mcu:1720".into(),
        }
    }

    #[test]
    fn a_participant_is_named_by_what_proves_the_join() {
        let expert = Uniqueid::parse("ife.node1.0123456789abcdef.e0").expect("an id");
        let mcu = Uniqueid::parse("gateway-1.7").expect("an id");
        let (r1, room) = (
            RoomName::parse("r1").expect("a room"),
            council(Backend::Room),
        );
        let external = council(Backend::Mcu);
        assert_eq!(
            room.participant(&r1, &expert, None).as_deref(),
            Some("confbridge:r1:ife.node1.0123456789abcdef.e0")
        );
        assert_eq!(external.participant(&r1, &expert, None), None);
        assert_eq!(
            external.participant(&r1, &expert, Some(&mcu)).as_deref(),
            Some("h323:gateway-1.7")
        );
    }

    #[test]
    fn an_mcu_without_alias_is_dialled_by_the_rooms_name() {
        let room = RoomName::parse("r1").expect("a room");
        let variables = council(Backend::Mcu)
            .variables(&room)
            .expect("they are values");
        let alias = Variable::channel("IFE_ALIAS", "r1").expect("a variable");
        assert!(variables.contains(&alias));
    }
}
