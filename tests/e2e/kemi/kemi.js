// Routing by KEMI: every INVITE is checked and answered here, by the gate's verdict.

function ksr_request_route() {
    if (KSR.pv.get("$rm") != "INVITE") {
        return 1;
    }
    var result = check();
    if (result == 0) {
        return 1; // it waits for the disk, and goes on in ksr_after_wait()
    }
    if (result == 2) {
        KSR.sl.send_reply(480, KSR.pv.get("$ife(verdict)"));
    } else if (result == 1) {
        KSR.if_escalate.witness_log("RINGING");
        KSR.if_escalate.witness_log_detail("FAILED", "answered by KEMI");
        KSR.sl.send_reply(480, "Approved By KEMI");
    } else {
        var reason = KSR.pv.get("$ife(reason)") + " (" + result + ")";
        KSR.sl.send_reply(KSR.pv.get("$ife(code)"), reason);
    }
    return 1;
}

// A trace id that begins so brings its hazard by the script and not by the header.
function check() {
    var trace_id = KSR.pv.gete("$hdr(X-IF-Trace-ID)");
    if (trace_id.indexOf("by-script-") == 0) {
        var signature = KSR.pv.gete("$hdr(X-IF-Signature)");
        return KSR.if_escalate.check_policy_values("alignment", trace_id, signature);
    }
    if (trace_id.indexOf("waits-") == 0) {
        return KSR.if_escalate.check_policy_resume("ksr_after_wait");
    }
    return KSR.if_escalate.check_policy();
}

function ksr_after_wait() {
    if (KSR.if_escalate.check_policy() == 1) {
        KSR.tm.t_reply(480, "Approved After The Wait");
    } else {
        KSR.tm.t_reply(KSR.pv.get("$ife(code)"), KSR.pv.get("$ife(reason)"));
    }
    return 1;
}

function ksr_ife_reloaded(event) {
    KSR.info("KEMI was told: " + event + "\n");
    return 1;
}
