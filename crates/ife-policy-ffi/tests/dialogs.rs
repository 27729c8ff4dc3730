//! Dialogs through the C ABI: accepted senders, next hops, ends of calls.

use ::ife_policy::abi::*;

mod support;

use support::gate::{Gate, Setup, message, of_buffer, text};
use support::{EXPERT, NARROW_EXPERT, SignedCall, TempDir};

const COUNCIL_ADDRESS: &str = "127.0.0.1";
const EXPERT_ADDRESS: &str = "203.0.113.5";

/// A gate with one answered call: the council at 127.0.0.1:5062, the phone at 203.0.113.5.
struct Answered {
    gate: Gate,
    setup: Setup,
    call: &'static SignedCall,
    invite: ife_message,
    dir: TempDir,
}

/// Header field bodies, kept for the life of the test.
fn fields(bodies: &[&'static str]) -> (*const ife_str, u32) {
    let fields: Vec<_> = bodies.iter().map(|body| text(body)).collect();
    let count = fields.len() as u32;
    (Box::leak(fields.into_boxed_slice()).as_ptr(), count)
}

fn with_routes(msg: ife_message, bodies: &[&'static str]) -> ife_message {
    let (routes, route_count) = fields(bodies);
    ife_message {
        routes,
        route_count,
        ..msg
    }
}

fn with_record_routes(msg: ife_message, bodies: &[&'static str]) -> ife_message {
    let (record_routes, record_route_count) = fields(bodies);
    ife_message {
        record_routes,
        record_route_count,
        ..msg
    }
}

fn begun(name: &str, expert: &str, change: impl Fn(ife_message) -> ife_message) -> Answered {
    let dir = TempDir::new(name);
    let setup = Setup::new(&dir);
    let gate = Gate::attached(&setup);
    let call: &'static SignedCall = Box::leak(Box::new(SignedCall::new(1, expert, 5)));
    let raw: &'static str = Box::leak(call.invite().into_boxed_str());
    let mut invite = message(call, raw);
    invite.contact = text("<sip:council@127.0.0.1:5062>");
    let invite = change(invite);
    assert_eq!(gate.check(&invite).approved, 1);
    Answered {
        gate,
        setup,
        call,
        invite,
        dir,
    }
}

impl Answered {
    /// A reply of the phone to the INVITE.
    fn reply(&self, code: u32, tag: &'static str, contact: &'static str) -> ife_message {
        ife_message {
            status_code: code,
            reason_phrase: text("OK"),
            to_tag: text(tag),
            peer_ip: text(EXPERT_ADDRESS),
            peer_port: 5070,
            contact: text(contact),
            ..self.invite
        }
    }

    fn answer(&self, reply: &ife_message) {
        assert_eq!(self.gate.log(reply, "CONNECTED"), IFE_OK);
    }

    /// A request of the council in the dialog of the phone with this tag.
    fn council_request(
        &self,
        method: &'static str,
        tag: &'static str,
        ruri: &'static str,
    ) -> ife_message {
        ife_message {
            method: text(method),
            to_tag: text(tag),
            ruri: text(ruri),
            contact: text(""),
            ..self.invite
        }
    }

    fn phone_request(
        &self,
        method: &'static str,
        tag: &'static str,
        ruri: &'static str,
    ) -> ife_message {
        ife_message {
            method: text(method),
            from_tag: text(tag),
            to_tag: text(&self.call.from_tag),
            from_uri: self.invite.to_uri,
            to_uri: self.invite.from_uri,
            ruri: text(ruri),
            peer_ip: text(EXPERT_ADDRESS),
            peer_port: 5070,
            contact: text(""),
            ..self.invite
        }
    }

    /// Returns the next hop of a request, or the code that refuses it.
    fn goes(&self, msg: &ife_message) -> String {
        let verdict = self.gate.check(msg);
        match (verdict.approved, verdict.gate) {
            (1, IFE_GATE_DIALOG) => of_buffer(&verdict.next_hop).replace(";transport=udp", ""),
            (0, IFE_GATE_DIALOG) => verdict.code.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn requests_go_to_a_contact_at_an_address_that_was_heard_also_after_a_restart() {
    let b = begun("dialog-contact", EXPERT, |m| m);
    b.answer(&b.reply(
        200,
        "callee",
        "\"Expert, on call\" <sip:phone@203.0.113.5:5099;ob>",
    ));
    let bye = b.council_request("BYE", "callee", "sip:phone@203.0.113.5:5099");
    assert_eq!(b.goes(&bye), "sip:203.0.113.5:5099");
    let Answered {
        gate,
        setup,
        call,
        invite,
        dir,
    } = b;
    drop(gate);
    let b = Answered {
        gate: Gate::attached(&setup),
        setup,
        call,
        invite,
        dir,
    };
    assert_eq!(b.goes(&bye), "sip:203.0.113.5:5099");
    let back = b.phone_request("BYE", "callee", "sip:council@127.0.0.1:5062");
    assert_eq!(b.goes(&back), "sip:127.0.0.1:5062");
    let forged = b.council_request("BYE", "forged", "sip:phone@203.0.113.5:5099");
    assert_eq!(b.goes(&forged), "481");
    assert_eq!(b.setup.replay_slots, 1024);
    drop(b.dir);
}

#[test]
fn a_contact_elsewhere_or_by_name_is_reached_where_its_sender_was_heard() {
    for (name, contact, ruri, transport) in [
        (
            "private",
            "<sip:phone@192.168.1.9:5060>",
            "sip:phone@192.168.1.9:5060",
            "",
        ),
        (
            "name",
            "<sip:phone@phone.example>",
            "sip:phone@PHONE.example:5060",
            "",
        ),
        (
            "maddr",
            "<sip:a@203.0.113.5;maddr=192.0.2.66>",
            "sip:a@203.0.113.5;maddr=192.0.2.66",
            "",
        ),
        (
            "alias",
            "<sip:a@10.1.1.1;alias=192.0.2.66~5060~1>",
            "sip:a@10.1.1.1",
            "",
        ),
    ] {
        let b = begun(&format!("dialog-{name}"), EXPERT, |m| m);
        b.answer(&b.reply(200, "callee", contact));
        let ack = b.council_request("ACK", "callee", ruri);
        assert_eq!(
            b.goes(&ack),
            format!("sip:203.0.113.5:5070{transport}"),
            "{name}"
        );
    }
}

#[test]
fn spellings_of_one_contact_are_one_target() {
    let b = begun("dialog-spelling", EXPERT, |m| m);
    b.answer(&b.reply(200, "callee", "<sips:a@[2001:DB8:0:0::1]>"));
    for ruri in [
        "sips:b@[2001:db8::1]:5061",
        "sip:[2001:db8::1];transport=tls",
    ] {
        assert_eq!(
            b.goes(&b.council_request("BYE", "callee", ruri)),
            "sip:203.0.113.5:5070"
        );
    }
    assert_eq!(
        b.goes(&b.council_request("BYE", "callee", "sip:a@[2001:db8::1]:5060")),
        "403"
    );
    assert_eq!(
        b.goes(&b.council_request("BYE", "callee", "tel:+1555")),
        "403"
    );
}

#[test]
fn the_route_set_leads_to_the_phone_and_to_no_other_place() {
    let b = begun("dialog-routes", EXPERT, |m| m);
    let record_routes = [
        "<sip:edge.advisor;lr>, <sip:203.0.113.5:5088;lr>",
        "<sip:198.51.100.1;lr>",
    ];
    let ok = b.reply(200, "callee", "<sip:phone@10.0.0.7>");
    b.answer(&with_record_routes(ok, &record_routes));
    let bye = b.council_request("BYE", "callee", "sip:phone@10.0.0.7");
    let own = "<sip:198.51.100.1;lr>";
    let set = "<sip:203.0.113.5:5088;lr>,<sip:edge.advisor;lr>";
    assert_eq!(
        b.goes(&with_routes(bye, &[own, set])),
        "sip:203.0.113.5:5088"
    );
    assert_eq!(
        b.goes(&bye),
        "sip:203.0.113.5:5088",
        "a request without its route set"
    );
    for wrong in [
        "<sip:203.0.113.5:5088;lr>",
        "<sip:192.0.2.66;lr>",
        "<sip:broken",
    ] {
        assert_eq!(b.goes(&with_routes(bye, &[own, wrong])), "403", "{wrong}");
    }
    // A request from a strict router: this server in the Request-URI, the target as the last Route.
    let strict = ife_message {
        ruri: text("sip:198.51.100.1;lr"),
        ..bye
    };
    assert_eq!(
        b.goes(&with_routes(strict, &[set, "<sip:phone@10.0.0.7>"])),
        "sip:203.0.113.5:5088"
    );
    assert_eq!(b.goes(&strict), "482");
}

#[test]
fn the_callers_route_set_is_that_of_its_invite() {
    let invite = |msg| {
        with_record_routes(
            msg,
            &["<sip:127.0.0.1:5077;lr>", "<sip:sbc.council.example;lr>"],
        )
    };
    let b = begun("dialog-caller-routes", EXPERT, invite);
    b.answer(&b.reply(200, "callee", "<sip:phone@203.0.113.5>"));
    let bye = b.phone_request("BYE", "callee", "sip:council@127.0.0.1:5062");
    let set = "<sip:127.0.0.1:5077;lr>, <sip:sbc.council.example;lr>";
    assert_eq!(
        b.goes(&with_routes(bye, &["<sip:198.51.100.1;lr>", set])),
        "sip:127.0.0.1:5077"
    );
}

#[test]
fn a_request_counts_as_a_partys_only_from_where_that_party_is_known() {
    let b = begun("dialog-source", EXPERT, |m| m);
    b.answer(&b.reply(200, "callee", "<sip:phone@203.0.113.5>"));
    for method in ["OPTIONS", "INFO", "INVITE", "BYE", "UPDATE", "PRACK", "ACK"] {
        let mut swapped = b.phone_request(method, "callee", "sip:council@127.0.0.1:5062");
        swapped.peer_ip = text("192.0.2.66");
        assert_eq!(b.goes(&swapped), "403", "{method} of an outsider");
        let mut by_expert = b.council_request(method, "callee", "sip:phone@203.0.113.5");
        by_expert.peer_ip = text(EXPERT_ADDRESS);
        assert_eq!(
            b.goes(&by_expert),
            "403",
            "{method} of the expert in the council's name"
        );
    }
    assert_eq!(b.gate.stats().active_calls, 1);
}

#[test]
fn a_party_may_move_by_its_contact_or_within_the_registrys_networks() {
    let b = begun("dialog-move", EXPERT, |m| m);
    b.answer(&b.reply(200, "callee", "<sip:phone@203.0.113.5>"));
    let to_council = "sip:council@127.0.0.1:5062";
    let mut reinvite = b.phone_request("INVITE", "callee", to_council);
    reinvite.contact = text("<sip:phone@192.0.2.44:5099>");
    assert_eq!(b.goes(&reinvite), "sip:127.0.0.1:5062");
    let bye = b.council_request("BYE", "callee", "sip:phone@192.0.2.44:5099");
    assert_eq!(
        b.goes(&bye),
        "sip:203.0.113.5:5070",
        "not heard from there yet"
    );
    let mut info = b.phone_request("INFO", "callee", to_council);
    (info.peer_ip, info.peer_port) = (text("192.0.2.44"), 5099);
    assert_eq!(
        b.goes(&info),
        "sip:127.0.0.1:5062",
        "its Contact announced the address"
    );
    assert_eq!(b.goes(&bye), "sip:192.0.2.44:5099");
    // 127.0.0.0/8 is among the expert's sources: a re-INVITE may come from there, others not
    // before.
    let mut moved = b.phone_request("INFO", "callee", to_council);
    moved.peer_ip = text("127.0.0.77");
    assert_eq!(b.goes(&moved), "403");
    moved.method = text("INVITE");
    assert_eq!(b.goes(&moved), "sip:127.0.0.1:5062");
    moved.method = text("INFO");
    assert_eq!(b.goes(&moved), "sip:127.0.0.1:5062");
}

#[test]
fn a_contact_that_names_this_server_is_not_followed() {
    let b = begun("dialog-loop", EXPERT, |m| m);
    b.answer(&b.reply(200, "callee", "<sip:phone@198.51.100.1>"));
    assert_eq!(
        b.goes(&b.council_request("INFO", "callee", "sip:phone@198.51.100.1")),
        "482"
    );
}

#[test]
fn other_methods_are_refused_and_witnessed() {
    let b = begun("dialog-method", EXPERT, |m| m);
    b.answer(&b.reply(200, "callee", "<sip:phone@203.0.113.5>"));
    assert_eq!(
        b.goes(&b.council_request("REFER", "callee", "sip:phone@203.0.113.5")),
        "405"
    );
    let entries = b.gate.ring(0).calls();
    let last = entries.last().expect("an entry");
    assert_eq!(
        (last.json["event"].as_str(), last.json["code"].as_u64()),
        (Some("REJECTED"), Some(405))
    );
}

#[test]
fn a_2xx_refreshes_the_target_of_its_sender() {
    let b = begun("dialog-refresh", EXPERT, |m| m);
    b.answer(&b.reply(200, "callee", "<sip:phone@203.0.113.5>"));
    let reinvite = b.council_request("INVITE", "callee", "sip:phone@203.0.113.5");
    assert_eq!(b.goes(&reinvite), "sip:203.0.113.5:5060");
    let ok = b.reply(200, "callee", "<sip:phone@10.9.9.9:5066>");
    assert_eq!(b.gate.log(&ok, "REINVITE"), IFE_OK);
    let ack = b.council_request("ACK", "callee", "sip:phone@10.9.9.9:5066");
    assert_eq!(b.goes(&ack), "sip:203.0.113.5:5070");
}

#[test]
fn a_call_ends_with_its_last_answered_dialog() {
    let b = begun("dialog-forks", NARROW_EXPERT, |m| m);
    let held = || b.gate.experts()[1]["active_calls"].as_u64();
    b.answer(&b.reply(200, "first", "<sip:one@203.0.113.5>"));
    b.answer(&b.reply(200, "second", "<sip:two@203.0.113.5>"));
    let again = b.reply(200, "second", "<sip:two@203.0.113.5>");
    assert_eq!(
        b.gate.log(&again, "CONNECTED"),
        IFE_WITNESS_OMITTED,
        "one answer, one entry"
    );
    let hang_up = |tag, ruri, code| {
        let bye = b.council_request("BYE", tag, ruri);
        assert_ne!(b.goes(&bye), "403");
        let answer = ife_message {
            status_code: code,
            ..bye
        };
        b.gate.log(&answer, "TERMINATED")
    };
    for refused in [401, 407, 404, 500] {
        assert_eq!(hang_up("first", "sip:one@203.0.113.5", refused), IFE_OK);
        assert_eq!(held(), Some(1), "{refused} ends nothing");
    }
    assert_eq!(hang_up("first", "sip:one@203.0.113.5", 200), IFE_OK);
    assert_eq!(held(), Some(1), "the losing leg's end is not the call's");
    assert_eq!(hang_up("second", "sip:two@203.0.113.5", 408), IFE_OK);
    assert_eq!(held(), Some(0));
    assert_eq!(
        hang_up("second", "sip:two@203.0.113.5", 200),
        IFE_WITNESS_OMITTED
    );
    let events: Vec<_> = b
        .gate
        .ring(0)
        .calls()
        .iter()
        .map(|e| e.json["event"].to_string())
        .collect();
    assert_eq!(
        events.iter().filter(|e| *e == "\"TERMINATED\"").count(),
        1,
        "{events:?}"
    );
}

#[test]
fn a_stray_reply_goes_to_the_party_that_it_answers_or_nowhere() {
    let b = begun("dialog-stray", EXPERT, |m| m);
    let ok = b.reply(200, "callee", "<sip:phone@203.0.113.5>");
    b.answer(&ok);
    assert!(b.gate.may_reply(&ok, COUNCIL_ADDRESS), "a 2xx sent again");
    for (wrong, via) in [
        (ok, "192.0.2.66"),
        (ok, "victim.example"),
        (ok, ""),
        (
            ife_message {
                peer_ip: text("192.0.2.66"),
                ..ok
            },
            COUNCIL_ADDRESS,
        ),
        (
            ife_message {
                to_tag: text("forged"),
                ..ok
            },
            COUNCIL_ADDRESS,
        ),
        (
            ife_message {
                status_code: 486,
                ..ok
            },
            COUNCIL_ADDRESS,
        ),
        (
            ife_message {
                method: text("BYE"),
                ..ok
            },
            COUNCIL_ADDRESS,
        ),
    ] {
        assert!(!b.gate.may_reply(&wrong, via), "{via}");
    }
}

#[test]
fn a_reply_from_elsewhere_is_an_answer_only_from_an_address_of_its_sender() {
    let b = begun("dialog-elsewhere", EXPERT, |m| m);
    let ok = b.reply(200, "callee", "<sip:phone@203.0.113.5>");
    let from = |ip, msg: &ife_message| ife_message {
        peer_ip: text(ip),
        ..*msg
    };
    assert!(
        b.gate.may_answer(&from("127.0.0.99", &ok)),
        "a source of the registry, before any answer"
    );
    let stranger = "192.0.2.66";
    assert!(!b.gate.may_answer(&from(stranger, &ok)));
    b.answer(&ok);
    assert!(
        b.gate.may_answer(&ok),
        "an address where the callee was heard"
    );
    assert!(!b.gate.may_answer(&from(stranger, &ok)));
    let other_phone = ife_message {
        to_tag: text("another"),
        ..from(stranger, &ok)
    };
    assert!(!b.gate.may_answer(&other_phone), "another phone's tag");
    let foreign = ife_message {
        call_id: text("a-call-of-somebody-else"),
        ..from(stranger, &ok)
    };
    assert!(b.gate.may_answer(&foreign), "none of the gate's calls");
}

#[test]
fn addresses_of_parties_are_known() {
    let b = begun("dialog-sources", EXPERT, |m| m);
    assert!(
        b.gate.knows_source("127.0.0.99"),
        "a source of the registry"
    );
    assert!(!b.gate.knows_source("192.0.2.66"));
    let dir = TempDir::new("dialog-sources-2");
    let gate = Gate::attached(&Setup::new(&dir));
    assert!(!gate.knows_source(EXPERT_ADDRESS));
    b.answer(&b.reply(200, "callee", "<sip:phone@203.0.113.5>"));
    assert!(
        b.gate.knows_source(EXPERT_ADDRESS),
        "a side of a call under way"
    );
}
