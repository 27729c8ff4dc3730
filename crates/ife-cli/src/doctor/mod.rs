//! `ifectl doctor`: looks at a host's deployment and reports what to do about each finding.
//!
//! One file per check: its facts, a pure judgement over them, and a thin reader. Nothing is
//! changed, every wait is bounded, and absent parts are skipped with a word.

mod bridge;
mod certificates;
mod clock;
mod config;
mod dns;
mod files;
mod gate;
mod listeners;
mod names;
mod ports;
mod process;
mod registry;
mod report;
mod rpc;
mod seen;
mod versions;
mod writer;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use self::{
    config::Named,
    report::{Answer, Line, Report},
    seen::{AS_ROOT, Seen},
};
use crate::{
    Failure, Outcome, bridge as api,
    cli::{DoctorArgs, DoctorPaths},
    output::Output,
    text,
};

/// Longest file of a status, a configuration or a certificate that is read, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;

pub(crate) fn run(args: &DoctorArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let lines = examine(args)?;
    if out.json() {
        out.value(&report::as_json(&lines))?;
    } else {
        for line in report::paint(&lines) {
            out.line(line)?;
        }
    }
    match report::answer(&lines) {
        Answer::Fine => Ok(Outcome::Yes),
        Answer::Findings => Ok(Outcome::No),
        Answer::Unanswered => Err(
            Failure::unanswered("not everything here could be looked at")
                .hint("the lines `unseen` say why; if all are skipped, options name the paths"),
        ),
    }
}

fn examine(args: &DoctorArgs) -> Result<Vec<Line>, Failure> {
    let paths = &args.paths;
    let (now_s, now_ms) = (text::unix_now(), text::unix_now_ms());
    let mut configuration = Report::new("config");
    let named = named_files(paths, &mut configuration);

    let writer = writer::gather(&paths.state_dir, &paths.log_dir, args.min_free_mib, now_ms);
    let gate = gate::gather(args.kamailio, &paths.state_dir);
    let kamailio = gate.gate.as_ref().ok();
    let generation = kamailio.and_then(gate::Gate::generation);
    let registry = registry::gather(
        &paths.registry,
        &paths.state_dir,
        generation,
        args.days,
        now_s,
    );
    let names = names::names(
        registry.valid(),
        &gateways(paths, &mut configuration),
        named.hosts.clone(),
    );
    let (bridge, names) =
        api::wait_for(async { Ok((look_at_bridge(args).await, names::gather(names).await)) })?;

    let answered = bridge.bridge.as_ref().ok();
    let status = writer
        .status
        .here()
        .filter(|status| status.state != "stopped");
    let processes = process::gather(&[
        ("ife-witnessd", status.map(|status| status.pid)),
        ("kamailio", kamailio.and_then(|gate| gate.pid)),
        ("ife-bridge", answered.and_then(|bridge| bridge.pid)),
    ]);
    let parts = versions_of(status, kamailio, answered);
    let abi = kamailio.and_then(|gate| rpc::number(&gate.status["abi"]));
    let files = files::gather(
        &paths.state_dir,
        &paths.log_dir,
        &paths.keys,
        &paths.registry,
        &named,
    );
    let certificates = certificates::gather(&named.certificates);
    let mut ports = ports_of_bridge(&named, answered.is_some());
    if gate.is_missed() {
        ports.extend(ports_of_kamailio(args, &mut configuration));
    }
    let reports = [
        configuration,
        versions::judge(env!("CARGO_PKG_VERSION"), &parts, abi),
        files::judge(&files),
        writer::judge(&writer),
        gate::judge(&gate),
        bridge::judge(&bridge),
        registry::judge(&registry),
        certificates::judge(&certificates, now_s, args.days),
        clock::judge(&clock::gather(&paths.log_dir, now_ms)),
        names::judge(&names),
        ports::judge(&ports::gather(ports)),
        process::judge(&processes),
    ];
    Ok(reports.into_iter().flat_map(Report::lines).collect())
}

/// The versions that the parts report.
fn versions_of(
    writer: Option<&writer::Status>,
    gate: Option<&gate::Gate>,
    bridge: Option<&bridge::Bridge>,
) -> [(&'static str, Option<String>); 3] {
    let of_gate = gate.and_then(|gate| gate.status["version"].as_str());
    [
        (
            "ife-witnessd",
            writer.and_then(|status| status.version.clone()),
        ),
        ("the gate in Kamailio", of_gate.map(str::to_owned)),
        (
            "ife-bridge",
            bridge.and_then(|bridge| bridge.version.clone()),
        ),
    ]
}

/// Files and addresses named by the bridge's and Kamailio's configurations.
fn named_files(paths: &DoctorPaths, report: &mut Report) -> Named {
    let mut named = Named::default();
    if let Some(yaml) = text_of(&paths.bridge_config, report) {
        let base = paths.bridge_config.parent().unwrap_or(Path::new("."));
        match config::named(&yaml, base) {
            Ok(found) => named = found,
            Err(why) => report.error(
                format!("{}: {why}", paths.bridge_config.display()),
                "ife-bridge check --config FILE; a bridge that runs keeps what it has read",
            ),
        }
    }
    if let Some(tls) = text_of(&paths.tls_config, report) {
        config::add_tls(&tls, &mut named);
    }
    let certificates = paths.certificates.iter();
    named
        .certificates
        .extend(certificates.map(|path| ("given by --certificate", path.clone())));
    named
}

/// The ports that the bridge is to have.
fn ports_of_bridge(named: &Named, runs: bool) -> Vec<ports::Wanted> {
    let wanted = |(of, is_udp, address)| ports::Wanted {
        of,
        program: "ife-bridge",
        runs,
        is_udp,
        address,
    };
    named.ports.iter().copied().map(wanted).collect()
}

/// The ports that a Kamailio which does not answer is to have.
fn ports_of_kamailio(args: &DoctorArgs, report: &mut Report) -> Vec<ports::Wanted> {
    let main = &args.paths.kamailio_config;
    let text = text_of(main, report).unwrap_or_default();
    let local = read_small(&main.with_file_name("kamailio-local.cfg")).unwrap_or_default();
    let local = String::from_utf8_lossy(&local);
    let listens = listeners::listeners(&text, &local).into_iter();
    let listens = listens.map(|(is_udp, address)| ("kamailio.cfg, listen", is_udp, address));
    let orders = ("--kamailio, RPC_SOCKET", true, args.kamailio);
    let wanted = |(of, is_udp, address)| ports::Wanted {
        of,
        program: "kamailio",
        runs: false,
        is_udp,
        address,
    };
    listens.chain([orders]).map(wanted).collect()
}

fn gateways(paths: &DoctorPaths, report: &mut Report) -> String {
    text_of(&paths.dispatcher, report).unwrap_or_default()
}

/// The text of a configuration that may be absent.
fn text_of(path: &Path, report: &mut Report) -> Option<String> {
    let text =
        read_small(path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    match Seen::of(path, text) {
        Seen::Here(text) => Some(text),
        Seen::Unreadable(why) => {
            report.unseen(why, AS_ROOT);
            None
        }
        Seen::Absent => {
            report.skipped(format!("no {}", path.display()));
            None
        }
    }
}

/// A regular file of bounded length.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(FILE_LEN_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(io::Error::other(format!(
            "longer than {FILE_LEN_MAX} bytes"
        )));
    }
    Ok(bytes)
}

async fn look_at_bridge(args: &DoctorArgs) -> bridge::Facts {
    let socket: Option<&PathBuf> = args.bridge.bridge.socket();
    let is_here = socket.is_none_or(|path| path.exists()) || args.paths.bridge_config.exists();
    let found = api::health(&args.bridge).await;
    let found = found.map(|(ready, version, pid)| bridge::Bridge {
        ready,
        version,
        pid,
    });
    bridge::Facts {
        bridge: found.map_err(|failure| failure.what),
        is_here,
    }
}
