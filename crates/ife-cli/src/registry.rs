//! `ifectl registry check`.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ife_guard::{
    Registry, RegistryErrors,
    registry::{self, Status, Validity, limits::FILE_LEN_MAX},
};
use ife_words::time;
use serde_json::{Value, json};

use crate::{
    Failure, Outcome,
    cli::{RegistryArgs, RegistryCommand},
    output::Output,
    text,
};

/// `O_NONBLOCK` of open(2), the same on all architectures that Kamailio runs on but MIPS, Alpha,
/// PA-RISC and SPARC.
const O_NONBLOCK: i32 = 0o4000;

pub(crate) fn run(args: &RegistryArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let RegistryCommand::Check { file } = &args.command;
    let yaml = read_registry(file)?;
    match registry::load(&yaml, &file.display().to_string()) {
        Ok(registry) => report(file, &registry, out)?,
        Err(errors) => {
            refuse(&errors, out)?;
            return Ok(Outcome::No);
        }
    }
    Ok(Outcome::Yes)
}

/// Loads a registry for another subcommand; an invalid one is a failure.
pub(crate) fn load(file: &Path) -> Result<Registry, Failure> {
    let yaml = read_registry(file)?;
    registry::load(&yaml, &file.display().to_string()).map_err(|errors| {
        Failure::no(errors.to_string()).hint("the gate would refuse this registry")
    })
}

/// A registry: a regular file of bounded length, or stdin for `-`.
fn read_registry(file: &Path) -> Result<String, Failure> {
    let fail = |error: io::Error| Failure::io(file, "read it", &error);
    if file == Path::new("-") {
        return read_text(file);
    }
    // A pipe without a writer must not hold us up.
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(file)
        .map_err(fail)?;
    if !opened.metadata().map_err(fail)?.is_file() {
        let text = format!("{}: not a regular file", file.display());
        return Err(Failure::no(text).hint("a registry from a pipe is read as `-`"));
    }
    utf8(file, read_bounded(file, opened, FILE_LEN_MAX)?)
}

/// A text file, or stdin for `-`.
pub(crate) fn read_text(file: &Path) -> Result<String, Failure> {
    utf8(file, read_bytes(file, FILE_LEN_MAX)?)
}

fn utf8(file: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Failure::no(format!("{}: not UTF-8 at byte {offset}", file.display()))
    })
}

/// A file of at most `len_max` bytes, or stdin for `-`.
pub(crate) fn read_bytes(file: &Path, len_max: u64) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        return read_bounded(file, io::stdin().lock(), len_max);
    }
    let opened = fs::File::open(file).map_err(|error| Failure::io(file, "read it", &error))?;
    read_bounded(file, opened, len_max)
}

fn read_bounded(file: &Path, from: impl Read, len_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(len_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(file, "read it", &error))?;
    if bytes.len() as u64 > len_max {
        return Err(Failure::no(format!(
            "{}: longer than {len_max} bytes",
            file.display()
        )));
    }
    Ok(bytes)
}

fn refuse(errors: &RegistryErrors, out: &mut Output) -> Result<(), Failure> {
    if out.json() {
        let listed = errors.errors.iter().map(|error| {
            json!({"file": error.file, "line": error.line, "column": error.column,
            "path": error.path,
                   "message": error.message, "hint": error.hint})
        });
        let listed: Vec<Value> = listed.collect();
        return out.value(&json!({"valid": false, "errors": listed, "more": errors.more}));
    }
    for line in errors.to_string().lines() {
        out.line(text::harmless(line))?;
    }
    let count = errors.errors.len() + errors.more;
    out.line(format!(
        "{}: the gate would not start with this registry",
        text::counted(count as u64, "error", "errors")
    ))
}

fn report(file: &Path, registry: &Registry, out: &mut Output) -> Result<(), Failure> {
    let active = registry
        .experts
        .iter()
        .filter(|expert| expert.status == Status::Active)
        .count();
    let warnings = warnings(registry, text::unix_now());
    if out.json() {
        return out.value(&json!({
            "valid": true, "experts": registry.experts.len(), "active_experts": active,
            "councils": registry.councils.len(),
            "hazards": registry.hazards.len(), "freshness_s": registry.freshness_s,
            "warnings": warnings,
        }));
    }
    out.line(format!(
        "{}: valid: {} ({active} active), {}, {}, signatures good for {} s",
        file.display(),
        text::counted(registry.experts.len() as u64, "expert", "experts"),
        text::counted(registry.councils.len() as u64, "council", "councils"),
        text::counted(registry.hazards.len() as u64, "hazard", "hazards"),
        registry.freshness_s,
    ))?;
    warnings
        .iter()
        .try_for_each(|warning| out.line(format!("warning: {}", text::harmless(warning))))
}

/// Allowed and probably not meant: no expert answers for a hazard, or keys that are out of
/// their time.
fn warnings(registry: &Registry, now: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    for hazard in &registry.hazards {
        if registry.expert_for_hazard(&hazard.name).is_none() {
            warnings.push(format!(
                "hazard {}: no active expert is in charge of it",
                hazard.name
            ));
        }
    }
    let councils = registry.councils.iter().map(|council| {
        (
            format!("council {}", council.domain),
            &council.party.signers,
        )
    });
    let experts = registry
        .experts
        .iter()
        .map(|expert| (format!("expert {}", expert.id), &expert.party.signers));
    for (who, signers) in councils.chain(experts) {
        for signer in signers
            .iter()
            .filter(|signer| signer.status == Status::Active)
        {
            warnings.extend(
                out_of_time(signer.validity, now)
                    .map(|when| format!("{who}: key {} {when}", signer.kid)),
            );
        }
    }
    for expert in registry
        .experts
        .iter()
        .filter(|expert| expert.status == Status::Active)
    {
        warnings.extend(
            out_of_time(expert.validity, now).map(|when| format!("expert {} {when}", expert.id)),
        );
    }
    warnings
}

fn out_of_time(validity: Validity, now: u64) -> Option<String> {
    if now > validity.not_after {
        Some(format!("expired {}", time::of_s(validity.not_after)))
    } else if now < validity.not_before {
        Some(format!(
            "is not valid before {}",
            time::of_s(validity.not_before)
        ))
    } else {
        None
    }
}
