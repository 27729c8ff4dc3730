//! A registry with faults is refused, with position, path and hint; a good one loads as written.

mod common;

use common::{public, yaml};
use ife_guard::registry::{self, RegistryErrors};
use ife_guard::{Registry, Transport};
use ife_words::Acceptance;

fn load(yaml: &str) -> Result<Registry, RegistryErrors> {
    registry::load(yaml, "reg.yaml")
}

fn good() -> Registry {
    load(&yaml()).unwrap_or_else(|e| panic!("{e}"))
}

/// Returns the errors after replacing `from`, which must occur, by `to`.
fn errors(from: &str, to: &str) -> Vec<String> {
    let yaml = yaml();
    assert!(yaml.contains(from), "{from}");
    let errors = load(&yaml.replacen(from, to, 1)).expect_err("refused");
    errors.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_registry_means_what_it_says() {
    let registry = good();
    assert_eq!(
        (
            registry.freshness_s,
            registry.flood.rate_per_s,
            registry.flood.burst
        ),
        (60, 2, 20)
    );
    let safety = registry
        .expert("expert-safety@external.advisor")
        .expect("there");
    assert_eq!(
        (
            safety.name.as_str(),
            safety.quota.per_minute,
            safety.quota.concurrent
        ),
        ("Dr. Safety", 3, 2)
    );
    assert_eq!(
        registry.hazard_names(safety).collect::<Vec<_>>(),
        ["safety", "alignment"]
    );
    assert!(safety.party.allows(Transport::Tls) && !safety.party.allows(Transport::Udp));
    let pool = registry.expert("expert-pool").expect("there");
    assert_eq!(
        (
            pool.name.as_str(),
            pool.quota.per_minute,
            pool.quota.max_call_s
        ),
        ("expert-pool", 10, 14_400)
    );
    assert_eq!(
        registry.councils[0].party.signers[0].covers.to_string(),
        "base,cid"
    );
    assert_eq!(safety.party.signers[0].covers.to_string(), "base,cid,sdp");
}

#[test]
fn a_hazard_says_what_is_enough_for_a_decision() {
    use ife_message::decision::Assurance;
    assert_eq!(good().hazards[0].decision_assurance, Assurance::ALL);
    let strict = "{name: safety, decision_assurance: [passkey, key]}";
    let registry = load(&yaml().replacen("{name: safety}", strict, 1)).expect("valid");
    let enough = &registry.hazards[0].decision_assurance;
    assert_eq!(*enough, [Assurance::Passkey, Assurance::Key]);
}

#[test]
fn an_expert_has_passkeys() {
    let with = |passkey: &str| {
        yaml().replacen(
            "    hazards: [safety, alignment]\n",
            &format!("    hazards: [safety, alignment]\n    passkeys: [{passkey}]\n"),
            1,
        )
    };
    let key = format!(
        "ed25519:{}",
        public("safety-1").trim_start_matches("ed25519:")
    );
    let good = format!("{{id: AQID, public_key: \"{key}\", rp_id: bridge.example}}");
    let registry = load(&with(&good)).unwrap_or_else(|errors| panic!("{errors}"));
    let expert = registry
        .expert("expert-safety@external.advisor")
        .expect("there");
    assert_eq!(expert.passkeys[0].rp_id, "bridge.example");
    assert_eq!(expert.passkeys[0].public_key.to_string(), key);
    for (from, to, field) in [
        ("id: AQID", "id: \"a+b\"", "id"),
        ("id: AQID", "id: \"\"", "id"),
        ("bridge.example", "https://bridge.example", "rp_id"),
        ("ed25519:", "es256:", "public_key"),
    ] {
        let errors = load(&with(&good.replacen(from, to, 1)))
            .expect_err(to)
            .to_string();
        assert!(
            errors.contains(&format!("experts[0].passkeys[0].{field}: ")),
            "{errors}"
        );
    }
    let errors = load(&with(&format!("{good}, {good}")))
        .expect_err("twice")
        .to_string();
    assert!(
        errors.contains("passkeys[1].id: is listed twice"),
        "{errors}"
    );
}

#[test]
fn hazards_find_their_experts() {
    let registry = good();
    let id = |hazard| registry.expert_for_hazard(hazard).map(|e| e.id.as_str());
    assert_eq!(id("alignment"), Some("expert-safety@external.advisor"));
    assert_eq!(id("legal"), Some("expert-pool"));
    assert_eq!(id("weather"), None);
    // Listed by expert-away, which is suspended, and by expert-past.
    assert_eq!(id("privacy"), Some("expert-past"));
}

#[test]
fn an_experts_own_acceptance_comes_before_the_hazards() {
    let yaml = yaml().replacen("{name: safety", "{name: safety, acceptance: page", 1);
    let registry = load(&yaml).unwrap_or_else(|e| panic!("{e}"));
    let safety = registry.expert("expert-safety@external.advisor");
    let safety = safety.expect("there");
    assert_eq!(registry.acceptance(safety, "safety"), Acceptance::Page);
    assert_eq!(registry.acceptance(safety, "alignment"), Acceptance::Key);
    let own = ife_guard::registry::Expert {
        acceptance: Some(Acceptance::None),
        ..safety.clone()
    };
    assert_eq!(registry.acceptance(&own, "safety"), Acceptance::None);
}

#[test]
fn one_error_says_file_line_column_path_and_hint() {
    assert_eq!(
        errors("name: Dr. Safety", "nmae: Dr. Safety"),
        ["reg.yaml:19:5: experts[0]: unknown field `nmae` (did you mean `name`?)"]
    );
}

#[test]
fn faults_of_shape() {
    for (from, to, expected) in [
        (
            "version: 1",
            "version: one",
            "reg.yaml:1:10: version: expected a whole number, 0 or more, found a single value",
        ),
        (
            "version: 1\n",
            "version: 1\nversion: 1\n",
            "reg.yaml:2:1: `version` is there twice",
        ),
        (
            "default_expert:",
            "zzz:",
            "unknown field `zzz` (known here: version, freshness_s, ",
        ),
        (
            "quota: {per_minute: 3",
            "quota: {per_minutes: 3",
            "experts[0].quota: unknown field `per_minutes` (did you mean `per_minute`?)",
        ),
        (
            "per_minute: 3",
            "per_minute: -3",
            "experts[0].quota.per_minute: expected a whole number",
        ),
        (
            "hazards: [safety, alignment]",
            "hazards: safety",
            "experts[0].hazards: expected a list, found a single value",
        ),
        (
            "hazards: [safety, alignment]",
            "hazards: {safety: 1}",
            "experts[0].hazards: expected a list, found a mapping",
        ),
        (
            "    hazards: [safety, alignment]\n",
            "",
            "experts[0]: `hazards` is missing (it is a list)",
        ),
        (
            "name: Dr. Safety",
            "name: [Dr. Safety]",
            "experts[0].name: expected a text, found a list",
        ),
        (
            "legacy_signature: true",
            "legacy_signature: yep",
            "signers[5].legacy_signature: expected true or false",
        ),
        (
            "kid: safety-1, ",
            "",
            "experts[0].signers[0]: `kid` is missing",
        ),
        (
            "hazards: [{name: safety}, ",
            "hazards: [safety, ",
            "hazards[0]: expected a mapping of keys to values, found a single value",
        ),
    ] {
        let errors = errors(from, to);
        assert!(
            errors.iter().any(|e| e.contains(expected)),
            "{to}: {errors:#?}"
        );
    }
}

#[test]
fn faults_of_syntax() {
    for (from, to) in [
        (
            "hazards: [safety, alignment]",
            "hazards: [safety, alignment",
        ),
        ("name: Dr. Safety", "name: \"Dr. Safety"),
        ("    name: Dr. Safety", "\tname: Dr. Safety"),
        ("name: Dr. Safety", "name: *nobody"),
        ("default_expert: expert-pool", "---\nversion: 1"),
    ] {
        let errors = errors(from, to);
        assert!(errors[0].starts_with("reg.yaml:"), "{to}: {errors:#?}");
    }
    for text in [
        "",
        "42",
        "[]",
        "version",
        "\u{feff}",
        "{",
        &"[".repeat(5_000),
        &"{a: ".repeat(2_000),
        &"- ".repeat(5_000),
    ] {
        assert!(load(text).is_err());
    }
}

#[test]
fn faults_are_found_where_serde_yaml_reads_them() {
    for (from, to, expected) in [
        // A line ends at U+2028, and the comment with it.
        (
            "version: 1\n",
            "version: 1 # one\u{2028}zzz: 1\n",
            "reg.yaml:2:1: unknown field `zzz` ",
        ),
        (
            "name: Dr. Safety",
            "nmae:\tDr. Safety",
            "reg.yaml:19:5: experts[0]: unknown field `nmae` ",
        ),
        (
            "contact: \"sip:expert-safety@192.0.2.10:5061;transport=tls\"",
            "contact: |\n      192.0.2.10",
            "reg.yaml:21:14: experts[0].contact: the URI holds",
        ),
        (
            "version: 1\n",
            "version: 1\nzzz: \u{7f}\n",
            "control characters are not allowed",
        ),
        (
            "version: 1\n",
            "%ZZZ 1\n---\nversion: 2\n",
            "found unknown directive name",
        ),
    ] {
        let errors = errors(from, to);
        assert!(errors[0].contains(expected), "{to}: {errors:#?}");
    }
}

#[test]
fn many_directives_are_refused_unread() {
    // The parser compares each with all before it: this many take it minutes.
    for (line_break, line) in [("\n", 101), ("\r\n", 101), ("\u{2028}", 1)] {
        let directives = (0..100_000).map(|n| format!("%TAG !t{n}! tag:x{line_break}"));
        let text = format!("{}---\n{}", directives.collect::<String>(), yaml());
        let errors = load(&text).expect_err("refused").to_string();
        let expected = format!("reg.yaml:{line}:1: too many YAML directives (remove the lines ");
        assert!(errors.starts_with(&expected), "{errors}");
    }
    let few = "%TAG !t! tag:x\n---\n# 100 %\n";
    assert!(load(&format!("{few}{}", yaml())).is_ok());
}

#[test]
fn faults_of_meaning() {
    let key = public("safety-1");
    let small_order = "ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let no_point = "ed25519:AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (from, to, expected) in [
        (
            "version: 1",
            "version: 2",
            "reg.yaml:1:10: version: version 2 is not known (write `version: 1`)",
        ),
        (
            "version: 1\n",
            "version: 1\nfreshness_s: 0\n",
            "reg.yaml:2:14: freshness_s: 0 is out of range (1 to 3600)",
        ),
        (
            "rate_per_s: 2,",
            "rate_per_s: 0,",
            "flood.rate_per_s: 0 is out of range",
        ),
        (
            "{name: safety}",
            "{name: safety, decision_assurance: [key, pone]}",
            "hazards[0].decision_assurance[1]: unknown assurance `pone` (did you mean `phone`?)",
        ),
        (
            "{name: safety}",
            "{name: safety, decision_assurance: [key, key]}",
            "hazards[0].decision_assurance[1]: `key` is listed twice",
        ),
        (
            "{name: safety}",
            "{name: safety, decision_assurance: []}",
            "hazards[0].decision_assurance: the list is empty",
        ),
        (
            "concurrent: 2",
            "concurrent: 1000001",
            "experts[0].quota.concurrent: 1000001 is out of range (1 to 1000000)",
        ),
        (
            "concurrent: 2",
            "concurrent: 99999999999",
            "experts[0].quota.concurrent: 99999999999 is out of range",
        ),
        (
            "{name: alignment}",
            "{name: Alignment}",
            "hazards[1].name: not a hazard's name (1 to 32 of a-z, 0-9, _ and -)",
        ),
        (
            "{name: alignment}",
            "{name: safety}",
            "hazards[1].name: this hazard is there twice (first at hazards[0])",
        ),
        (
            "hazards: [safety, alignment]",
            "hazards: []",
            "reg.yaml:22:14: experts[0].hazards: the list is empty",
        ),
        (
            "hazards: [safety, alignment]",
            "hazards: [safety, aligment]",
            "reg.yaml:22:23: experts[0].hazards[1]: unknown hazard `aligment` \
             (did you mean `alignment`?)",
        ),
        (
            "hazards: [safety, alignment]",
            "hazards: [safety, safety]",
            "experts[0].hazards[1]: `safety` is listed twice",
        ),
        (
            "hazards: [safety, alignment]",
            "hazards: [weather]",
            "(add it to the registry's top-level `hazards`)",
        ),
        (
            "domain: council.example",
            "domain: \"council example\"",
            "councils[0].domain: not a domain",
        ),
        (
            "domain: council.example",
            "domain: council.example:5060",
            "councils[0].domain: not a domain",
        ),
        (
            "id: expert-pool",
            "id: expert-safety@external.advisor",
            "experts[1].id: this id is there twice (first at experts[0])",
        ),
        (
            "id: expert-pool",
            "id: expert pool",
            "experts[1].id: not an expert's id",
        ),
        (
            "kid: pool-1",
            "kid: safety-1",
            "experts[1].signers[0].kid: this kid is there twice (first at experts[0].signers[0])",
        ),
        (
            "kid: pool-1",
            "kid: pool 1",
            "experts[1].signers[0].kid: not a key id",
        ),
        (
            "\"sip:ethics@external.advisor\"",
            "\"sips:Expert-Safety@external.advisor\", \"sip:expert-%73afety@EXTERNAL.advisor\"",
            "experts[1].aors[2]: `sip:expert-safety@external.advisor` is there twice \
             (first at experts[0].aors[0])",
        ),
        (
            "\"sip:ethics@external.advisor\"",
            "\"sip:a*b*@external.advisor\"",
            "experts[1].aors[1]: `sip:a*b*@external.advisor`: more than one `*`",
        ),
        (
            "\"sip:ethics@external.advisor\"",
            "\"ethics@external.advisor\"",
            "experts[1].aors[1]: `ethics@external.advisor`: the URI is neither sip: nor sips:",
        ),
        (
            "\"sip:away@external.advisor\"",
            "\"sip:*-away@external.advisor\"",
            "`sip:expert-*@external.advisor` and `sip:*-away@external.advisor` both match \
             `expert-*-away` and neither is a special case of the other \
             (narrow this one or experts[2].aors[0])",
        ),
        (
            "contact: \"sip:expert-safety@192.0.2.10:5061;transport=tls\"",
            "contact: 192.0.2.10",
            "experts[0].contact: the URI is neither sip: nor sips:",
        ),
        (
            "contact: \"sip:expert-safety@192.0.2.10:5061;transport=tls\"",
            "contact: \"<sip:a@b.example>\"",
            "experts[0].contact: not a bare SIP URI",
        ),
        (
            key.as_str(),
            "ed25519:abc",
            "experts[0].signers[0].public_key: the key is not 44 characters of base64",
        ),
        (
            key.as_str(),
            small_order,
            "experts[0].signers[0].public_key: the public key is weak",
        ),
        (
            key.as_str(),
            no_point,
            "experts[0].signers[0].public_key: the bytes are not an Ed25519 public key",
        ),
        (
            "192.0.2.0/24",
            "192.0.2.7/24",
            "experts[0].sources[0]: `192.0.2.7/24`: bits set behind the prefix: the network is \
             192.0.2.0/24 (did you mean `192.0.2.0/24`?)",
        ),
        (
            "192.0.2.0/24",
            "192.0.2.0/33",
            "experts[0].sources[0]: `192.0.2.0/33`: not a prefix length from 0 to 32",
        ),
        (
            "sources: [192.0.2.0/24]",
            "sources: []",
            "experts[0].sources: the list is empty (to allow any address write",
        ),
        (
            "transports: [tls]",
            "transports: [tsl]",
            "experts[0].transports[0]: unknown transport `tsl` (did you mean `tls`?)",
        ),
        (
            "transports: [tls]",
            "transports: [tls, tls]",
            "experts[0].transports[1]: `tls` is listed twice",
        ),
        (
            "transports: [tls]",
            "transports: []",
            "experts[0].transports: the list is empty",
        ),
        (
            "status: suspended",
            "status: revoked",
            "experts[2].status: unknown status `revoked` (active or suspended)",
        ),
        (
            "status: suspended",
            "acceptance: keyy",
            "experts[2].acceptance: unknown acceptance `keyy` (did you mean `key`?)",
        ),
        (
            "status: suspended",
            "status: suspnded",
            "(did you mean `suspended`?)",
        ),
        (
            "not_after: 2026-01-01T00:00:00Z",
            "not_after: tomorrow",
            "experts[3].not_after: not an instant: `tomorrow`",
        ),
        (
            "not_after: 2026-01-01}",
            "not_after: 2026-01-01, not_before: 2026-01-02}",
            "councils[0].signers[2].not_after: earlier than not_before",
        ),
        (
            "covers: [base, cid]",
            "covers: [cid, base]",
            "councils[0].signers[0].covers: not a list of covered parts",
        ),
        (
            "covers: [base, cid]",
            "covers: []",
            "councils[0].signers[0].covers: not a list of covered parts",
        ),
        (
            "legacy_store: /var/lib/if-escalate/legacy.store\n",
            "",
            "reg.yaml:1:1: legacy_store: needed, because a signer has legacy_signature",
        ),
        (
            "legacy_store: /var",
            "legacy_store: var",
            "reg.yaml:2:15: legacy_store: not an absolute path",
        ),
        (
            "default_expert: expert-pool",
            "default_expert: expert-pol",
            "default_expert: no expert has the id `expert-pol` (did you mean `expert-pool`?)",
        ),
    ] {
        let errors = errors(from, to);
        assert!(
            errors.iter().any(|e| e.contains(expected)),
            "{to}: {errors:#?}"
        );
    }
}

#[test]
fn all_errors_are_reported_at_once_in_file_order() {
    let broken = yaml()
        .replacen("hazards: [safety, alignment]", "hazards: []", 1)
        .replacen("kid: pool-1", "kid: safety-1", 1)
        .replacen("127.0.0.0/8", "127.0.0.0/99", 1)
        .replacen("default_expert: expert-pool", "default_expert: x", 1);
    let errors = load(&broken).expect_err("refused").errors;
    let paths: Vec<_> = errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "councils[0].sources[0]",
            "experts[0].hazards",
            "experts[1].signers[0].kid",
            "default_expert"
        ]
    );
}

#[test]
fn no_more_than_twenty_errors_are_shown() {
    let networks = ["1.2.3.4/99"; 30].join(", ");
    let errors = load(&yaml().replacen("192.0.2.0/24", &networks, 1)).expect_err("refused");
    assert_eq!(
        (errors.errors.len(), errors.more),
        (registry::ERRORS_MAX, 10)
    );
    assert!(errors.to_string().ends_with("\nand 10 more"));
}

/// Returns a registry of `count` experts, each wrong in three ways.
fn bad_experts(count: usize) -> String {
    let expert = |n: usize| {
        format!(
            "  - id: bad id {n}\n    aors: [\"sip:x{n}@external.advisor\"]\n    \
             hazards: [safetyy]\n    \
             signers: []\n    sources: [\"127.0.0.0/8\"]\n    transports: [udp]\n"
        )
    };
    let head = yaml();
    let head = head.split("experts:").next().unwrap_or_default();
    let experts: String = (0..count).map(expert).collect();
    format!("{head}experts:\n{experts}")
}

#[test]
fn the_check_ends_at_a_thousand_errors() {
    let errors = load(&bad_experts(20_000)).expect_err("refused");
    assert_eq!(errors.errors.len(), registry::ERRORS_MAX);
    assert!((980..1_000).contains(&errors.more), "{}", errors.more);
    assert!(errors.errors.iter().all(|e| e.line > 1), "{errors}");
    let text = errors.to_string();
    assert!(text.ends_with("more; the rest was not checked"), "{text}");
    // Faults of shape as well.
    let unknown: String = (0..40_000).map(|n| format!("field{n}: 1\n")).collect();
    let errors = load(&format!("{}{unknown}", yaml())).expect_err("refused");
    assert_eq!(
        (errors.errors.len(), errors.more),
        (registry::ERRORS_MAX, 980)
    );
}

#[test]
fn a_list_is_looked_at_no_further_than_it_may_go() {
    // Each of the first half crosses each of the second: without a bound, every pair is compared.
    const HALF: usize = 60_000;
    let starts = (0..HALF).map(|n| format!("\"sip:p{n}*@council.example\""));
    let ends = (0..HALF).map(|n| format!("\"sip:*s{n}x@council.example\""));
    let globs: Vec<_> = starts.chain(ends).collect();
    let text = yaml();
    let (head, rest) = text.split_once("aors: [").expect("a list of addresses");
    let (_, rest) = rest.split_once(']').expect("its end");
    let errors = load(&format!("{head}aors: [{}]{rest}", globs.join(", "))).expect_err("refused");
    let text = errors.to_string();
    assert!(text.contains("120000 entries are too many"), "{text}");
    assert_eq!((errors.errors.len(), errors.more), (1, 0), "{text}");
}

#[test]
fn brackets_nested_deep_are_refused_by_their_place() {
    let deep = "[".repeat(16_000);
    for text in [
        format!("version: 1\nhazards: {deep}\n"),
        yaml().replacen(
            "hazards: [safety, alignment]",
            &format!("hazards: {deep}"),
            1,
        ),
        format!("{}x: {deep}\n", bad_experts(1_000)),
    ] {
        let errors = load(&text).expect_err("refused").to_string();
        assert!(
            ["nested deeper", "expected a", "unknown field `x`"]
                .iter()
                .any(|what| errors.contains(what)),
            "{errors}"
        );
    }
}

#[test]
fn a_byte_order_mark_means_nothing() {
    assert!(load(&format!("\u{feff}{}", yaml())).is_ok());
}

#[test]
fn a_contact_says_nothing_that_a_call_cannot_follow() {
    const CONTACT: &str = "contact: \"sip:expert-safety@192.0.2.10:5061;transport=tls\"";
    assert!(yaml().contains(CONTACT), "{}", yaml());
    for (contact, expected) in [
        ("sip:a@192.0.2.1?Subject=x", "cannot have ?headers"),
        ("sip:a@192.0.2.1;lr?Route=x", "cannot have ?headers"),
        (
            "sip:a@192.0.2.1;transport=wss",
            "transport `wss` is not one of",
        ),
        (
            "sip:a@192.0.2.1;transport=ws",
            "transport `ws` is not one of",
        ),
        ("sip:a@192.0.2.1;Transport=x", "transport `x` is not one of"),
        ("sip:a@192.0.2.1;transport", "transport `` is not one of"),
        (
            "sip:a@192.0.2.1;transport=udp;transport=tcp",
            "`transport` is there twice",
        ),
        ("sip:a@192.0.2.1;transport=TCP", ""),
        ("sip:a;transport=ws@192.0.2.1", ""),
        ("sips:+4930123@[2001:db8::1]:5061", ""),
    ] {
        let text = yaml().replacen(CONTACT, &format!("contact: \"{contact}\""), 1);
        match load(&text) {
            Ok(_) => assert_eq!(expected, "", "{contact}"),
            Err(errors) => {
                let errors = errors.to_string();
                assert!(
                    !expected.is_empty() && errors.contains(expected),
                    "{errors}"
                );
            }
        }
    }
}

#[test]
fn an_experts_address_can_be_dialled() {
    const AOR: &str = "sip:expert-safety@external.advisor";
    for user in ["+4930123456", "a.b-c_d", "+49*"] {
        let text = yaml().replacen(AOR, &format!("sip:{user}@external.advisor"), 1);
        assert!(load(&text).is_ok(), "{user}: {:?}", load(&text).err());
    }
    for c in "'!~&()=;,$?/".chars() {
        let text = yaml().replacen(AOR, &format!("sip:a{c}b@external.advisor"), 1);
        let errors = load(&text).expect_err(&text).to_string();
        assert!(errors.contains("cannot be called"), "{errors}");
    }
    let long = format!("sip:{}@external.advisor", "a".repeat(81));
    let errors = load(&yaml().replacen(AOR, &long, 1)).expect_err(&long);
    assert!(
        errors.to_string().contains("cannot be called"),
        "{errors:?}"
    );
}

/// The registry of the tests, with ways to notify its first expert.
fn with_notify(notify: &str) -> Result<Registry, RegistryErrors> {
    let quota = "quota: {per_minute: 3, concurrent: 2, max_call_s: 600}";
    let text = yaml();
    assert!(text.contains(quota));
    load(&text.replacen(quota, &format!("{quota}\n    notify: {notify}"), 1))
}

#[test]
fn the_ways_to_tell_an_expert_are_read() {
    let registry = with_notify(
        r#"[{webhook: "https://hooks.example:8443/a?b=c", secret: pager}, {mail: o'neil+sip@mail.example},
        {webhook: "http://127.0.0.1:8080/", secret: pager}, {webhook: "http://[::1]/", secret: a.b_c-D}]"#,
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = registry.experts[0]
        .notify
        .iter()
        .map(|channel| channel.name())
        .collect();
    assert_eq!(names, ["webhook", "mail", "webhook", "webhook"]);
    assert_eq!(registry.experts[1].notify, []);
}

#[test]
fn the_ways_to_tell_an_expert_are_checked() {
    for (notify, expected) in [
        ("[]", "experts[0].notify: the list is empty"),
        (
            "[{}]",
            "experts[0].notify[0]: neither a webhook nor a mail address",
        ),
        (
            "[{webhook: https://a.example/}]",
            "experts[0].notify[0]: neither a webhook nor a mail address",
        ),
        (
            "[{webhook: https://a.example/, secret: s, mail: a@b.example}]",
            "experts[0].notify[0]: neither a webhook nor a mail address",
        ),
        (
            "[{sms: \"+49\"}]",
            "experts[0].notify[0]: unknown field `sms`",
        ),
        (
            "[{mail: a@b@c.example}]",
            "experts[0].notify[0].mail: not a mail address",
        ),
        (
            "[{mail: \"a\\r\\nBcc: b@c.example\"}]",
            "experts[0].notify[0].mail: not a mail address",
        ),
        (
            "[{mail: \"A <a@b.example>\"}]",
            "experts[0].notify[0].mail: not a mail address",
        ),
        (
            "[{mail: a@-b.example}]",
            "experts[0].notify[0].mail: not a mail address",
        ),
        (
            "[{webhook: \"http://hooks.example/\", secret: s}]",
            "experts[0].notify[0].webhook: plain http to another host",
        ),
        (
            "[{webhook: \"http://127.0.0.1.evil.example/\", secret: s}]",
            "experts[0].notify[0].webhook: plain http to another host",
        ),
        (
            "[{webhook: \"https://user:word@hooks.example/\", secret: s}]",
            "experts[0].notify[0].webhook: a URL with a user or a password",
        ),
        (
            "[{webhook: \"https://hooks.example/a b\", secret: s}]",
            "experts[0].notify[0].webhook: a URL with a fragment, or with characters",
        ),
        (
            "[{webhook: \"ftp://a/\", secret: s}]",
            "experts[0].notify[0].webhook: not an https URL",
        ),
        (
            "[{webhook: \"https:///a\", secret: s}]",
            "experts[0].notify[0].webhook: a URL without a host",
        ),
        (
            "[{webhook: https://a.example/, secret: \"../s\"}]",
            "experts[0].notify[0].secret: not the name of a secret",
        ),
    ] {
        let errors = with_notify(notify).expect_err(notify);
        assert!(errors.to_string().contains(expected), "{notify}: {errors}");
    }
}

#[test]
fn the_ways_to_tell_an_expert_have_bounds() {
    let long = format!(
        "[{{webhook: \"https://a.example/{}\", secret: s}}]",
        "a".repeat(1_024)
    );
    let errors = with_notify(&long).expect_err("too long").to_string();
    assert!(
        errors.contains("the URL is too long") && !errors.contains("aaaa"),
        "{errors}"
    );
    let many = format!("[{}]", ["{mail: a@b.example}"; 5].join(", "));
    assert!(
        with_notify(&many)
            .expect_err("five")
            .to_string()
            .contains("5 entries are too many")
    );
}

#[test]
fn a_private_key_in_the_wrong_place_is_not_repeated() {
    let secret = "IFE-PRIVATE-KEY-1 x c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=";
    let errors = errors(&public("safety-1"), secret);
    assert!(errors.iter().all(|e| !e.contains("c2Vj")), "{errors:#?}");
}

#[test]
fn control_characters_of_the_file_do_not_reach_the_terminal() {
    for (from, to) in [
        ("name: Dr. Safety", "\"\\e[31m\": x"),
        ("[safety, alignment]", "[\"\\e[31m\"]"),
        ("[tls]", "[\"\\r\"]"),
    ] {
        let errors = errors(from, to);
        assert!(
            errors.iter().all(|e| !e.chars().any(char::is_control)),
            "{errors:#?}"
        );
    }
}

#[test]
fn a_long_list_of_experts_means_the_same_in_one_piece_and_in_many() {
    let expert = |i: usize, indent: &str| {
        format!(
            "{indent}- id: e{i}\n{indent}  # a note\n{indent}  aors: [\"sip:e{i}@many.example\"]\n\
             {indent}  hazards: [safety]\n\
             {indent}  signers:\n{indent}  - {{kid: k{i}, public_key: \"{}\"}}\n\
             {indent}  sources: [10.0.0.0/8]\n{indent}  transports: [tls]\n",
            public("safety-1")
        )
    };
    let head = yaml().replacen("default_expert: expert-pool\n", "", 1);
    let (top, first) = head.split_once("experts:\n").expect("there");
    let many: String = (0..500).map(|i| expert(i, "  ")).collect();
    let long = format!("{top}experts: # all\n{first}{many}default_expert: e499\n");
    let loaded = load(&long).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.experts.len(), 504);
    assert_eq!(loaded.default_expert, Some(503));
    // With an anchor the list is not cut.
    let whole = load(&long.replacen("experts: # all", "experts: &all", 1))
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded, whole);
    let broken = long.replacen("id: e400\n", "id: e399\n", 1);
    let errors = load(&broken).expect_err("refused").errors;
    assert_eq!(errors[0].path, "experts[404].id");
    let line = 1 + broken
        .lines()
        .position(|l| l.ends_with("kid: k400, public_key: \""))
        .unwrap_or_default();
    assert!(errors[0].line > line, "{errors:?}");
    assert!(
        broken
            .lines()
            .nth(errors[0].line - 1)
            .expect("there")
            .ends_with("id: e399")
    );
}

#[test]
fn the_published_example_is_valid_and_has_the_default_experts() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/examples/registry.yaml"
    );
    let text = std::fs::read_to_string(path).expect("the example is in the tree");
    let registry = registry::load(&text, path).unwrap_or_else(|e| panic!("{e}"));
    for (hazard, id) in [
        ("safety", "expert-safety@external.advisor"),
        ("alignment", "expert-safety@external.advisor"),
        ("ethics", "expert-ethics@external.advisor"),
        ("bias", "expert-ethics@external.advisor"),
        ("security", "expert-security@external.advisor"),
        ("privacy", "expert-security@external.advisor"),
        ("legal", "expert-safety@external.advisor"),
        ("civilizational", "expert-safety@external.advisor"),
    ] {
        assert_eq!(
            registry.expert_for_hazard(hazard).map(|e| e.id.as_str()),
            Some(id),
            "{hazard}"
        );
    }
}
