//! Names and media types.

/// The part after the last slash, query and fragment left out, with what cannot be shown replaced;
/// a URI without a path is named by its host.
pub(super) fn last_part(name: &str) -> String {
    let path = match name.split_once("://") {
        Some((_, rest)) => rest.split(['?', '#']).next().unwrap_or_default(),
        None => name,
    };
    let part = path.rsplit('/').find(|part| !part.is_empty());
    let part = part.unwrap_or_default();
    let shown: String = part
        .chars()
        .map(|c| if c.is_control() || c == '\\' { '_' } else { c })
        .collect();
    let mut end = shown.len().min(255);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    shown[..end].to_owned()
}

/// Media type by the ending of a name.
pub(super) fn of_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "flac" => "audio/flac",
        "gif" => "image/gif",
        "htm" | "html" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "log" | "txt" => "text/plain",
        "m4a" => "audio/mp4",
        "markdown" | "md" => "text/markdown",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "ogg" | "opus" => "audio/ogg",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "webp" => "image/webp",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

/// The type of a `Content-Type` without its parameters; by the name where the host sends none that
/// can be used.
pub(super) fn of_header(header: Option<&str>, name: &str) -> String {
    let essence = header.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let is_type = essence.len() <= 127
        && essence
            .split_once('/')
            .is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    if is_type && essence != "application/octet-stream" {
        essence
    } else {
        of_name(name).to_owned()
    }
}

/// Whether a type is one of those that are taken: `type/subtype` or `type/*`.
pub(super) fn is_taken(kind: &str, taken: &[String]) -> bool {
    let (main, _) = kind.split_once('/').unwrap_or((kind, ""));
    taken.iter().any(|one| {
        one.eq_ignore_ascii_case(kind)
            || one
                .strip_suffix("/*")
                .is_some_and(|one| one.eq_ignore_ascii_case(main))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_last_parts_that_can_be_shown() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("/var/lib/evidence/a b.txt", "a b.txt"),
            ("https://files.example/x/photo.jpg?size=1#top", "photo.jpg"),
            ("https://files.example/", "files.example"),
            ("..\\..\\boot.ini", ".._.._boot.ini"),
            ("a/\u{7}bell", "_bell"),
            ("", ""),
        ];
        for (name, shown) in cases {
            assert_eq!(last_part(name), shown);
        }
        assert_eq!(last_part(&"\u{e4}".repeat(200)).len(), 254);
    }

    #[test]
    fn types_come_from_the_host_or_from_the_name() {
        let cases = [
            (Some("Text/HTML; charset=utf-8"), "a.pdf", "text/html"),
            (Some("application/octet-stream"), "a.pdf", "application/pdf"),
            (Some("nonsense"), "a.MD", "text/markdown"),
            (Some("text/<script>"), "a", "application/octet-stream"),
            (None, "a.png", "image/png"),
        ];
        for (header, name, kind) in cases {
            assert_eq!(of_header(header, name), kind);
        }
    }

    #[test]
    fn types_are_taken_by_name_or_by_family() {
        let taken = ["image/*".to_owned(), "application/pdf".to_owned()];
        assert!(is_taken("image/png", &taken) && is_taken("application/pdf", &taken));
        assert!(!is_taken("application/zip", &taken) && !is_taken("imagine/png", &taken));
    }
}
