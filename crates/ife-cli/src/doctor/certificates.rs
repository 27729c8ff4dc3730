//! Dates of certificates.

use std::path::{Path, PathBuf};

use ife_words::time;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{Certificate, der::Decode};

use super::{
    report::Report,
    seen::{AS_ROOT, Seen},
};

const DAY_S: u64 = 86_400;
/// Certificates of one file; a system's bundle has some 150.
const CERTIFICATES_MAX: usize = 512;

/// Subject and dates of a certificate, Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dates {
    subject: String,
    not_before: u64,
    not_after: u64,
}

/// A file that a configuration names.
#[derive(Debug)]
pub(super) struct FileFacts {
    of: &'static str,
    path: PathBuf,
    dates: Seen<Vec<Dates>>,
}

/// Judges the dates.
pub(super) fn judge(files: &[FileFacts], now_s: u64, days: u64) -> Report {
    let mut report = Report::new("certificates");
    let mut count = 0_usize;
    for FileFacts { of, path, dates } in files {
        let shown = path.display();
        match dates {
            Seen::Absent => report.error(
                format!("{shown}: {of} is not there"),
                "restore it, or correct bridge.yaml or tls.cfg",
            ),
            Seen::Unreadable(why) => report.unseen(why.clone(), AS_ROOT),
            Seen::Here(dates) => {
                count += dates.len();
                for one in dates {
                    judge_one(
                        &format!("{shown}: {of}, {}", one.subject),
                        one,
                        now_s,
                        days,
                        &mut report,
                    );
                }
            }
        }
    }
    if files.is_empty() {
        report.skipped("neither bridge.yaml nor tls.cfg names a certificate");
    } else {
        report.fine_otherwise(format!(
            "{count} in {} file(s), none expires within {days} days",
            files.len()
        ));
    }
    report
}

fn judge_one(who: &str, dates: &Dates, now_s: u64, days: u64, report: &mut Report) {
    const RENEW: &str = "renew it; then `kamcmd tls.reload`, or systemctl restart ife-bridge";
    let end = time::of_s(dates.not_after);
    if now_s > dates.not_after {
        report.error(format!("{who}, expired {end}"), RENEW);
    } else if dates.not_after - now_s <= days.saturating_mul(DAY_S) {
        report.warning(format!("{who}, expires {end}"), RENEW);
    }
    if now_s < dates.not_before {
        let begin = time::of_s(dates.not_before);
        report.error(
            format!("{who}, is not valid before {begin}"),
            "is the host's clock right?",
        );
    }
}

/// Reads the files.
pub(super) fn gather(named: &[(&'static str, PathBuf)]) -> Vec<FileFacts> {
    let look = |(of, path): &(&'static str, PathBuf)| FileFacts {
        of,
        path: path.clone(),
        dates: look(path),
    };
    named.iter().map(look).collect()
}

fn look(path: &Path) -> Seen<Vec<Dates>> {
    let pem = match Seen::of(path, super::read_small(path)) {
        Seen::Absent => return Seen::Absent,
        Seen::Unreadable(why) => return Seen::Unreadable(why),
        Seen::Here(pem) => pem,
    };
    match dates(&pem) {
        Ok(dates) => Seen::Here(dates),
        Err(why) => Seen::Unreadable(format!("{}: {why}", path.display())),
    }
}

fn dates(pem: &[u8]) -> Result<Vec<Dates>, String> {
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem).take(CERTIFICATES_MAX) {
        let der = der.map_err(|error| format!("not certificates in PEM: {error}"))?;
        let certificate =
            Certificate::from_der(&der).map_err(|error| format!("not a certificate: {error}"))?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        found.push(Dates {
            subject: certificate.subject().to_string(),
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
        });
    }
    if found.is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    const NOW_S: u64 = 1_800_000_000;

    fn file(not_before: u64, not_after: u64) -> FileFacts {
        let dates = Dates {
            subject: "CN=a".into(),
            not_before,
            not_after,
        };
        FileFacts {
            of: "a certificate",
            path: "/c.pem".into(),
            dates: Seen::Here(vec![dates]),
        }
    }

    #[test]
    fn dates_are_judged() {
        for (not_before, not_after, wanted) in [
            (
                0,
                NOW_S + 31 * DAY_S,
                "ok 1 in 1 file(s), none expires within 30 days",
            ),
            (
                0,
                NOW_S + DAY_S,
                "warning /c.pem: a certificate, CN=a, expires 2027-01-16T08:00:00Z",
            ),
            (
                0,
                NOW_S - 1,
                "error /c.pem: a certificate, CN=a, expired 2027-01-15T07:59:59Z",
            ),
            (
                NOW_S + DAY_S,
                u64::MAX,
                "error /c.pem: a certificate, CN=a, is not valid before 2027-01-16T08:00:00Z",
            ),
        ] {
            assert_eq!(
                told(judge(&[file(not_before, not_after)], NOW_S, 30)),
                [wanted]
            );
        }
    }

    #[test]
    fn a_file_that_is_named_must_be_there_and_hold_certificates() {
        let mut absent = file(0, 1);
        absent.dates = Seen::Absent;
        assert_eq!(
            told(judge(&[absent], NOW_S, 30)),
            ["error /c.pem: a certificate is not there"]
        );
        for bad in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(dates(bad).is_err(), "{bad:?}");
        }
    }
}
