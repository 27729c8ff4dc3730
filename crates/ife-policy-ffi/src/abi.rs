//! The types of `if_policy.h` as bindgen reads them, with checks that both sides have one layout.
#![allow(
    unsafe_code,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]

include!(concat!(env!("OUT_DIR"), "/if_policy.rs"));

use core::mem::{align_of, offset_of, size_of};

// tests/c/abi_layout.c asserts the same numbers. A change here is a new IFE_ABI_VERSION.
const _: () = {
    assert!(size_of::<ife_str>() == 16);
    assert!(size_of::<ife_header>() == 24);
    assert!(size_of::<ife_error>() == 1024);
    assert!(size_of::<ife_options>() == 152);
    assert!(size_of::<ife_message>() == 352);
    assert!(size_of::<ife_verdict>() == 1080);
    assert!(size_of::<ife_call>() == 396);
    assert!(size_of::<ife_receipt>() == 48);
    assert!(size_of::<ife_stats>() == 288);
    assert!(size_of::<ife_ticket>() == 40);
    assert!(align_of::<ife_verdict>() == 8);
    assert!(offset_of!(ife_options, log) == 112);
    assert!(offset_of!(ife_message, cseq) == 176);
    assert!(offset_of!(ife_message, raw) == 288);
    assert!(offset_of!(ife_verdict, seq) == 24);
    assert!(offset_of!(ife_verdict, reason) == 64);
    assert!(offset_of!(ife_message, routes) == 304);
    assert!(offset_of!(ife_verdict, kid) == 932);
    assert!(offset_of!(ife_verdict, next_hop) == 997);
    assert!(offset_of!(ife_call, expert) == 40);
    assert!(offset_of!(ife_receipt, leaf_hash) == 12);
    assert!(offset_of!(ife_ticket, epoch) == 16);
    assert!(offset_of!(ife_stats, active_calls) == 168);
    assert!(offset_of!(ife_options, scope) == 144);
    assert!(offset_of!(ife_message, if_header_count) == 344);
};

// One number has one meaning on both sides.
const _: () = {
    use ife_guard::{Direction, Gate, Transport};
    assert!(Gate::ALL.len() == IFE_GATE_COUNT as usize);
    assert!(Gate::Internal as u32 == IFE_GATE_INTERNAL);
    assert!(Gate::Dialog as u32 == IFE_GATE_DIALOG);
    assert!(Gate::Witness as u32 == IFE_GATE_WITNESS);
    assert!(Direction::ToExpert as u32 == IFE_DIRECTION_TO_EXPERT);
    assert!(Direction::ToCouncil as u32 == IFE_DIRECTION_TO_COUNCIL);
    assert!(
        Transport::Udp as u32 == IFE_TRANSPORT_UDP && Transport::Wss as u32 == IFE_TRANSPORT_WSS
    );
};
