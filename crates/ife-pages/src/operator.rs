//! The operator's page, `web/operator`.

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use crate::media_type;

/// Nothing but the page's own files and the API it came from; no inline script or style, and no way
/// to make markup from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! files {
    ($($name:literal from $path:literal),* $(,)?) => {
        /// Every file of the page, by name.
        const FILES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../web/", $path)))),*];
    };
}

files! {
    "index.html" from "operator/index.html",
    "icon.svg" from "operator/icon.svg",
    "theme.css" from "common/theme.css",
    "page.css" from "operator/page.css",
    "app.js" from "operator/app.js",
    "api.js" from "operator/api.js",
    "sse.js" from "operator/sse.js",
    "dom.js" from "operator/dom.js",
    "words.js" from "operator/words.js",
    "calls.js" from "operator/calls.js",
    "rooms.js" from "operator/rooms.js",
    "health.js" from "operator/health.js",
    "search.js" from "operator/search.js",
    "story.js" from "operator/story.js",
    "ladder.js" from "operator/ladder.js",
    "draw.js" from "operator/draw.js",
    "geometry.js" from "operator/geometry.js",
    "chart.js" from "operator/chart.js",
}

/// `/ui` and its files. They hold no data, so they need no token: the page asks for it.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui", get(|| async { Redirect::permanent("/ui/") }))
        .route("/ui/", get(|| async { file("index.html") }))
        .route(
            "/ui/{file}",
            get(|Path(name): Path<String>| async move { file(&name) }),
        )
}

/// Whether a path is one of the page's, which are for everybody.
pub fn is_public(path: &str) -> bool {
    path == "/" || path == "/ui" || path.starts_with("/ui/")
}

fn file(name: &str) -> Response {
    let Some((name, bytes)) = FILES.iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, media_type(name)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, *bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_page_are_served_with_their_kind_and_a_strict_policy() {
        for (name, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("page.css", "text/css; charset=utf-8"),
            ("icon.svg", "image/svg+xml"),
        ] {
            let response = file(name);
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CONTENT_TYPE], kind);
            let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
            assert!(!policy.to_str().expect("ASCII").contains("unsafe"));
        }
        for name in ["", "..", "../Cargo.toml", "ladder.test.js"] {
            assert_eq!(file(name).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_there() {
        let html = FILES.iter().find(|(name, _)| *name == "index.html");
        let html = String::from_utf8_lossy(html.expect("it is there").1);
        let mut names = 0;
        for part in html.split("\"/ui/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert_eq!(file(name).status(), StatusCode::OK, "{name}");
            names += 1;
        }
        assert!(names >= 4, "{names}");
        for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            let text = String::from_utf8_lossy(bytes);
            for part in text.split(" from \"./").skip(1) {
                let wanted = part.split('"').next().unwrap_or_default();
                assert_eq!(file(wanted).status(), StatusCode::OK, "{name}: {wanted}");
            }
        }
    }
}
