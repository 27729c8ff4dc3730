//! The compiled registry finds the records of the registry and survives damage of any kind.

mod common;

use common::{Call, NOW, compile, yaml};
use ife_guard::image::{ImageError, PartyKind};
use ife_guard::{
    Image, KeyCache, MemoryState, Pattern, Policy, decide, expert_number, explain, image, registry,
};
use ife_message::Aor;
use proptest::prelude::*;

fn aor(text: &str) -> Aor {
    Aor::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn finds_what_the_registry_says() {
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("whole");
    assert_eq!(
        (
            image.expert_count(),
            image.council_count(),
            image.freshness_s()
        ),
        (4, 1, 60)
    );
    assert_eq!(
        image.hazards().collect::<Vec<_>>(),
        ["safety", "alignment", "ethics", "privacy", "legal"]
    );
    assert_eq!(
        (
            image.hazard("privacy"),
            image.hazard("weather"),
            image.hazard("")
        ),
        (Some(3), None, None)
    );
    assert_eq!(
        image.legacy_store(),
        Some("/var/lib/if-escalate/legacy.store")
    );
    let safety = image
        .expert("expert-safety@external.advisor")
        .expect("there");
    assert_eq!(
        (safety.kind(), safety.name()),
        (PartyKind::Expert, "Dr. Safety")
    );
    assert_eq!(
        safety.contact(),
        Some("sip:expert-safety@192.0.2.10:5061;transport=tls")
    );
    assert_eq!(safety.number(), expert_number(safety.id()));
    assert_eq!(safety.hazards().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(safety.quota().max_call_s, 600);
    let pool = image.expert("expert-pool").expect("there");
    assert_eq!(
        (
            pool.id(),
            pool.contact(),
            pool.hazards().collect::<Vec<_>>()
        ),
        ("expert-pool", None, vec![2, 4])
    );
    assert_eq!((0..5).map_while(|i| image.expert_at(i)).count(), 4);
    assert!(image.expert("nobody").is_none() && image.expert("council.example").is_none());
    assert!(image.is_our_domain("council.example") && !image.is_our_domain("external.advisor"));
}

#[test]
fn exact_addresses_precede_globs_and_longer_globs_precede_shorter() {
    let base = yaml();
    let (head, _) = base.split_once("experts:\n").expect("there");
    let mut text = format!("{head}experts:\n");
    for (id, pattern) in [
        ("any", "*"),
        ("pre", "expert-*"),
        ("longer", "expert-s*"),
        ("both", "expert-s*y"),
        ("exact", "expert-safety"),
    ] {
        text += &format!(
            "  - {{id: {id}, aors: [\"sip:{pattern}@h.example\"], hazards: [safety], \
             signers: [{{kid: {id}, public_key: \"{}\"}}], \
             sources: [10.0.0.0/8], transports: [tls]}}\n",
            common::public(id)
        );
    }
    let bytes = compile(&text);
    let image = Image::open(&bytes).expect("whole");
    for (user, expected) in [
        ("expert-safety", "exact"),
        ("expert-study", "both"),
        ("expert-s", "longer"),
        ("expert-sy", "both"),
        ("expert-x", "pre"),
        ("expert-", "pre"),
        ("x", "any"),
    ] {
        let found = image.party_of(&aor(&format!("sip:{user}@h.example")));
        assert_eq!(found.map(|p| p.id()), Some(expected), "{user}");
    }
    assert!(
        image
            .party_of(&aor("sip:expert-safety@other.example"))
            .is_none()
    );
}

#[test]
fn equal_registries_give_equal_images() {
    assert_eq!(compile(&yaml()), compile(&yaml()));
    assert_ne!(
        compile(&yaml()),
        compile(&yaml().replace("per_minute: 3", "per_minute: 4"))
    );
}

#[test]
fn reloading_is_loading_and_checks_new_keys() {
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("whole");
    assert_eq!(image.parties().count(), 5);
    assert_eq!(
        registry::reload(&yaml(), "reg.yaml", &image.public_keys()),
        registry::load(&yaml(), "reg.yaml")
    );
    let key = common::public("safety-1");
    let weak = "ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for bad in [weak, &key[..key.len() - 1], &key["ed25519:".len()..]] {
        let text = yaml().replacen(&key, bad, 1);
        let errors =
            registry::reload(&text, "reg.yaml", &image.public_keys()).expect_err("refused");
        assert_eq!(Err(errors), registry::load(&text, "reg.yaml"));
    }
}

#[test]
fn damage_is_seen_on_opening() {
    let good = compile(&yaml());
    assert_eq!(Image::open(&[]).err(), Some(ImageError::Magic));
    assert_eq!(Image::open(&good[..100]).err(), Some(ImageError::Magic));
    assert!(matches!(
        Image::open(&good[..good.len() - 1]),
        Err(ImageError::Length { .. })
    ));
    let mut other = good.clone();
    other[8] = 9;
    assert_eq!(
        Image::open(&other).err(),
        Some(ImageError::Format { found: 9 })
    );
    for at in (24..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(
            Image::open(&bad).err(),
            Some(ImageError::Checksum),
            "byte {at}"
        );
    }
}

/// Calls every method of an image.
fn ask_everything(bytes: &[u8]) {
    let Ok(image) = Image::open_trusted(bytes) else {
        return;
    };
    for index in 0..image.expert_count().min(8) {
        if let Some(party) = image.expert_at(index) {
            let _ = (
                party.id(),
                party.name(),
                party.contact(),
                party.status(),
                party.validity(),
                party.quota(),
                party.number(),
            );
            let _ = (
                party.hazards().count(),
                party.calls_from([10, 0, 0, 1].into()),
                image.expert(party.id()),
            );
            for key in party.signers() {
                let _ = (
                    key.kid(),
                    key.public_key(),
                    key.covers(),
                    key.legacy(),
                    key.status(),
                    key.validity(),
                );
            }
        }
    }
    let _ = (
        image.hazards().take(300).count(),
        image.legacy_store(),
        image.digest(),
    );
    let policy = Policy::new(&image);
    let mut glob = Call::to_council();
    glob.from = b"sip:expert-x@external.advisor".to_vec();
    for call in [Call::to_expert(), Call::to_council(), glob] {
        let verdict = decide(
            &policy,
            &call.request(),
            &mut MemoryState::new(),
            &mut KeyCache::new(),
            NOW,
        );
        assert_eq!(verdict.approved, verdict.code == 200);
        let _ = explain(&policy, &call.request(), NOW);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_image_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut bytes = compile(&yaml());
        for (at, value) in &damage {
            *at.get_mut(&mut bytes) = *value;
        }
        ask_everything(&bytes);
    }

    #[test]
    fn a_damaged_header_never_panics(
        damage in prop::collection::vec((24_usize..168, any::<u8>()), 1..8),
    ) {
        let mut bytes = compile(&yaml());
        for (at, value) in damage {
            bytes[at] = value;
        }
        ask_everything(&bytes);
    }

    #[test]
    fn a_cut_image_never_panics(len in any::<prop::sample::Index>()) {
        let mut bytes = compile(&yaml());
        bytes.truncate(len.index(bytes.len()));
        // The length is checked first, so make it fit.
        let stated = (bytes.len() as u64).to_le_bytes();
        if let Some(place) = bytes.get_mut(16..24) {
            place.copy_from_slice(&stated);
        }
        ask_everything(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = Image::open(&bytes);
        ask_everything(&bytes);
    }

    #[test]
    fn looking_up_agrees_with_matching(
        patterns in prop::collection::btree_set("[ab]{0,3}\\*?[ab]{0,3}@[hk]", 1..12),
        users in prop::collection::vec("[ab]{1,6}@[hk]", 1..20),
    ) {
        let patterns: Vec<_> = patterns
            .iter()
            .filter_map(|p| Pattern::parse(&format!("sip:{p}.example")).ok())
            .collect();
        prop_assume!(!patterns.is_empty());
        let aors: Vec<_> = patterns.iter().map(|p| format!("\"{}\"", p.as_str())).collect();
        let text = yaml().replacen("\"sip:expert-safety@external.advisor\"", &aors.join(", "), 1);
        let registry = registry::load(&text, "reg.yaml")
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        let bytes = image::compile(&registry).expect("small");
        let image = Image::open(&bytes).expect("whole");
        for user in users {
            let aor = aor(&format!("sip:{user}.example"));
            let expected = patterns.iter().any(|p| p.matches(&aor));
            prop_assert_eq!(image.party_of(&aor).is_some(), expected, "{}", aor);
        }
    }

    #[test]
    fn loading_any_text_never_panics(text in "[ -~\n]{0,400}") {
        let _ = registry::load(&text, "reg.yaml");
    }

    #[test]
    fn loading_a_mutilated_registry_never_panics(
        cut in any::<prop::sample::Index>(), len in 0_usize..40, junk in "[ -~\n]{0,8}",
    ) {
        let mut text = yaml();
        let start = cut.index(text.len());
        let end = (start + len).min(text.len());
        text.replace_range(start..end, &junk);
        if let Ok(registry) = registry::load(&text, "reg.yaml") {
            prop_assert!(Image::open(&image::compile(&registry).expect("small")).is_ok());
        }
    }
}
