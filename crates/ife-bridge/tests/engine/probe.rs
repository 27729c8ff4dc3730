use ife_bridge::{refusal::ErrorName, view::CallState};

use crate::bed::{Bed, message};

#[tokio::test]
async fn what_asterisk_finds_of_kamailio_is_told() {
    let bed = Bed::new("", "").await;
    bed.until_health(|health| health.kamailio.is_none()).await;
    for up in [true, false, true] {
        bed.asterisk.world().kamailio = Some(up);
        bed.until_health(|health| health.kamailio == Some(up)).await;
        let line = format!("ife_bridge_kamailio_up {}", u8::from(up));
        assert!(bed.metrics.text().contains(&line));
    }
}

#[tokio::test]
async fn without_kamailio_no_call_is_accepted() {
    let bed = Bed::new("", "").await;
    bed.asterisk.world().kamailio = Some(false);
    bed.until_health(|health| health.kamailio == Some(false))
        .await;
    let refused = bed.escalate(message("m-1", "privacy"), true).await;
    let refusal = refused.expect_err("no way to the expert");
    assert_eq!(refusal.name, ErrorName::Unavailable);
    // The same message is accepted later.
    bed.asterisk.world().kamailio = Some(true);
    bed.until_health(|health| health.kamailio == Some(true))
        .await;
    bed.escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
}

#[tokio::test]
async fn an_end_that_kamailio_cannot_have_passed_on_is_unconfirmed() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.asterisk.world().kamailio = Some(false);
    bed.until_health(|health| health.kamailio == Some(false))
        .await;
    let told = bed.terminate(&view.call_id).await;
    assert_eq!(told.status, "hangup_unconfirmed");
    let view = bed.until(&view.call_id, CallState::Failed).await;
    assert_eq!(view.reason.as_deref(), Some("hangup_unconfirmed"));
    let metrics = bed.metrics.text();
    assert!(metrics.contains("ife_bridge_hangups_unconfirmed_total 1"));
}

#[tokio::test]
async fn a_channel_that_does_not_hang_up_is_told_until_it_is_gone() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.asterisk.world().is_wedged = true;
    let told = bed.terminate(&view.call_id).await;
    assert_eq!(told.status, "hangup_unconfirmed");
    bed.until_health(|health| health.stuck_channels > 0).await;
    // It is hung up again with every comparison.
    bed.asterisk.world().is_wedged = false;
    bed.until_health(|health| health.stuck_channels == 0).await;
}
