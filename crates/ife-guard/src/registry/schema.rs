//! Shape of a registry file, used to list all faults of one that serde_yaml has refused.

/// The kind of a value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    List(&'static Kind),
    Map(&'static [Field]),
}

/// A key of a mapping.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

impl Kind {
    /// Returns the object of a message "expected ...".
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a whole number, 0 or more",
            Self::Flag => "true or false",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping of keys to values",
        }
    }

    /// Returns whether a scalar can be read as this kind.
    pub(super) fn takes(self, scalar: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Number => {
                scalar.parse::<u64>().is_ok()
                    || scalar.starts_with("0x")
                    || scalar.starts_with("0o")
                    || scalar.starts_with("0b")
            }
            Self::Flag => matches!(
                scalar,
                "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
            ),
            Self::List(_) | Self::Map(_) => matches!(scalar, "" | "~" | "null"),
        }
    }
}

const fn must(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

const fn may(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

const TEXTS: Kind = Kind::List(&Kind::Text);
const SIGNERS: Kind = Kind::List(&Kind::Map(&[
    must("kid", Kind::Text),
    must("public_key", Kind::Text),
    may("status", Kind::Text),
    may("not_before", Kind::Text),
    may("not_after", Kind::Text),
    may("covers", TEXTS),
    may("legacy_signature", Kind::Flag),
]));
const PASSKEYS: Kind = Kind::List(&Kind::Map(&[
    must("id", Kind::Text),
    must("public_key", Kind::Text),
    must("rp_id", Kind::Text),
]));
const QUOTA: Kind = Kind::Map(&[
    may("per_minute", Kind::Number),
    may("concurrent", Kind::Number),
    may("max_call_s", Kind::Number),
]);
const HAZARD: Kind = Kind::Map(&[
    must("name", Kind::Text),
    may("description", Kind::Text),
    may("decision_assurance", TEXTS),
    may("acceptance", Kind::Text),
]);
const CHANNELS: Kind = Kind::List(&Kind::Map(&[
    may("webhook", Kind::Text),
    may("secret", Kind::Text),
    may("mail", Kind::Text),
]));
const COUNCIL: Kind = Kind::Map(&[
    must("domain", Kind::Text),
    must("aors", TEXTS),
    must("signers", SIGNERS),
    must("sources", TEXTS),
    must("transports", TEXTS),
]);
const EXPERT: Kind = Kind::Map(&[
    must("id", Kind::Text),
    may("name", Kind::Text),
    must("aors", TEXTS),
    may("contact", Kind::Text),
    must("hazards", TEXTS),
    may("status", Kind::Text),
    may("not_before", Kind::Text),
    may("not_after", Kind::Text),
    must("signers", SIGNERS),
    must("sources", TEXTS),
    must("transports", TEXTS),
    may("quota", QUOTA),
    may("acceptance", Kind::Text),
    may("notify", CHANNELS),
    may("passkeys", PASSKEYS),
]);

/// A whole registry.
pub(super) const REGISTRY: Kind = Kind::Map(&[
    must("version", Kind::Number),
    may("freshness_s", Kind::Number),
    may(
        "flood",
        Kind::Map(&[may("rate_per_s", Kind::Number), may("burst", Kind::Number)]),
    ),
    may("quota", QUOTA),
    may("legacy_store", Kind::Text),
    must("hazards", Kind::List(&HAZARD)),
    must("councils", Kind::List(&COUNCIL)),
    must("experts", Kind::List(&EXPERT)),
    may("default_expert", Kind::Text),
]);
