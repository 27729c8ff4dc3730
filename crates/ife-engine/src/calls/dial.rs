//! The order to Asterisk that calls an expert.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ife_ami::{
    action::{Destination, DialString, Originate},
    value::{DialToken, SipHost, SipUser, ValueError, Variable},
};
use ife_call::Acceptance;
use ife_message::Briefing;

use super::{Slot, hex_of};
use crate::{
    context::Context, council::context, decisions::choices_of, gate::Pass, record::CallRecord,
    shell::Spoken,
};

/// Channel variable with the call's record, for a process whose store does not have it.
pub(crate) const RECORD: &str = "IFE_RECORD";

impl Slot {
    pub(super) fn dial_order(
        &self,
        cx: &mut Context,
        pass: &Pass,
        ring_max: Duration,
    ) -> Result<Originate, ValueError> {
        let (record, attempt) = (&self.record, self.attempt());
        // User and host become part of a dial string, so only its alphabet is let through. The gate
        // refuses a registry with an address that is refused here.
        let user = SipUser::parse(pass.callee.user())?;
        let host = SipHost::parse(pass.callee.host())?;
        let caller = SipUser::parse(cx.gate.caller().user())?;
        let trace_id = record.trace_id.as_str();
        let tried = u16::from(record.left_out()) + u16::from(attempt) + 1;
        let seats = cx.settings.limits.council_experts_max.to_string();
        // One underscore: inherited once, by the SIP channel whose INVITE carries the headers.
        let mut variables = vec![
            Variable::channel("IFE_USER", user.as_str())?,
            Variable::channel("IFE_HOST", host.as_str())?,
            Variable::channel("IFE_CALLER", caller.as_str())?,
            Variable::channel("IFE_RING_S", ring_max.as_secs().to_string())?,
            Variable::channel("_IFE_TRACE", trace_id)?,
            Variable::channel("_IFE_HAZARD", record.hazard.as_str())?,
            Variable::channel("_IFE_SIGNATURE", &pass.signature)?,
            // By these the dialplan keeps an expert from being called twice about one call.
            Variable::channel("IFE_CALL", hex_of(self.id()))?,
            Variable::channel("IFE_NODE", cx.names.node())?,
            Variable::channel("IFE_TRIED", tried.to_string())?,
            // For the H.323 leg to an MCU; its far side sees it as `CHANNEL(caller_h323id)`.
            Variable::channel("_CALLER_H323ID", trace_id)?,
            Variable::channel("IFE_EXPERTS_MAX", seats)?,
        ];
        variables.extend(briefing_variables(record)?);
        variables.extend(self.acceptance_variables(cx)?);
        if let Some(link) = &self.evidence_link {
            variables.push(Variable::channel("_IFE_EVIDENCE", link)?);
        }
        variables.extend(cx.settings.council.variables(&record.room)?);
        if let Some(takes) = &record.takes {
            variables.push(Variable::channel("IFE_TAKES", &takes.text)?);
        }
        variables.extend(takeover_variable(record, attempt));
        let channel_id = cx.names.expert(self.id(), attempt)?;
        Ok(Originate {
            channel: DialString::Local {
                exten: DialToken::parse("call")?,
                context: DialToken::parse(context::EXPERT)?,
            },
            other_channel_id: Some(cx.names.far(&channel_id)?),
            channel_id,
            destination: cx.settings.council.destination()?,
            ring_timeout: ring_max,
            variables,
        })
    }
}

impl Slot {
    /// How the expert accepts the call, for how long it is waited for, and what they hear.
    fn acceptance_variables(&self, cx: &mut Context) -> Result<Vec<Variable>, ValueError> {
        let hazard = self.record.hazard.as_str();
        let acceptance = cx.gate.acceptance(self.expert_id(), hazard);
        let wait_s = match acceptance {
            Acceptance::Key => cx.settings.limits.accept_key_s,
            Acceptance::Page => cx.settings.limits.accept_page_s,
            Acceptance::None => 0,
        };
        let mut variables = vec![
            Variable::channel("IFE_ACCEPT", acceptance.as_str())?,
            Variable::channel("IFE_ACCEPT_S", wait_s.to_string())?,
        ];
        let choices = choices_of(&self.record.briefing.options);
        let spoken = Spoken {
            council: cx.gate.caller().host(),
            hazard,
            reason: self.record.briefing.reason.as_deref(),
            choices: &choices,
        };
        for said in cx.shell.speak(&spoken) {
            let mut name = format!("IFE_SAY_{}", said.prompt.as_str().to_ascii_uppercase());
            if let Some(number) = said.number {
                name = format!("{name}_{number}");
            }
            variables.push(Variable::channel(&name, said.file)?);
        }
        Ok(variables)
    }
}

/// Most characters of the caller's name on the phone's display.
const DISPLAY_NAME_CHARS_MAX: usize = 60;

/// The texts of the INVITE that give the reason of the call, in base64: they hold any
/// character, and the dialplan decodes them where they cannot become a part of it.
fn briefing_variables(record: &CallRecord) -> Result<Vec<Variable>, ValueError> {
    let reason = record.briefing.reason.as_deref();
    let name = display_name(record.hazard.as_str(), reason);
    let mut texts = vec![("_IFE_NAME", name)];
    if let Some(reason) = reason {
        let quoted = reason.replace('\\', "\\\\").replace('"', "\\\"");
        texts.extend([("_IFE_SUBJECT", reason.to_owned()), ("_IFE_REASON", quoted)]);
    }
    let variable = |(name, text): (&str, String)| Variable::channel(name, STANDARD.encode(text));
    texts.into_iter().map(variable).collect()
}

/// Returns `hazard: reason`, cut to the length that a phone shows.
fn display_name(hazard: &str, reason: Option<&str>) -> String {
    let Some(reason) = reason else {
        return hazard.to_owned();
    };
    let name = format!("{hazard}: {reason}");
    match name.char_indices().nth(DISPLAY_NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}...", name[..end].trim_end()),
        None => name,
    }
}

/// A context and extension of the dialplan.
pub(crate) fn place(context: &str, exten: &str) -> Result<Destination, ValueError> {
    Ok(Destination {
        context: DialToken::parse(context)?,
        exten: DialToken::parse(exten)?,
    })
}

/// The record that a call takes along; without its briefing, or left out, when it does not fit.
fn takeover_variable(record: &CallRecord, attempt: u8) -> Option<Variable> {
    let mut kept = CallRecord {
        attempt,
        evidence_files: Vec::new(),
        message: None,
        takes: None,
        signature: None,
        ..record.clone()
    };
    record_variable(&kept).or_else(|| {
        kept.briefing = Briefing::default();
        record_variable(&kept)
    })
}

fn record_variable(record: &CallRecord) -> Option<Variable> {
    let json = serde_json::to_vec(record).ok()?;
    Variable::channel(RECORD, URL_SAFE_NO_PAD.encode(json)).ok()
}

/// Reads the record of [`RECORD`].
pub(crate) fn record_of(value: &[u8]) -> Option<CallRecord> {
    let json = URL_SAFE_NO_PAD.decode(value).ok()?;
    serde_json::from_slice(&json).ok()
}
