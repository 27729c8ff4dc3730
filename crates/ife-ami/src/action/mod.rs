//! Actions for Asterisk and their encoding.

mod originate;
mod writer;

pub use originate::{Destination, DialString, Originate};
pub use writer::{ActionId, EncodeError, HEADERS_MAX, LINE_BYTES_MAX};

use crate::value::{
    ChannelName, DialToken, GlobalName, RoomName, Secret, Uniqueid, VarName, VarValue,
};
use writer::Writer;

/// An action. Every value in it was checked on creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Requests an answer and nothing else.
    Ping,
    /// Requests an MD5 challenge, the first half of [`Action::LoginMd5`].
    Challenge,
    /// Logs in with the secret itself: over TLS or loopback only.
    LoginPlain {
        /// Account name, a section of manager.conf.
        username: DialToken,
        /// Its secret.
        secret: Secret,
    },
    /// Logs in with `md5(challenge + secret)`. This hides only the secret, not the session.
    LoginMd5 {
        /// Account name, a section of manager.conf.
        username: DialToken,
        /// 32 lower-case hex digits.
        key: DialToken,
    },
    /// Calls out asynchronously: the answer means queued, an `OriginateResponse` has the result.
    Originate(Box<Originate>),
    /// Ends a channel, named by unique id.
    Hangup {
        /// The channel. If it is gone, the action has no effect and its answer is an error.
        channel: Uniqueid,
        /// Q.850 cause. Without one, Asterisk answers 603 to a ringing leg: see `ife-call`'s table.
        cause: u8,
    },
    /// Sends a channel to a dialplan destination.
    Redirect {
        /// The channel.
        channel: Uniqueid,
        /// The destination.
        destination: Destination,
    },
    /// Lists all channels.
    CoreShowChannels,
    /// Reads an entry of Asterisk's database: a list of one row with the value as `Val`; an error
    /// if there is none. (AMI's `Getvar` may not use the dialplan's function `DB`.)
    DbGet {
        /// Family of keys.
        family: DialToken,
        /// The key.
        key: DialToken,
    },
    /// Reads all entries of a family of Asterisk's database: a list of rows with `Key` and `Val`.
    DbGetTree {
        /// Family of keys.
        family: DialToken,
    },
    /// Lists the participants of a room. An error if there is no such room.
    ConfbridgeList {
        /// The room.
        room: RoomName,
    },
    /// Lists the rooms. An error if there is none.
    ConfbridgeListRooms,
    /// Asks for the contacts of a PJSIP AOR, answered like `Getvar`: `<aor>@@<hash>`, with commas
    /// between them.
    PjsipAor {
        /// The AOR's section.
        aor: DialToken,
    },
    /// Asks for the result of the last probe of a PJSIP contact, answered like `Getvar`.
    ///
    /// The list `PJSIPShowContacts` needs the right `system`, with which an account may stop
    /// Asterisk.
    PjsipContact {
        /// The AOR's section.
        aor: DialToken,
        /// What follows `@@` in the contact's name.
        hash: DialToken,
    },
    /// Mutes a participant: the first channel whose name **begins** with the given one.
    ConfbridgeMute {
        /// The room.
        room: RoomName,
        /// The participant, by full channel name.
        channel: ChannelName,
    },
    /// Unmutes a participant.
    ConfbridgeUnmute {
        /// The room.
        room: RoomName,
        /// The participant, by full channel name.
        channel: ChannelName,
    },
    /// Sets a global variable; an empty value removes it. It is lost when Asterisk ends.
    SetGlobal {
        /// Name.
        name: GlobalName,
        /// Value.
        value: VarValue,
    },
    /// Sets a variable, of a channel or global.
    Setvar {
        /// The channel, or none for a global variable.
        channel: Option<Uniqueid>,
        /// Name.
        name: VarName,
        /// Value.
        value: VarValue,
    },
    /// Reads a variable. If the channel is gone, the answer has no `Value`.
    Getvar {
        /// The channel, or none for a global variable.
        channel: Option<Uniqueid>,
        /// Name.
        name: VarName,
    },
}

impl Action {
    /// Returns the value of `Action:`.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Ping => "Ping",
            Action::Challenge => "Challenge",
            Action::LoginPlain { .. } | Action::LoginMd5 { .. } => "Login",
            Action::Originate(_) => "Originate",
            Action::Hangup { .. } => "Hangup",
            Action::Redirect { .. } => "Redirect",
            Action::CoreShowChannels => "CoreShowChannels",
            Action::ConfbridgeList { .. } => "ConfbridgeList",
            Action::ConfbridgeListRooms => "ConfbridgeListRooms",
            Action::DbGet { .. } => "DBGet",
            Action::DbGetTree { .. } => "DBGetTree",
            Action::ConfbridgeMute { .. } => "ConfbridgeMute",
            Action::ConfbridgeUnmute { .. } => "ConfbridgeUnmute",
            Action::Setvar { .. } | Action::SetGlobal { .. } => "Setvar",
            Action::Getvar { .. } | Action::PjsipAor { .. } | Action::PjsipContact { .. } => {
                "Getvar"
            }
        }
    }

    /// Returns whether only the session may send the action, to log in or out.
    pub fn belongs_to_session(&self) -> bool {
        match self {
            Action::Challenge | Action::LoginPlain { .. } | Action::LoginMd5 { .. } => true,
            Action::Ping
            | Action::Originate(_)
            | Action::Hangup { .. }
            | Action::Redirect { .. }
            | Action::CoreShowChannels
            | Action::DbGet { .. }
            | Action::DbGetTree { .. }
            | Action::SetGlobal { .. }
            | Action::ConfbridgeList { .. }
            | Action::ConfbridgeListRooms
            | Action::ConfbridgeMute { .. }
            | Action::ConfbridgeUnmute { .. }
            | Action::Setvar { .. }
            | Action::Getvar { .. }
            | Action::PjsipAor { .. }
            | Action::PjsipContact { .. } => false,
        }
    }

    /// Appends the action to `out`. If it breaks a limit of Asterisk, `out` is unchanged.
    pub fn encode(&self, id: &ActionId, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut writer = Writer::begin(out, self.name(), id);
        match self.write(&mut writer) {
            Ok(()) => writer.finish(),
            Err(error) => writer.abandon(error),
        }
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Action::Ping | Action::CoreShowChannels | Action::ConfbridgeListRooms => Ok(()),
            Action::Challenge => to.line("AuthType", "MD5"),
            Action::LoginPlain { username, secret } => {
                to.line("Username", username.as_str())?;
                to.line("Secret", secret.reveal())
            }
            Action::LoginMd5 { username, key } => {
                to.line("AuthType", "MD5")?;
                to.line("Username", username.as_str())?;
                to.line("Key", key.as_str())
            }
            Action::Originate(originate) => originate.write(to),
            Action::Hangup { channel, cause } => {
                to.line("Channel", channel.as_str())?;
                to.line("Cause", cause.to_string())
            }
            Action::Redirect {
                channel,
                destination,
            } => {
                to.line("Channel", channel.as_str())?;
                destination.write(to)
            }
            Action::ConfbridgeList { room } => to.line("Conference", room.as_str()),
            Action::ConfbridgeMute { room, channel }
            | Action::ConfbridgeUnmute { room, channel } => {
                to.line("Conference", room.as_str())?;
                to.line("Channel", channel.as_bytes())
            }
            Action::Setvar {
                channel,
                name,
                value,
            } => {
                write_channel(to, channel.as_ref())?;
                to.line("Variable", name.as_str())?;
                to.line("Value", value.as_bytes())
            }
            Action::SetGlobal { name, value } => {
                to.line("Variable", name.as_str())?;
                to.line("Value", value.as_bytes())
            }
            Action::DbGetTree { family } => to.line("Family", family.as_str()),
            Action::DbGet { family, key } => {
                to.line("Family", family.as_str())?;
                to.line("Key", key.as_str())
            }
            Action::Getvar { channel, name } => {
                write_channel(to, channel.as_ref())?;
                to.line("Variable", name.as_str())
            }
            Action::PjsipAor { aor } => to.line("Variable", format!("PJSIP_AOR({aor},contact)")),
            Action::PjsipContact { aor, hash } => {
                let function = format!("PJSIP_CONTACT({aor}@@{hash},status)");
                to.line("Variable", function)
            }
        }
    }
}

fn write_channel(to: &mut Writer<'_>, channel: Option<&Uniqueid>) -> Result<(), EncodeError> {
    channel.map_or(Ok(()), |channel| to.line("Channel", channel.as_str()))
}
