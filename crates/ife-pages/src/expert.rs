//! The expert's page and its modules, `web/expert`.

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::media_type;

/// One file: its path below `/e/assets/`, and its bytes.
type Asset = (&'static str, &'static [u8]);

/// A list of files of `web/`.
macro_rules! assets {
    ($($path:literal)*) => {
        &[$(($path, include_bytes!(concat!("../web/", $path)).as_slice()),)*]
    };
}

static PAGE: &[u8] = include_bytes!("../web/expert/index.html");
static PASSKEY_PAGE: &[u8] = include_bytes!("../web/expert/passkey.html");
static ASSETS: &[Asset] = assets! {
    "common/theme.css"
    "expert/decision.js"
    "expert/icon.svg"
    "expert/main.js"
    "expert/messages.js"
    "expert/passkey.js"
    "expert/progress.js"
    "expert/protocol/candidates.js"
    "expert/protocol/crypto.js"
    "expert/protocol/encoding.js"
    "expert/protocol/entry.js"
    "expert/protocol/envelope.js"
    "expert/protocol/frame.js"
    "expert/protocol/manifest.js"
    "expert/protocol/proof.js"
    "expert/protocol/receiver.js"
    "expert/session.js"
    "expert/store.js"
    "expert/style.css"
    "expert/tab.js"
    "expert/transport.js"
    "expert/view/decision.js"
    "expert/view/accept.js"
    "expert/view/dom.js"
    "expert/view/files.js"
    "expert/view/format.js"
    "expert/view/messages.js"
    "expert/view/notices.js"
    "expert/view/page.js"
    "expert/view/preview.js"
    "expert/view/proof.js"
    "vendor/canonicalize/canonicalize.js"
    "vendor/dompurify/purify.es.mjs"
    "vendor/marked/marked.esm.js"
    "vendor/noble-ed25519/index.js"
    "vendor/noble-hashes/_md.js"
    "vendor/noble-hashes/_u64.js"
    "vendor/noble-hashes/sha2.js"
    "vendor/noble-hashes/utils.js"
    "vendor/pdfjs/pdf.min.mjs"
    "vendor/pdfjs/pdf.worker.min.mjs"
};

/// Scripts and styles of this origin alone, none inline; pictures and sound only from verified
/// bytes (`blob:`); no page frames this one, and it frames none. Strings become scripts nowhere:
/// the two policies are the sanitizer's and the one for the PDF worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; \
     style-src 'self'; img-src 'self' blob:; media-src blob:; font-src blob: data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types dompurify ife-worker";

/// `GET /e/{session}`, `GET /e/passkey` and `GET /e/assets/...`. The page is the same for every
/// session and reveals nothing about any.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new()
        .route("/e/{session}", served("index.html", PAGE))
        .route("/e/passkey", served("passkey.html", PASSKEY_PAGE));
    for &(path, bytes) in ASSETS {
        router = router.route(&format!("/e/assets/{path}"), served(path, bytes));
    }
    router
}

/// One file. Browsers ask each time and are answered 304 when theirs is still good, so that page
/// and modules are of one version.
fn served<S: Clone + Send + Sync + 'static>(
    path: &'static str,
    bytes: &'static [u8],
) -> MethodRouter<S> {
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)));
    get(move |asked: HeaderMap| async move {
        let head = [
            (header::CONTENT_TYPE, media_type(path).to_owned()),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
            (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
            (header::ETAG, tag.clone()),
        ];
        let same = asked
            .get(header::IF_NONE_MATCH)
            .is_some_and(|theirs| theirs.as_bytes() == tag.as_bytes());
        if same {
            (StatusCode::NOT_MODIFIED, head).into_response()
        } else {
            (head, bytes).into_response()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use axum::{body::Body, extract::Request, http::HeaderValue, response::Response};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::secured;

    async fn ask(path: &str, tag: Option<&HeaderValue>) -> Response {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).expect("a request");
        let router = router::<()>().layer(axum::middleware::from_fn(secured));
        router.oneshot(request).await.expect("infallible")
    }

    /// Files below a folder that a browser loads.
    fn files(folder: &Path, found: &mut BTreeSet<String>, root: &Path) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files(&path, found, root);
            } else if !path.ends_with("README.md") && !path.ends_with("LICENSE") {
                let name = path.strip_prefix(root).expect("below the root");
                found.insert(name.to_str().expect("ASCII").to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let mut found = BTreeSet::new();
        for folder in ["common", "expert", "vendor"] {
            files(&root.join(folder), &mut found, &root);
        }
        let mut listed: BTreeSet<_> = ASSETS.iter().map(|(path, _)| (*path).to_owned()).collect();
        listed.extend(["expert/index.html", "expert/passkey.html"].map(str::to_owned));
        assert_eq!(found, listed);
    }

    #[tokio::test]
    async fn everything_comes_under_the_policy_and_with_its_type() {
        let cases = [
            ("/e/AAAAAAAAAAAAAAAAAAAAAA", "text/html; charset=utf-8"),
            ("/e/passkey", "text/html; charset=utf-8"),
            ("/e/assets/expert/main.js", "text/javascript; charset=utf-8"),
            ("/e/assets/expert/style.css", "text/css; charset=utf-8"),
            (
                "/e/assets/vendor/pdfjs/pdf.min.mjs",
                "text/javascript; charset=utf-8",
            ),
        ];
        for (path, media_type) in cases {
            let response = ask(path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], media_type);
            assert_eq!(response.headers()["content-security-policy"], POLICY);
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        }
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let first = ask("/e/assets/expert/main.js", None).await;
        let again = ask(
            "/e/assets/expert/main.js",
            Some(&first.headers()[header::ETAG]),
        )
        .await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let body = again.into_body().collect().await.expect("a body");
        assert!(body.to_bytes().is_empty());
    }

    #[test]
    fn the_page_has_nothing_inline_and_loads_from_nowhere_else() {
        let page = std::str::from_utf8(PAGE).expect("UTF-8");
        for bad in ["<style", "style=", "onclick", "http:", "https:", "//"] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("<script type=\"module\" src=\"assets/"));
    }
}
