//! Versions of the parts: those of one build belong together.

use super::report::Report;

/// A part and its version; `None` where the part does not report it.
pub(super) type Part = (&'static str, Option<String>);

/// Judges versions against that of this program.
pub(super) fn judge(own: &str, parts: &[Part], abi: Option<u64>) -> Report {
    let mut report = Report::new("versions");
    let known = || {
        parts
            .iter()
            .filter_map(|(who, version)| Some((*who, version.as_deref()?)))
    };
    for (who, version) in known() {
        if version != own {
            report.warning(
                format!("{who} is {version}, ifectl is {own}"),
                "install all parts from one release and restart what is older (docs/operations.md, \
                 Upgrading)",
            );
        }
    }
    let names: Vec<&str> = known().map(|(who, _)| who).collect();
    if names.is_empty() {
        report.skipped(format!("ifectl {own}; no other part tells its version"));
        return report;
    }
    // Module and library compare their ABI at the start and refuse each other.
    let abi = abi.map_or(String::new(), |abi| {
        format!("; ABI of module and library {abi}")
    });
    report.fine_otherwise(format!("ifectl, {}: {own}{abi}", names.join(", ")));
    report
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    #[test]
    fn versions_of_one_build_agree() {
        let part = |version: &str| ("ife-bridge", Some(version.to_owned()));
        let gate = ("the gate", None);
        assert_eq!(
            told(judge("1.0.0", &[part("1.0.0"), gate.clone()], Some(3))),
            ["ok ifectl, ife-bridge: 1.0.0; ABI of module and library 3"]
        );
        assert_eq!(
            told(judge("1.0.0", &[part("1.1.0"), gate.clone()], None)),
            ["warning ife-bridge is 1.1.0, ifectl is 1.0.0"]
        );
        assert!(told(judge("1.0.0", &[gate], None))[0].starts_with("skipped"));
    }
}
