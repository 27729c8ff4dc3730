//! New calls that an overloaded server refuses before it parses them.

use super::*;

/// The reply to `datagram` of the caller, or `None`: the server must handle it.
fn reply_to(b: &Bench, datagram: &str) -> Option<String> {
    b.gate.overload_reply(datagram, "127.0.0.1", 5062)
}

/// A bench whose budget of entries is spent.
fn spent(name: &str, change: impl FnOnce(&mut Setup)) -> Bench {
    let b = bench(name, |setup| {
        setup.refusals_per_s = 1;
        change(setup);
    });
    spend(&b);
    b
}

fn spend(b: &Bench) {
    let (other, invite) = call(999);
    let mut msg = message(&other, &invite);
    for n in 0..200 {
        msg.cseq = n;
        b.gate.log(&msg, "REJECTED");
    }
}

fn ack_of(reply: &str, invite: &str) -> String {
    let to = reply
        .lines()
        .find(|line| line.starts_with("To:"))
        .expect("To");
    let lines = invite.lines().filter_map(|line| match line {
        _ if line.starts_with("INVITE ") => Some(line.replacen("INVITE", "ACK", 1)),
        _ if line.starts_with("To:") => Some(to.to_owned()),
        "CSeq: 1 INVITE" => Some("CSeq: 1 ACK".to_owned()),
        _ => ["Via:", "From:", "Call-ID:"]
            .iter()
            .any(|name| line.starts_with(name))
            .then(|| line.to_owned()),
    });
    lines.map(|line| line + "\r\n").collect::<String>() + "\r\n"
}

#[test]
fn a_new_call_is_refused_and_counted_once_for_each_time_it_is_sent() {
    let mut b = spent("overload", |_| {});
    let before = b.gate.stats();
    let (_, invite) = call(1);
    let reply = reply_to(&b, &invite).expect("a refusal");
    assert!(
        reply.starts_with("SIP/2.0 503 Overloaded\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch="),
        "{reply}"
    );
    assert!(
        reply.contains(";received=127.0.0.1;rport=5062\r\n"),
        "{reply}"
    );
    assert!(reply.contains("\r\nRetry-After: 5\r\n"), "{reply}");
    assert!(reply.contains(";tag=ife503-"), "{reply}");
    assert_eq!(reply_to(&b, &invite), Some(reply), "sent again");
    let after = b.gate.stats();
    assert_eq!(after.overload_refused - before.overload_refused, 2);
    assert_eq!(after.refusals_omitted - before.refusals_omitted, 2);

    b.ring.discard();
    let omitted = after.refusals_omitted;
    drop(b.gate);
    let sums: u64 = b
        .ring
        .drain()
        .iter()
        .filter_map(|e| e.json["omitted"]["count"].as_u64())
        .sum();
    assert_eq!(sums, omitted, "the log says how many");
}

#[test]
fn the_ack_of_a_refusal_and_no_other_ends_there() {
    let b = spent("overload-ack", |_| {});
    let (_, invite) = call(1);
    let reply = reply_to(&b, &invite).expect("a refusal");
    let ack = ack_of(&reply, &invite);
    assert_eq!(reply_to(&b, &ack).as_deref(), Some(""), "{ack}");
    let of_another = ack.replace("Call-ID: call-1-", "Call-ID: call-2-");
    assert_eq!(reply_to(&b, &of_another), None, "the tag is of one Call-ID");
    let guessed = ack.replace(";tag=ife503-", ";tag=ife503-0");
    assert_eq!(reply_to(&b, &guessed), None);
}

#[test]
fn an_invite_of_a_known_call_is_left_to_the_server() {
    let b = spent("overload-known", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    assert_eq!(b.gate.check(&msg).approved, 1);
    assert_eq!(reply_to(&b, &invite), None, "under way");
    b.gate
        .log(&reply(&msg, 486, "Busy Here", "callee"), "FAILED");
    assert_eq!(
        reply_to(&b, &invite),
        None,
        "ended, but it may be sent again"
    );
    let within = invite.replace("\r\nCall-ID:", ";tag=callee\r\nCall-ID: x");
    assert_eq!(reply_to(&b, &within), None, "in a dialog");
    assert_eq!(b.gate.stats().overload_refused, 0);
}

#[test]
fn a_stranger_and_a_refusal_with_an_entry_are_left_to_the_server() {
    let b = bench("overload-budget", |setup| setup.refusals_per_s = 1);
    let (_, invite) = call(1);
    assert_eq!(reply_to(&b, &invite), None, "the log has room for it");
    spend(&b);
    assert!(reply_to(&b, &invite).is_some());
    assert_eq!(b.gate.overload_reply(&invite, "192.0.2.77", 5060), None);

    let every = bench("overload-every", |setup| setup.refusals_per_s = 0);
    spend(&every);
    assert_eq!(reply_to(&every, &invite), None, "each refusal has an entry");
}

#[test]
fn nothing_is_refused_in_shadow_mode_and_beside_other_calls() {
    let (_, invite) = call(1);
    let shadow = spent("overload-shadow", |setup| setup.shadow = true);
    assert_eq!(reply_to(&shadow, &invite), None);
    let scoped = spent("overload-scope", |setup| setup.registry_only = true);
    assert_eq!(reply_to(&scoped, &invite), None);
}
