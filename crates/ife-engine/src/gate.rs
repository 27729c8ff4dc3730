//! The gate before a call: asks what Kamailio will ask, so that no call that it would refuse rings
//! a phone.

mod decision;
mod loaded;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Instant,
};

use ife_call::Acceptance;
use ife_guard::{
    Begin, CallKey, CallLimits, GateReport, HeaderValue, Image, MemoryState, Outcome, Policy,
    Request, State, Transport, expert_number, explain, image,
    registry::{Expert, Status},
};
use ife_message::{
    Aor, Covered, Hazard, PrivateKey, SignatureHeader, TraceId,
    sign::{SignedFields, sign},
};
use thiserror::Error;

use crate::time::Now;
use loaded::Loaded;

/// Gates that can be asked before there is an INVITE. Source and flood depend on the gateway's
/// address, replay on the proxy's memory.
const ASKED: [ife_guard::Gate; 6] = [
    ife_guard::Gate::Headers,
    ife_guard::Gate::Registry,
    ife_guard::Gate::Standing,
    ife_guard::Gate::Hazard,
    ife_guard::Gate::Signature,
    ife_guard::Gate::Freshness,
];
/// A slot that was not given back is free again after this; longer than any call may take to be
/// answered.
const SETUP_S: u32 = 300;

/// Why a registry, or a key with it, cannot be used. Each text is for the person who has to mend
/// it.
#[derive(Debug, Error)]
pub enum GateError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The registry is not valid.
    #[error("{0}")]
    Registry(#[from] ife_guard::RegistryErrors),
    /// The registry is too large.
    #[error("{path}: the registry cannot be compiled")]
    Compile {
        /// Which.
        path: PathBuf,
    },
    /// The key file is not one.
    #[error("{path}: {source}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ife_message::KeyError,
    },
    /// `council.aor` is not an address.
    #[error("council.aor: {0}")]
    Aor(#[from] ife_message::AorError),
    /// Experts accept by means that the bridge does not have.
    #[error(
        "{path}: expert `{expert}` accepts calls about `{hazard}` by key or page, and the bridge \
         has no `{section}`: add that section to its configuration, or write another \
         `acceptance` for the expert or the hazard"
    )]
    NoMeans {
        /// The registry.
        path: PathBuf,
        /// An expert.
        expert: String,
        /// A hazard.
        hazard: String,
        /// A lack of the bridge's configuration.
        section: &'static str,
    },
    /// The registry does not let this bridge call.
    #[error("{path}: {why}")]
    NotOurs {
        /// The registry.
        path: PathBuf,
        /// The missing part.
        why: String,
    },
}

/// A refusal of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which gate.
    pub gate: ife_guard::Gate,
    /// SIP status.
    pub code: u16,
    /// Public reason.
    pub reason: String,
    /// Private detail, for the witness and the log.
    pub detail: String,
}

/// The data that a call goes out with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Address to call.
    pub callee: Aor,
    /// Value of X-IF-Signature.
    pub signature: String,
    /// Its key.
    pub kid: String,
    /// When it was made, Unix seconds.
    pub iat: u64,
    /// Longest call that the registry allows, seconds.
    pub max_call_s: u32,
}

/// The subject of the question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Id in the registry.
    pub expert: &'a str,
    /// Hazard name.
    pub hazard: &'a Hazard,
    /// Of the escalation.
    pub trace_id: &'a TraceId,
    /// Signatures of one trace id must differ in time, or the proxy takes the second for a replay
    /// of the first.
    pub iat_min: u64,
    /// A signature by the council that came with the escalation, in place of ours.
    pub signature: Option<&'a str>,
}

/// Means by which a bridge asks experts whether they accept a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// It speaks on the phone, which acceptance by key and by page needs.
    pub speech: bool,
    /// It has pages for experts.
    pub pages: bool,
}

/// The registry in force, with the key that the bridge signs by.
pub struct Gate {
    path: PathBuf,
    loaded: Loaded,
    caller: Aor,
    key: PrivateKey,
    quota: MemoryState,
    born: Instant,
    means: Means,
}

impl Gate {
    /// Reads a registry and a key file, and checks that the one knows the other. `path` names the
    /// registry in errors.
    ///
    /// # Errors
    /// The registry is not valid, or does not let this bridge call.
    pub fn new(
        path: PathBuf,
        registry: &str,
        aor: &str,
        key: PrivateKey,
        now: Instant,
    ) -> Result<Gate, GateError> {
        let caller = Aor::parse(aor.as_bytes())?;
        let loaded = Loaded::read(&path, registry, &caller, &key)?;
        Ok(Gate {
            path,
            loaded,
            caller,
            key,
            quota: MemoryState::with_capacity(65_536),
            born: now,
            means: Means {
                speech: true,
                pages: true,
            },
        })
    }

    /// For a bridge that has these means alone to ask experts whether they accept.
    ///
    /// # Errors
    /// An expert accepts by others.
    pub fn with_means(mut self, means: Means) -> Result<Gate, GateError> {
        self.loaded.check_means(&self.path, means)?;
        self.means = means;
        Ok(self)
    }

    /// Takes another registry. On an error the old one stays in force. Quotas in use are kept.
    ///
    /// # Errors
    /// As for [`Gate::new`].
    pub fn reload(&mut self, registry: &str) -> Result<(), GateError> {
        let loaded = Loaded::read(&self.path, registry, &self.caller, &self.key)?;
        loaded.check_means(&self.path, self.means)?;
        self.loaded = loaded;
        Ok(())
    }

    /// Address that calls come from.
    pub fn caller(&self) -> &Aor {
        &self.caller
    }

    /// An expert of the registry.
    pub fn expert(&self, id: &str) -> Option<&Expert> {
        self.loaded.registry.expert(id)
    }

    /// How an expert accepts a call about a hazard. An unknown expert accepts none.
    pub fn acceptance(&self, id: &str, hazard: &str) -> Acceptance {
        let registry = &self.loaded.registry;
        let of = |expert| registry.acceptance(expert, hazard);
        registry.expert(id).map(of).unwrap_or_default()
    }

    /// Names of the hazards that an expert takes, with those that fall to the default expert.
    pub fn hazards_of(&self, id: &str) -> Vec<String> {
        let Ok(image) = self.image() else {
            return Vec::new();
        };
        let party = image.expert(id);
        let names = image.hazards().enumerate();
        names
            .filter(|(index, _)| {
                let index = u8::try_from(*index).unwrap_or(u8::MAX);
                party.is_some_and(|party| party.takes_hazard(index))
            })
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// Whether the registry knows the hazard.
    pub fn knows_hazard(&self, hazard: &str) -> bool {
        let mut hazards = self.loaded.registry.hazards.iter();
        hazards.any(|known| known.name == hazard)
    }

    /// Experts to call about a hazard: the active ones in registry order, the default expert if
    /// none lists it. At most `max`.
    pub fn experts_for(&self, hazard: &str, max: usize) -> Vec<String> {
        let registry = &self.loaded.registry;
        let lists = |expert: &&Expert| registry.hazard_names(expert).any(|name| name == hazard);
        if !registry.experts.iter().any(|expert| lists(&expert)) {
            let default = registry.expert_for_hazard(hazard);
            return default
                .map(|expert| expert.id.clone())
                .into_iter()
                .collect();
        }
        let active = registry.experts.iter().filter(lists);
        active
            .filter(|expert| expert.status == Status::Active)
            .map(|expert| expert.id.clone())
            .take(max)
            .collect()
    }

    /// The expert behind an address, as Kamailio would find it.
    pub fn expert_at(&self, aor: &Aor) -> Option<String> {
        let image = self.image().ok()?;
        let party = image.party_of(aor)?;
        (party.kind() == image::PartyKind::Expert).then(|| party.id().to_owned())
    }

    /// Asks the gates about a call to an expert; nothing is charged.
    pub fn ask(&self, question: &Question<'_>, now: Now) -> Result<Pass, Refused> {
        let Some(expert) = self.expert(question.expert) else {
            return Err(refused(
                ife_guard::Gate::Registry,
                403,
                "Unknown Expert",
                format!("no expert {}", question.expert),
            ));
        };
        let callee = self.loaded.address_of(expert).ok_or_else(|| {
            let detail = format!("expert {} has no address that can be called", expert.id);
            refused(ife_guard::Gate::Registry, 404, "No Address", detail)
        })?;
        let pass = self.sign(question, callee, expert.quota.max_call_s, now)?;
        let reports = self.reports(question, &pass, now);
        match reports.into_iter().find_map(|report| refusal_in(&report)) {
            Some(refused) => Err(refused),
            None => Ok(pass),
        }
    }

    /// Asks about an expert who has called, and whom Kamailio has let in: standing and hazard
    /// alone.
    pub fn ask_incoming(&self, expert: &str, hazard: &Hazard, now: Now) -> Result<(), Refused> {
        let Some(known) = self.expert(expert) else {
            let detail = format!("no expert {expert}");
            return Err(refused(
                ife_guard::Gate::Registry,
                403,
                "Unknown Expert",
                detail,
            ));
        };
        let validity = known.validity.not_before..=known.validity.not_after;
        let in_time = validity.contains(&now.unix_s());
        if known.status != Status::Active || !in_time {
            let detail = format!("expert {expert} does not take part");
            return Err(refused(
                ife_guard::Gate::Standing,
                403,
                "Expert Not Active",
                detail,
            ));
        }
        if !self
            .hazards_of(expert)
            .iter()
            .any(|name| name == hazard.as_str())
        {
            let detail = format!("expert {expert} does not take {hazard}");
            return Err(refused(
                ife_guard::Gate::Hazard,
                403,
                "Hazard Not Allowed",
                detail,
            ));
        }
        Ok(())
    }

    /// Charges the expert's quota for an attempt; [`Gate::release`] gives the slot back.
    pub fn charge(&mut self, expert: &str, key: &CallKey, now: Now) -> Result<(), Refused> {
        let Some(quota) = self.expert(expert).map(|expert| expert.quota) else {
            return Ok(());
        };
        let limits = CallLimits {
            per_minute: quota.per_minute,
            concurrent: quota.concurrent,
            lease_s: quota.max_call_s.max(SETUP_S),
            max_call_s: quota.max_call_s,
        };
        let now = self.at(now);
        let spent = |detail: &str| {
            Err(refused(
                ife_guard::Gate::Quota,
                486,
                "Expert Quota Exceeded",
                detail.to_owned(),
            ))
        };
        match self
            .quota
            .begin_call(expert_number(expert), key, limits, now)
        {
            Begin::Started | Begin::Already => Ok(()),
            Begin::TooManyPerMinute { .. } => spent("calls per minute are spent"),
            Begin::TooManyConcurrent | Begin::TableFull => spent("concurrent calls are spent"),
        }
    }

    /// Whether another call to the expert would be within the quota; charges nothing.
    pub fn has_room(&self, expert: &str, now: Now) -> bool {
        let active = self.quota.active_calls(expert_number(expert), self.at(now));
        self.expert(expert)
            .is_some_and(|expert| active < expert.quota.concurrent as usize)
    }

    /// The attempt is over.
    pub fn release(&mut self, key: &CallKey) {
        self.quota.end_call(key);
    }

    fn at(&self, now: Now) -> ife_guard::Now {
        let age = now.at.saturating_duration_since(self.born);
        ife_guard::Now {
            unix_ms: now.unix_ms,
            mono_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn image(&self) -> Result<Image<'_>, image::ImageError> {
        self.loaded.image()
    }

    fn sign(
        &self,
        question: &Question<'_>,
        callee: Aor,
        max_call_s: u32,
        now: Now,
    ) -> Result<Pass, Refused> {
        let iat = now.unix_s().max(question.iat_min);
        if let Some(given) = question.signature {
            let parsed = SignatureHeader::parse(given.as_bytes()).map_err(|error| {
                refused(
                    ife_guard::Gate::Headers,
                    400,
                    "Bad Signature Header",
                    error.to_string(),
                )
            })?;
            return Ok(Pass {
                callee,
                signature: given.to_owned(),
                kid: parsed.kid.to_string(),
                iat: parsed.iat,
                max_call_s,
            });
        }
        let header = sign(
            &self.key,
            &SignedFields {
                iat,
                trace_id: question.trace_id,
                hazard: question.hazard,
                caller: &self.caller,
                callee: &callee,
                covered: Covered::BASE,
                call_id: b"",
                body_sha256: None,
            },
        )
        .map_err(|error| {
            refused(
                ife_guard::Gate::Internal,
                500,
                "Cannot Sign",
                error.to_string(),
            )
        })?;
        Ok(Pass {
            callee,
            signature: header.to_string(),
            kid: header.kid.to_string(),
            iat,
            max_call_s,
        })
    }

    fn reports(&self, question: &Question<'_>, pass: &Pass, now: Now) -> Vec<GateReport> {
        let Ok(image) = self.image() else {
            return Vec::new();
        };
        let request = Request {
            method: b"INVITE",
            transport: Transport::Udp,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 5060)),
            ruri: pass.callee.as_bytes(),
            from: self.caller.as_bytes(),
            from_tag: b"bridge",
            to_tag: b"",
            call_id: b"bridge",
            cseq: 1,
            trace_id: HeaderValue::One(question.trace_id.as_bytes()),
            hazard: HeaderValue::One(question.hazard.as_bytes()),
            signature: HeaderValue::One(pass.signature.as_bytes()),
            body: b"",
        };
        explain(&Policy::new(&image), &request, self.at(now))
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("path", &self.path)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

fn refused(gate: ife_guard::Gate, code: u16, reason: &str, detail: String) -> Refused {
    Refused {
        gate,
        code,
        reason: reason.to_owned(),
        detail,
    }
}

fn refusal_in(report: &GateReport) -> Option<Refused> {
    let Outcome::Refuse { code, reason } = report.outcome else {
        return None;
    };
    ASKED
        .contains(&report.gate)
        .then(|| refused(report.gate, code, reason, report.detail.clone()))
}
