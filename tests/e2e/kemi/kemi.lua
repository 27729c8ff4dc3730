-- Routing by KEMI: every INVITE is checked and answered here, with what the gate says.

function ksr_request_route()
    if KSR.pv.get("$rm") ~= "INVITE" then
        return 1
    end
    local result = check()
    if result == 0 then
        return 1 -- it waits for the disk, and goes on in ksr_after_wait()
    end
    if result == 2 then
        KSR.sl.send_reply(480, KSR.pv.get("$ife(verdict)"))
    elseif result == 1 then
        KSR.if_escalate.witness_log("RINGING")
        KSR.if_escalate.witness_log_detail("FAILED", "answered by KEMI")
        KSR.sl.send_reply(480, "Approved By KEMI")
    else
        KSR.sl.send_reply(KSR.pv.get("$ife(code)"), KSR.pv.get("$ife(reason)") .. " (" .. result .. ")")
    end
    return 1
end

-- A trace id that begins so brings its hazard by the script and not by the header.
function check()
    local trace_id = KSR.pv.gete("$hdr(X-IF-Trace-ID)")
    if string.sub(trace_id, 1, 10) == "by-script-" then
        return KSR.if_escalate.check_policy_values("alignment", trace_id, KSR.pv.gete("$hdr(X-IF-Signature)"))
    end
    if string.sub(trace_id, 1, 6) == "waits-" then
        return KSR.if_escalate.check_policy_resume("ksr_after_wait")
    end
    return KSR.if_escalate.check_policy()
end

function ksr_after_wait()
    if KSR.if_escalate.check_policy() == 1 then
        KSR.tm.t_reply(480, "Approved After The Wait")
    else
        KSR.tm.t_reply(KSR.pv.get("$ife(code)"), KSR.pv.get("$ife(reason)"))
    end
    return 1
end

function ksr_ife_reloaded(event)
    KSR.info("KEMI was told: " .. event .. "\n")
    return 1
end
