use std::io::Write;

use axum::{Router, body::Body, http::Request, routing::get};
use tower::ServiceExt;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("there is room");
    file
}

fn router() -> Router {
    Router::new()
        .route("/v1/calls", get(|| async { "calls" }))
        .route("/healthz", get(|| async { "live" }))
        .merge(crate::ui::page::routes())
}

async fn status(router: &Router, path: &str, authorization: Option<&str>) -> u16 {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("a response");
    response.status().as_u16()
}

#[tokio::test]
async fn tcp_wants_the_token_and_liveness_is_for_everybody() {
    let token = file(&format!("{TOKEN}\n"));
    let router = guarded(&router(), Some(token.path())).expect("a good token");
    let right = format!("bearer {TOKEN}");
    let cases = [
        ("/v1/calls", None, 401),
        (
            "/v1/calls",
            Some("Bearer 0123456789abcdef0123456789abcdeX"),
            401,
        ),
        (
            "/v1/calls",
            Some("Basic 0123456789abcdef0123456789abcdef"),
            401,
        ),
        ("/v1/calls", Some("Bearer"), 401),
        ("/v1/calls", Some(right.as_str()), 200),
        ("/healthz", None, 200),
        // The page's files hold no data; what is not one of them is behind the token or not there.
        ("/ui/", None, 200),
        ("/ui/app.js", None, 200),
        ("/ui/../v1/calls", None, 404),
        ("/uix", None, 401),
    ];
    for (path, authorization, wanted) in cases {
        assert_eq!(
            status(&router, path, authorization).await,
            wanted,
            "{authorization:?}"
        );
    }
}

#[test]
fn a_short_token_is_refused() {
    let token = file("secret\n");
    let error = guarded(&router(), Some(token.path())).expect_err("it is short");
    assert!(error.to_string().contains("at least 32"), "{error}");
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bridge.sock");
    drop(UnixListener::bind(&path).expect("it binds"));
    let living = unix(&path).await.expect("nobody answers there");
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    assert!(matches!(unix(&path).await, Err(ListenError::InUse { .. })));
    drop(living);
}
