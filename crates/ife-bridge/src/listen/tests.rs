use std::{io::Write, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::Request,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
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
        .merge(ife_pages::operator::routes())
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
        // The page's files hold no data; any other path is behind the token or not there.
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

/// Longer than any of the waits that a test sets.
const PATIENCE: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3_600);

/// A listener with so many places for a source, and what ends it.
async fn listening(waits: Waits, per_source: u32) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = watch::channel(false);
    let most = Most {
        total: 100,
        per_source,
    };
    let server = Server {
        router: router().route("/v1/messages", post(|body: Bytes| async move { body })),
        waits,
        connections: Connections::new(most),
        metrics: Arc::default(),
        stop: stopped,
    };
    tokio::spawn(server.tcp(listener, None));
    (address, stop)
}

fn patient() -> Waits {
    Waits {
        handshake: LONG,
        head: LONG,
        body: LONG,
    }
}

async fn sends(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // A listener that has no place closes at once: the bytes sent then do not matter.
    let _ = stream.write_all(text.as_bytes()).await;
    stream
}

/// All that comes until the other side closes.
async fn told(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut text));
    // A reset is an end as well.
    let _ = read.await.expect("the connection is closed in time");
    String::from_utf8_lossy(&text).into_owned()
}

const WHOLE: &str = "GET /healthz HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n\r\n";
const HALF: &str = "GET /healthz HTTP/1.1\r\nHost: br";

#[tokio::test]
async fn half_sent_requests_of_one_source_fill_its_places_and_no_more() {
    let (address, _stop) = listening(patient(), 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(sends(address, HALF).await);
    }
    assert_eq!(told(sends(address, WHOLE).await).await, "", "a fourth");
    drop(held.pop());
    let wait = async {
        while !told(sends(address, WHOLE).await).await.contains(" 200 ") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait)
        .await
        .expect("a place is free again");
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let waits = Waits {
        head: Duration::from_millis(50),
        ..patient()
    };
    let (address, _stop) = listening(waits, 3).await;
    let held = [sends(address, HALF).await, sends(address, "").await];
    for stream in held {
        assert!(!told(stream).await.contains(" 200 "));
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let waits = Waits {
        body: Duration::from_millis(50),
        ..patient()
    };
    let (address, _stop) = listening(waits, 3).await;
    let head = "POST /v1/messages HTTP/1.1\r\nHost: bridge\r\nConnection: \
               close\r\nContent-Length: 2\r\n\r\n";
    let half = told(sends(address, &format!("{head}a")).await).await;
    assert!(half.starts_with("HTTP/1.1 400 "), "{half}");
    let whole = told(sends(address, &format!("{head}ab")).await).await;
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
}

#[tokio::test]
async fn a_server_that_stops_answers_what_it_has_and_takes_no_more() {
    let (address, stop) = listening(patient(), 3).await;
    let idle = sends(address, "").await;
    stop.send(true).expect("it listens");
    assert_eq!(told(idle).await, "");
    let wait = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, wait).await.expect("nobody listens");
}
