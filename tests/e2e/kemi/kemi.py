"""Routing by KEMI: every INVITE is checked and answered here, by the gate's verdict."""

import KSR


def mod_init():
    return Router()


class Router:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        if KSR.pv.get("$rm") != "INVITE":
            return 1
        result = self.check()
        if result == 0:
            return 1  # it waits for the disk, and goes on in ksr_after_wait()
        if result == 2:
            KSR.sl.send_reply(480, KSR.pv.get("$ife(verdict)"))
        elif result == 1:
            KSR.if_escalate.witness_log("RINGING")
            KSR.if_escalate.witness_log_detail("FAILED", "answered by KEMI")
            KSR.sl.send_reply(480, "Approved By KEMI")
        else:
            KSR.sl.send_reply(KSR.pv.get("$ife(code)"), KSR.pv.get("$ife(reason)") + f" ({result})")
        return 1

    def check(self):
        # A trace id that begins so brings its hazard by the script and not by the header.
        trace_id, signature = (
            KSR.pv.gete("$hdr(X-IF-Trace-ID)"),
            KSR.pv.gete("$hdr(X-IF-Signature)"),
        )
        if trace_id.startswith("by-script-"):
            return KSR.if_escalate.check_policy_values("alignment", trace_id, signature)
        if trace_id.startswith("waits-"):
            return KSR.if_escalate.check_policy_resume("ksr_after_wait")
        return KSR.if_escalate.check_policy()

    # Later versions of Kamailio than 5.6.3 give the name of the event.
    def ksr_after_wait(self, msg, event=None):
        if KSR.if_escalate.check_policy() == 1:
            KSR.tm.t_reply(480, "Approved After The Wait")
        else:
            KSR.tm.t_reply(KSR.pv.get("$ife(code)"), KSR.pv.get("$ife(reason)"))
        return 1

    def ksr_ife_reloaded(self, msg, event):
        KSR.info(f"KEMI was told: {event}\n")
        return 1
