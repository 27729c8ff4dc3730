use ife_bridge::{
    handle::Submission,
    refusal::{ErrorName, Refusal},
    view::{CallDetail, CallState, Event},
};
use ife_engine::decisions::{DecisionState, DecisionView};
use ife_message::{
    Decision, IfMessage, PrivateKey,
    decision::{Assurance, Record, Role, VERSION, sha256_of},
};
use ife_words::time::of_ms;
use serde_json::json;

use crate::bed::{Bed, message};

const QUESTION: &str = "May <b>valve 1</b> stay open?";

fn asking(id: &str) -> IfMessage {
    let mut message = message(id, "privacy");
    message.payload.insert("question".into(), json!(QUESTION));
    message
        .payload
        .insert("options".into(), json!(["yes", "no"]));
    message
}

fn key(kid: &str, seed: u8) -> PrivateKey {
    PrivateKey::from_seed(kid, &[seed; 32]).expect("a name")
}

/// The key of expert a, see the registry of the bed.
fn expert_key() -> PrivateKey {
    key("k22", 22)
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_millis() as u64
}

fn draft(call: &CallDetail, choice: &str) -> Decision {
    let asked = call.asked.as_ref().expect("decisions are taken");
    Decision {
        v: VERSION.to_owned(),
        call_id: call.call.call_id.clone(),
        trace_id: call.call.trace_id.clone(),
        council: asked.council.clone(),
        role: Role::Expert,
        party: call.call.expert_id.clone(),
        choice: choice.to_owned(),
        question_sha256: asked.question_sha256.clone(),
        text: None,
        text_sha256: None,
        time: of_ms(now_ms()),
        assurance: Assurance::Key,
        kid: "k22".to_owned(),
        public_key: None,
        signature: None,
    }
}

fn signed(mut decision: Decision, key: &PrivateKey) -> Vec<u8> {
    decision.sign(key).expect("it is well-formed");
    serde_json::to_vec(&decision).expect("JSON")
}

async fn send(bed: &Bed, call: &CallDetail, text: Vec<u8>) -> Result<DecisionView, Refusal> {
    let call_id = call.call.call_id.clone();
    bed.decide(Submission::Api { call_id, text }).await
}

async fn connected(bed: &Bed, id: &str) -> CallDetail {
    let view = bed.escalate(asking(id), true).await.expect("a call");
    bed.show(&view.call_id).await.expect("it is there")
}

/// Entries of one event of a call.
fn entries(bed: &Bed, call: &CallDetail, event: &str) -> Vec<serde_json::Value> {
    let mut all = bed.witnessed();
    all.retain(|entry| entry["event"] == event && entry["call_id"] == call.call.call_id.as_str());
    all
}

#[tokio::test]
async fn a_decision_is_taken_witnessed_shown_and_told() {
    let bed = Bed::new("", "").await;
    let mut events = bed.handle.subscribe();
    let call = connected(&bed, "m-1").await;
    let asked = call.asked.as_ref().expect("decisions are taken");
    assert_eq!(asked.choices, ["yes", "no"]);
    assert_eq!(asked.question_sha256, Some(sha256_of(QUESTION)));

    let mut decision = draft(&call, "no");
    decision.text = Some("Never.\n<script>".to_owned());
    decision.text_sha256 = Some(sha256_of("Never.\n<script>"));
    let view = send(&bed, &call, signed(decision, &expert_key()))
        .await
        .expect("it is taken");

    let record = Record {
        decision: view.decision.clone(),
        attestation: view.attestation.clone(),
    };
    let council = key("bridge-2026a", 7).public_key();
    record.verify_attestation(&council).expect("attested");
    let shown = bed.show(&call.call.call_id).await.expect("there");
    assert_eq!(shown.decisions, std::slice::from_ref(&view));
    assert_eq!(shown.call.decision_state, DecisionState::Decided);
    let brief = shown.call.decision.expect("it is in force");
    assert_eq!(
        (brief.choice.as_str(), brief.assurance),
        ("no", Assurance::Key)
    );

    let told = std::iter::from_fn(|| events.try_recv().ok())
        .find_map(|event| match event {
            Event::Decision(decision) => Some(decision),
            Event::Call(_) | Event::Room(_) | Event::Health(_) | Event::Evidence(_) => None,
        })
        .expect("it is told");
    assert_eq!(told.record, Some(view.clone()));

    let entry = entries(&bed, &call, "DECISION").pop().expect("witnessed");
    let digest = view.attestation.decision_sha256.as_str();
    for (member, value) in [
        ("choice", "no"),
        ("assurance", "key"),
        ("expert", "a@external.advisor"),
        ("kid", "k22"),
        ("trace_id", "trace-of-m-1"),
        ("hazard", "privacy"),
        ("message_sha256", digest),
        ("text_sha256", &sha256_of("Never.\n<script>")),
    ] {
        assert_eq!(entry[member], value, "{member}");
    }
}

#[tokio::test]
async fn refused_decisions_have_an_entry_and_a_field() {
    let bed = Bed::new("", "").await;
    let call = connected(&bed, "m-1").await;
    let good = draft(&call, "yes");
    let with = |change: fn(&mut Decision)| {
        let mut decision = good.clone();
        change(&mut decision);
        signed(decision, &expert_key())
    };
    let long = vec![b' '; 1 << 20];
    let first = with(|_| {});
    send(&bed, &call, first.clone()).await.expect("it is taken");
    let cases = [
        (
            signed(good.clone(), &key("k22", 99)),
            ErrorName::InvalidSignature,
            "signature",
            "forged",
        ),
        (first, ErrorName::Conflict, "time", "replayed"),
        (
            with(|d| d.call_id.push('0')),
            ErrorName::InvalidRequest,
            "call_id",
            "wrong_call",
        ),
        (
            with(|d| d.party = "b@external.advisor".into()),
            ErrorName::PolicyRejected,
            "party",
            "wrong_party",
        ),
        (
            with(|d| d.choice = "approve".into()),
            ErrorName::InvalidRequest,
            "choice",
            "wrong_choice",
        ),
        (
            with(|d| d.kid = "k23".into()),
            ErrorName::InvalidSignature,
            "signature",
            "forged",
        ),
        (
            with(|d| d.time = "2020-01-01T00:00:00Z".into()),
            ErrorName::InvalidRequest,
            "time",
            "stale",
        ),
        (
            with(|d| d.question_sha256 = None),
            ErrorName::InvalidRequest,
            "question_sha256",
            "wrong_question",
        ),
        (b"{}".to_vec(), ErrorName::InvalidRequest, "v", "malformed"),
        (long, ErrorName::InvalidRequest, "", "malformed"),
    ];
    for (at, (text, name, field, reason)) in cases.into_iter().enumerate() {
        let refusal = send(&bed, &call, text).await.expect_err(reason);
        let told = (refusal.name, refusal.field.as_deref().unwrap_or_default());
        assert_eq!(told, (name, field), "{reason}: {}", refusal.detail);
        let all = entries(&bed, &call, "DECISION_REFUSED");
        assert_eq!(all.len(), at + 1, "{reason}");
        assert_eq!(all[at]["reason"], reason);
    }
    assert_eq!(entries(&bed, &call, "DECISION").len(), 1);
    let shown = bed.show(&call.call.call_id).await.expect("there");
    assert_eq!(shown.decisions.len(), 1);
}

#[tokio::test]
async fn a_later_decision_replaces_the_earlier_and_guardians_vote() {
    let bed = Bed::new("", "").await;
    let call = connected(&bed, "m-1").await;
    for (choice, time) in [("yes", now_ms()), ("no", now_ms() + 5)] {
        let mut decision = draft(&call, choice);
        decision.time = of_ms(time);
        let sent = send(&bed, &call, signed(decision, &expert_key())).await;
        sent.expect("it is taken");
    }
    let mut vote = draft(&call, "yes");
    vote.role = Role::Guardian;
    vote.party = "guardian-2".to_owned();
    vote.kid = "guardian-2".to_owned();
    let sent = send(&bed, &call, signed(vote.clone(), &key("guardian-2", 9))).await;
    sent.expect("it is taken");
    vote.party = "guardian-1".to_owned();
    vote.kid = "guardian-1".to_owned();
    let sent = send(&bed, &call, signed(vote, &key("guardian-1", 9))).await;
    let refusal = sent.expect_err("guardian-1 has no key");
    assert_eq!(refusal.name, ErrorName::InvalidSignature);

    let shown = bed.show(&call.call.call_id).await.expect("there");
    let replaced: Vec<bool> = shown.decisions.iter().map(|view| view.replaced).collect();
    assert_eq!(replaced, [true, false, false]);
    assert_eq!(shown.call.decision.expect("in force").choice, "no");
    let entries = entries(&bed, &call, "DECISION");
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[2]["guardian"], "guardian-2");
}

#[tokio::test]
async fn the_way_of_a_decision_limits_its_assurance() {
    let bed = Bed::new("", "").await;
    let call = connected(&bed, "m-1").await;
    let page = key("page", 50);
    let mut decision = draft(&call, "yes");
    // The browser's clock is ahead of the bridge's.
    decision.time = of_ms(now_ms() + 2_000);
    let signed_at = decision.time.clone();
    decision.assurance = Assurance::Link;
    decision.kid = "page".to_owned();
    decision.public_key = Some(page.public_key().to_string());
    let text = signed(decision, &page);
    let refusal = send(&bed, &call, text.clone())
        .await
        .expect_err("not by the API");
    assert_eq!(refusal.field.as_deref(), Some("assurance"));

    let call_id = call.call.call_id.clone();
    let by_page = |expert: &str| Submission::Page {
        call_id: call_id.clone(),
        expert_id: expert.to_owned(),
        text: text.clone(),
    };
    let refusal = bed.decide(by_page("b@external.advisor")).await;
    let refusal = refusal.expect_err("a link of another expert");
    assert_eq!(refusal.field.as_deref(), Some("party"));
    bed.decide(by_page("a@external.advisor"))
        .await
        .expect("by the page");

    let by_phone = |choice: &str| Submission::Phone {
        call_id: call_id.clone(),
        choice: choice.to_owned(),
    };
    let view = bed.decide(by_phone("no")).await.expect("by phone");
    assert_eq!(view.decision.assurance, Assurance::Phone);
    assert!(view.decision.time > signed_at, "{}", view.decision.time);
    let council = key("bridge-2026a", 7).public_key();
    view.decision.verify(&council).expect("the bridge signs");
    let refusal = bed.decide(by_phone("maybe")).await.expect_err("no choice");
    assert_eq!(refusal.field.as_deref(), Some("choice"));
}

#[tokio::test]
async fn the_registry_says_which_assurance_is_enough() {
    let bed = Bed::new("", "").await;
    let yaml = std::fs::read_to_string(bed.registry()).expect("it is there");
    let strict = "{name: privacy, decision_assurance: [passkey, key]}";
    std::fs::write(bed.registry(), yaml.replace("{name: privacy}", strict)).expect("room");
    bed.reload().await;
    let call = connected(&bed, "m-1").await;
    let asked = call.asked.as_ref().expect("decisions are taken");
    assert_eq!(asked.assurance, [Assurance::Passkey, Assurance::Key]);
    let by_phone = Submission::Phone {
        call_id: call.call.call_id.clone(),
        choice: "no".to_owned(),
    };
    let refusal = bed.decide(by_phone).await.expect_err("not enough");
    assert_eq!(refusal.name, ErrorName::PolicyRejected);
    let text = signed(draft(&call, "no"), &expert_key());
    send(&bed, &call, text).await.expect("a key is enough");
}

#[tokio::test]
async fn decisions_outlive_a_restart_and_the_call() {
    let mut bed = Bed::new("", "").await;
    let call = connected(&bed, "m-1").await;
    let text = signed(draft(&call, "no"), &expert_key());
    let view = send(&bed, &call, text.clone()).await.expect("it is taken");
    bed.restart(true).await;
    bed.until(&call.call.call_id, CallState::Connected).await;
    let refusal = send(&bed, &call, text)
        .await
        .expect_err("it was taken before");
    assert_eq!(refusal.name, ErrorName::Conflict);
    bed.terminate(&call.call.call_id).await;
    bed.restart(true).await;
    let shown = bed.show(&call.call.call_id).await.expect("remembered");
    assert_eq!(shown.decisions, [view]);
    assert_eq!(shown.call.decision_state, DecisionState::Decided);
    let again = draft(&shown, "yes");
    let sent = send(&bed, &call, signed(again, &expert_key())).await;
    sent.expect("the time for it lasts");
}

#[tokio::test]
async fn no_decision_is_an_outcome_and_then_it_is_too_late() {
    let mut bed = Bed::new("decision_s: 1", "").await;
    let call = connected(&bed, "m-1").await;
    bed.terminate(&call.call.call_id).await;
    let closed =
        |view: &ife_bridge::view::CallView| view.decision_state == DecisionState::NoDecision;
    bed.until_view(&call.call.call_id, closed).await;
    let refusal = send(&bed, &call, signed(draft(&call, "no"), &expert_key()))
        .await
        .expect_err("late");
    assert_eq!(refusal.name, ErrorName::Conflict);
    let refused = entries(&bed, &call, "DECISION_REFUSED");
    assert_eq!(refused[0]["reason"], "late");
    assert_eq!(entries(&bed, &call, "NO_DECISION").len(), 1);
    bed.restart(true).await;
    bed.in_sight().await;
    let shown = bed.show(&call.call.call_id).await.expect("remembered");
    assert_eq!(
        (shown.call.decision_state, shown.asked),
        (DecisionState::NoDecision, None)
    );
    assert_eq!(entries(&bed, &call, "NO_DECISION").len(), 1);
}
