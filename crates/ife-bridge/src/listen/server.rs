//! HTTP/1.1 on one listener. Every wait for a client is bounded: for its handshake, its request's
//! head, its request's body.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    middleware,
};
use hyper::{body::Frame, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::watch,
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::{
    connections::{ConnectionSlot, Connections},
    stopped,
};
use crate::metrics::Metrics;

/// Bytes of a request's head at most, and of bytes read ahead of a body.
const HEAD_LEN_MAX: usize = 64 * 1024;
/// After an accept that failed: out of descriptors, as a rule, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// For the TLS handshake.
    pub(super) handshake: Duration,
    /// For the whole head of a request, or, between two requests, for the next one.
    pub(super) head: Duration,
    /// For the whole body of a request.
    pub(super) body: Duration,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
        }
    }
}

/// State that the listeners share, each with its own connections.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) waits: Waits,
    pub(super) connections: Arc<Connections>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Server {
    /// Serves a TCP listener, by TLS or not, until `stop`.
    pub(super) async fn tcp(
        self,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<()> {
        let mut serving = JoinSet::new();
        while let Some(accepted) = self.next(listener.accept(), &mut serving).await {
            let Ok((socket, peer)) = accepted else {
                continue;
            };
            let Some(place) = self.place(peer.ip()) else {
                continue;
            };
            let (server, tls) = (self.clone(), tls.clone());
            serving.spawn(async move {
                match tls {
                    None => server.exchange(socket, place).await,
                    Some(tls) => match timeout(server.waits.handshake, tls.accept(socket)).await {
                        Ok(Ok(stream)) => server.exchange(stream, place).await,
                        Ok(Err(error)) => debug!("TLS: {error}"),
                        Err(_) => debug!("TLS: no handshake in time"),
                    },
                }
            });
        }
        drop(listener);
        while serving.join_next().await.is_some() {}
        Ok(())
    }

    /// Serves a Unix socket until `stop`.
    pub(super) async fn unix(self, listener: UnixListener) -> io::Result<()> {
        let local = std::net::Ipv4Addr::LOCALHOST.into();
        let mut serving = JoinSet::new();
        while let Some(accepted) = self.next(listener.accept(), &mut serving).await {
            let Ok((socket, _)) = accepted else {
                continue;
            };
            let Some(place) = self.place(local) else {
                continue;
            };
            let server = self.clone();
            serving.spawn(async move { server.exchange(socket, place).await });
        }
        drop(listener);
        while serving.join_next().await.is_some() {}
        Ok(())
    }

    /// The next connection, or its failure after a pause; `None` when the server is to stop.
    async fn next<T>(
        &self,
        accept: impl Future<Output = io::Result<T>>,
        serving: &mut JoinSet<()>,
    ) -> Option<io::Result<T>> {
        let mut accept = pin!(accept);
        loop {
            tokio::select! {
                accepted = &mut accept => {
                    if let Err(error) = &accepted {
                        debug!("cannot accept: {error}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                    return Some(accepted);
                }
                // Those that are done make room in the set.
                Some(_) = serving.join_next() => {}
                () = stopped(self.stop.clone()) => return None,
            }
        }
    }

    fn place(&self, from: std::net::IpAddr) -> Option<ConnectionSlot> {
        let place = self.connections.admit(from);
        if place.is_none() {
            self.metrics.connections_refused.inc();
            debug!("a connection is closed: its source, or the listener, has as many as it may");
        }
        place
    }

    /// Requests and responses of one connection, whose place is kept until its end.
    async fn exchange(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        place: ConnectionSlot,
    ) {
        let body_max = self.waits.body;
        let timed = middleware::map_request(move |request: Request| async move {
            request.map(|body| Body::new(Timed::new(body, body_max)))
        });
        let service = TowerToHyperService::new(self.router.layer(timed));
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.waits.head)
            .max_buf_size(HEAD_LEN_MAX);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = stopped(self.stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            debug!("HTTP: {error}");
        }
        drop(place);
    }
}

/// Copies the bytes. A slice keeps the read buffer that it came in: a body that comes a byte at a
/// time would keep one for each byte.
fn detached(data: Bytes) -> Bytes {
    Bytes::copy_from_slice(&data)
}

/// A request's body that has to be whole in time.
struct Timed {
    body: Body,
    late: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(body: Body, time_max: Duration) -> Timed {
        Timed {
            body,
            late: Box::pin(sleep(time_max)),
        }
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending() && self.late.as_mut().poll(context).is_ready() {
            let late = io::Error::new(io::ErrorKind::TimedOut, "the body did not come in time");
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        }
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(detached))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
