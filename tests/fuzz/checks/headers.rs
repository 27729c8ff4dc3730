//! Any bytes as the body of each X-IF header: taken if its alphabet and length allow it, and then
//! written back as it was.

use ife_message::{Hazard, Kid, TraceId, WitnessHash};

/// Compares each parser with the words of its documentation.
pub(crate) fn check(data: &[u8]) {
    let value = trim(data);
    let fits = |min: usize, max: usize, allowed: &str| {
        (min..=max).contains(&value.len())
            && value.iter().all(|b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || allowed.contains('A') && b.is_ascii_uppercase()
                    || b.is_ascii_punctuation() && allowed.as_bytes().contains(b)
            })
    };
    let trace_id = TraceId::parse(data).ok();
    assert_eq!(trace_id.is_some(), fits(8, 128, "A._:-"));
    let hazard = Hazard::parse(data).ok();
    assert_eq!(hazard.is_some(), fits(1, 32, "_-"));
    let kid = Kid::parse(data).ok();
    assert_eq!(kid.is_some(), fits(1, 64, "A._-"));
    for text in [
        trace_id.as_ref().map(TraceId::as_bytes),
        hazard.as_ref().map(Hazard::as_bytes),
        kid.as_ref().map(Kid::as_bytes),
    ]
    .into_iter()
    .flatten()
    {
        assert_eq!(text, value);
    }
    if let Ok(hash) = WitnessHash::parse(data) {
        assert_eq!(hash.to_string().as_bytes(), value);
    }
}

fn trim(data: &[u8]) -> &[u8] {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = data.iter().position(|b| !is_space(b)).unwrap_or(data.len());
    let end = data
        .iter()
        .rposition(|b| !is_space(b))
        .map_or(start, |at| at + 1);
    &data[start..end]
}
