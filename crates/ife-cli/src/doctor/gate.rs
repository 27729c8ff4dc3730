//! Kamailio and the gate in it: memory, replay table, receive queues, the JSON-RPC socket.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::Value;

use super::{
    process::{self, Socket},
    report::Report,
    rpc,
};

/// From here new calls get 503 (`SHED_MEMORY` of kamailio.cfg), percent of shared memory.
const MEMORY_ERROR: u64 = 80;
const MEMORY_WARNING: u64 = 60;
/// From here the replay table is to be enlarged, percent.
const REPLAY_WARNING: u64 = 70;

/// What Kamailio answered.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// `ife.status`.
    pub(super) status: Value,
    /// `core.shmmem`.
    memory: Value,
    /// Ports of its UDP sockets.
    udp_ports: Vec<u16>,
    /// Its main process.
    pub(super) pid: Option<u32>,
}

impl Gate {
    pub(super) fn generation(&self) -> Option<u64> {
        rpc::number(&self.status["registry_generation"])
    }
}

/// Facts about Kamailio.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) gate: Result<Gate, String>,
    /// Where it was asked.
    address: SocketAddr,
    /// Whether a Kamailio with the gate ever ran with this state directory.
    was_here: bool,
    /// Sockets of this host that others can reach or send to.
    sockets: Vec<Socket>,
}

impl Facts {
    /// Whether it does not answer, on a host where it is to run.
    pub(super) fn is_missed(&self) -> bool {
        self.gate.is_err() && self.was_here
    }
}

/// Judges Kamailio.
pub(super) fn judge(facts: &Facts) -> Report {
    let mut report = Report::new("kamailio");
    let gate = match (&facts.gate, facts.was_here) {
        (Ok(gate), _) => gate,
        (Err(why), true) => {
            report.error(
                format!("no answer to JSON-RPC at {}: {why}", facts.address),
                "systemctl status kamailio; its last log lines (docs/kamailio.md, When something \
                 is wrong); or give its socket by --kamailio",
            );
            return report;
        }
        (Err(_), false) => {
            report.skipped(format!(
                "no answer at {}, and no shared.bin in the state directory",
                facts.address
            ));
            return report;
        }
    };
    memory(gate, &mut report);
    replay(gate, &mut report);
    sockets(gate, facts, &mut report);
    let text = |name: &str| gate.status[name].as_str().unwrap_or("?").to_owned();
    report.fine_otherwise(format!(
        "mode {}, witness {}, {} calls under way, {} % of shared memory in use",
        text("mode"),
        text("witness"),
        rpc::number(&gate.status["active_calls"]).unwrap_or(0),
        memory_used(gate).unwrap_or(0),
    ));
    report
}

/// Percent of shared memory in use.
fn memory_used(gate: &Gate) -> Option<u64> {
    let used = rpc::number(&gate.memory["real_used"])?;
    let total = rpc::number(&gate.memory["total"]).filter(|total| *total > 0)?;
    Some(used.saturating_mul(100) / total)
}

fn memory(gate: &Gate, report: &mut Report) {
    const MORE: &str = "start Kamailio with more shared memory, for example -m 256 \
        (docs/operations.md, Memory and load)";
    let Some(used) = memory_used(gate) else {
        return;
    };
    let what = format!("{used} % of Kamailio's shared memory is in use");
    if used >= MEMORY_ERROR {
        report.error(format!("{what}: new calls get 503"), MORE);
    } else if used >= MEMORY_WARNING {
        report.warning(what, MORE);
    }
}

fn replay(gate: &Gate, report: &mut Report) {
    let number = |name: &str| rpc::number(&gate.status[name]);
    let (Some(used), Some(slots)) = (number("replay_used"), number("replay_slots")) else {
        return;
    };
    if used.saturating_mul(100) > slots.saturating_mul(REPLAY_WARNING) {
        report.warning(
            format!("{used} of {slots} places of the replay table are taken"),
            "raise replay_slots (a restart with a new table), or lower freshness_s",
        );
    }
}

fn sockets(gate: &Gate, facts: &Facts, report: &mut Report) {
    for socket in &facts.sockets {
        let port = socket.address.port();
        let is_rpc = port == facts.address.port() && facts.address.ip().is_loopback();
        if socket.is_udp && is_rpc && !socket.address.ip().is_loopback() {
            report.error(
                format!(
                    "UDP {} has the port of JSON-RPC: other hosts can send orders",
                    socket.address
                ),
                "RPC_SOCKET must have a loopback address",
            );
        }
        if socket.is_udp && socket.drops > 0 && gate.udp_ports.contains(&port) {
            report.warning(
                format!(
                    "{} datagrams to UDP {} were lost to a full queue",
                    socket.drops, socket.address
                ),
                "sysctl net.core.rmem_max and RECEIVE_BUFFER (docs/operations.md, Memory and \
                 load); the count begins anew with Kamailio's next start",
            );
        }
    }
}

/// Asks Kamailio.
pub(super) fn gather(address: SocketAddr, state_dir: &Path) -> Facts {
    Facts {
        gate: ask(address).map_err(|error| error.to_string()),
        address,
        was_here: state_dir.join("shared.bin").exists(),
        sockets: process::sockets(|table| fs::read_to_string(Path::new("/proc/net").join(table))),
    }
}

fn ask(address: SocketAddr) -> std::io::Result<Gate> {
    let status = rpc::ask(address, "ife.status")?;
    // Statistics of the core and its processes may be switched off; the gate is what matters.
    let or_nothing = |method| rpc::ask(address, method).unwrap_or_default();
    let processes = or_nothing("core.psx");
    Ok(Gate {
        status,
        memory: or_nothing("core.shmmem"),
        udp_ports: udp_ports(&or_nothing("core.sockets_list")),
        pid: rpc::number(&processes[0]["PID"]).and_then(|pid| u32::try_from(pid).ok()),
    })
}

fn udp_ports(listed: &Value) -> Vec<u16> {
    let listed = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let sockets = listed.iter().map(|socket| &socket["socket"]);
    let udp = sockets.filter(|socket| socket["proto"] == "udp");
    udp.filter_map(|socket| socket["port"].as_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::report::tests::told, *};

    fn facts() -> Facts {
        let status = json!({"mode": "enforce", "witness": "required", "active_calls": 2,
            "replay_used": 700, "replay_slots": 1000, "registry_generation": "3000000000"});
        let memory = json!({"total": 1000, "real_used": 500});
        let gate = Gate {
            status,
            memory,
            udp_ports: vec![5060],
            pid: None,
        };
        let address = "127.0.0.1:5062".parse().expect("an address");
        Facts {
            gate: Ok(gate),
            address,
            was_here: true,
            sockets: Vec::new(),
        }
    }

    fn socket(address: &str, drops: u64) -> Socket {
        Socket {
            is_udp: true,
            address: address.parse().expect("an address"),
            inode: 1,
            drops,
        }
    }

    #[test]
    fn kamailio_is_fine_below_its_bounds() {
        let mut facts = facts();
        facts.sockets = vec![socket("127.0.0.1:5062", 0), socket("192.0.2.1:5060", 0)];
        assert_eq!(
            told(judge(&facts)),
            ["ok mode enforce, witness required, 2 calls under way, 50 % of shared memory in use"]
        );
        assert_eq!(
            facts.gate.expect("a gate").generation(),
            Some(3_000_000_000)
        );
    }

    #[test]
    fn memory_and_the_replay_table_are_judged() {
        for (used, begin) in [(600, "warning 60 %"), (800, "error 80 %")] {
            let mut facts = facts();
            facts.gate.as_mut().expect("a gate").memory["real_used"] = json!(used);
            assert!(told(judge(&facts))[0].starts_with(begin), "{used}");
        }
        let mut facts = facts();
        facts.gate.as_mut().expect("a gate").status["replay_used"] = json!("701");
        assert!(told(judge(&facts))[0].starts_with("warning 701 of 1000 places"));
    }

    #[test]
    fn an_open_rpc_socket_and_lost_datagrams_are_findings() {
        let mut facts = facts();
        facts.sockets = vec![
            socket("0.0.0.0:5062", 0),
            socket("192.0.2.1:5060", 4),
            socket("192.0.2.1:9", 4),
        ];
        let found = told(judge(&facts));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("error UDP 0.0.0.0:5062 has the port of JSON-RPC"));
        assert!(found[1].starts_with("warning 4 datagrams to UDP 192.0.2.1:5060 were lost"));
    }

    #[test]
    fn a_silent_kamailio_is_an_error_where_there_was_one() {
        let mut facts = facts();
        facts.gate = Err("connection refused".into());
        assert!(
            told(judge(&facts))[0].starts_with("error no answer to JSON-RPC at 127.0.0.1:5062")
        );
        facts.was_here = false;
        assert!(told(judge(&facts))[0].starts_with("skipped"));
    }
}
