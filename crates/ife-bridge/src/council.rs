//! The council backends as data: where an answered expert goes, what proves the join, what the participant is called.

use ife_ami::{
    action::Destination,
    value::{DialToken, RoomName, Uniqueid, ValueError, Variable},
};

use crate::config::{self, Backend};

/// Contexts of the dialplan, docs/examples/asterisk/extensions-if-escalate.conf.
pub mod context {
    /// Far half of the Local channel: calls the expert.
    pub const EXPERT: &str = "ife-expert";
    /// Near half, once answered: to the council.
    pub const JOIN: &str = "ife-join";
    /// A guardian who is called.
    pub const GUARDIAN: &str = "ife-guardian";
    /// Experts who call in.
    pub const FROM_KAMAILIO: &str = "ife-from-kamailio";
}

/// Where experts meet the council.
#[derive(Debug, Clone)]
pub struct Council {
    backend: Backend,
    /// Extension of [`context::JOIN`].
    exten: DialToken,
    peer: Option<DialToken>,
    alias: Option<DialToken>,
    join_s: u32,
    endpoint: String,
}

impl Council {
    /// From the configuration, whose names were checked there.
    pub fn new(council: &config::Council, join_s: u32) -> Result<Council, ValueError> {
        let token = |text: &Option<String>| text.as_ref().map(DialToken::parse).transpose();
        let exten = match council.backend {
            Backend::Confbridge => "confbridge",
            Backend::ExternalMcu => "external_mcu",
        };
        Ok(Council {
            backend: council.backend,
            exten: DialToken::parse(exten)?,
            peer: token(&council.mcu_peer)?,
            alias: token(&council.mcu_alias)?,
            join_s,
            endpoint: council.h323_endpoint.clone(),
        })
    }

    /// What proves that an expert has joined.
    pub fn proof(&self) -> ife_call::Backend {
        match self.backend {
            Backend::Confbridge => ife_call::Backend::Room,
            Backend::ExternalMcu => ife_call::Backend::Mcu,
        }
    }

    /// Name in the configuration and in the API.
    pub fn name(&self) -> &'static str {
        match self.backend {
            Backend::Confbridge => "confbridge",
            Backend::ExternalMcu => "external_mcu",
        }
    }

    /// Where the near half of an answered call goes.
    pub fn destination(&self) -> Result<Destination, ValueError> {
        Ok(Destination {
            context: DialToken::parse(context::JOIN)?,
            exten: self.exten.clone(),
        })
    }

    /// What the dialplan must know to join a call to a room.
    pub fn variables(&self, room: &RoomName) -> Result<Vec<Variable>, ValueError> {
        match self.backend {
            Backend::Confbridge => Ok(vec![Variable::channel("IFE_ROOM", room.as_str())?]),
            Backend::ExternalMcu => {
                let alias = self.alias.as_ref().map_or(room.as_str(), DialToken::as_str);
                let peer = self.peer.as_ref().map_or("", DialToken::as_str);
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
        room: &str,
        expert: &Uniqueid,
        mcu: Option<&Uniqueid>,
    ) -> Option<String> {
        match self.backend {
            Backend::Confbridge => Some(format!("confbridge:{room}:{expert}")),
            Backend::ExternalMcu => mcu.map(|mcu| format!("h323:{mcu}")),
        }
    }

    /// Where the H.323 segment goes.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What an operator must know of the H.323 segment: chan_ooh323 has no wide-band codec and no H.235.
    pub fn segment(&self) -> &'static str {
        "narrowband, unencrypted"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn council(backend: Backend) -> Council {
        let council = config::Council {
            aor: "sip:council@council.example".into(),
            signing_key: "key".into(),
            backend,
            default_room: "council".into(),
            mcu_peer: Some("mcu-7f3a".into()),
            mcu_alias: None,
            h323_endpoint: "if://service/guard/mcu:1720".into(),
            guardians: Vec::new(),
            bandwidth_bps_max: 1,
        };
        Council::new(&council, 10).expect("the names are names")
    }

    #[test]
    fn a_participant_is_named_by_what_proves_the_join() {
        let expert = Uniqueid::parse("ife.node1.0123456789abcdef.e0").expect("an id");
        let mcu = Uniqueid::parse("gateway-1.7").expect("an id");
        let room = council(Backend::Confbridge);
        let external = council(Backend::ExternalMcu);
        assert_eq!(
            room.participant("r1", &expert, None).as_deref(),
            Some("confbridge:r1:ife.node1.0123456789abcdef.e0")
        );
        assert_eq!(external.participant("r1", &expert, None), None);
        assert_eq!(
            external.participant("r1", &expert, Some(&mcu)).as_deref(),
            Some("h323:gateway-1.7")
        );
    }

    #[test]
    fn an_mcu_without_alias_is_dialled_by_the_rooms_name() {
        let room = RoomName::parse("r1").expect("a room");
        let variables = council(Backend::ExternalMcu)
            .variables(&room)
            .expect("they are values");
        let alias = Variable::channel("IFE_ALIAS", "r1").expect("a variable");
        assert!(variables.contains(&alias));
    }
}
