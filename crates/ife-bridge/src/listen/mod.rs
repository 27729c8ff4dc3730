//! Where the API listens: a Unix socket by file permissions, TCP by bearer token, client
//! certificate, or both.

mod browser;
mod connections;
mod server;
mod tls;
mod token;

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, middleware};
use thiserror::Error;
use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tracing::{info, warn};

use crate::{config, metrics::Metrics, plain_file::FileError};
use connections::{Connections, Most, within_descriptors};
use server::{Server, Waits};
use token::Token;

/// Connections on the Unix socket, which are none of the TCP listeners'.
const UNIX_CONNECTIONS_MAX: u32 = 128;

/// Why the API cannot be offered there.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The socket cannot be opened.
    #[error("{address}: {source}")]
    Bind {
        /// Path, or address and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Another bridge answers there.
    #[error("{path}: another process listens here")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// A certificate, a key or the token cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Opens every socket of the configuration and serves the API there until `stop` turns true. The
/// set ends when all have. `pages` of experts need no token: they are served where the
/// configuration has, or else beside the API on TCP.
pub async fn serve(
    config: &config::Config,
    router: &Router,
    pages: Option<Router>,
    metrics: &Arc<Metrics>,
    stop: &watch::Receiver<bool>,
) -> Result<JoinSet<io::Result<()>>, ListenError> {
    let (listen, mut serving) = (&config.listen, JoinSet::new());
    let server = |router, most| Server {
        router,
        waits: Waits::default(),
        connections: Connections::new(most),
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    if let Some(path) = &listen.unix {
        let listener = unix(path).await?;
        info!(path = %path.display(), "listening");
        let most = Most {
            total: UNIX_CONNECTIONS_MAX,
            per_source: UNIX_CONNECTIONS_MAX,
        };
        let local = middleware::from_fn(browser::check_local);
        serving.spawn(server(router.clone().layer(local), most).unix(listener));
    }
    let own = config.evidence.as_ref();
    let own = own.and_then(|evidence| evidence.listen.as_ref());
    let listeners = u32::from(listen.tcp.is_some()) + u32::from(own.is_some());
    if let Some(tcp) = &listen.tcp {
        let mut all = guarded(router, tcp.token_file.as_deref())?;
        if let Some(pages) = pages.clone().filter(|_| own.is_none()) {
            all = all.merge(pages);
        }
        let server = server(all, most_of(tcp, listeners));
        serve_tcp(tcp, server, &mut serving).await?;
    }
    if let (Some(tcp), Some(pages)) = (own, pages) {
        let server = server(pages, most_of(tcp, listeners));
        serve_tcp(tcp, server, &mut serving).await?;
    }
    Ok(serving)
}

/// As configured, less where the process may not open as many files.
fn most_of(tcp: &config::Tcp, listeners: u32) -> Most {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let total = within_descriptors(tcp.connections_max, listeners, &limits);
    if total < tcp.connections_max {
        warn!(
            address = %tcp.address,
            "{total} connections at most, not {}: the limit of open files is low (LimitNOFILE= of \
            the unit)",
            tcp.connections_max
        );
    }
    Most {
        total,
        per_source: tcp.connections_per_source_max,
    }
}

async fn serve_tcp(
    tcp: &config::Tcp,
    server: Server,
    serving: &mut JoinSet<io::Result<()>>,
) -> Result<(), ListenError> {
    let listener = TcpListener::bind(tcp.address)
        .await
        .map_err(|source| ListenError::Bind {
            address: tcp.address.to_string(),
            source,
        })?;
    info!(address = %tcp.address, tls = tcp.tls.is_some(), "listening");
    let tls = tcp.tls.as_ref().map(tls::acceptor).transpose()?;
    serving.spawn(server.tcp(listener, tls));
    Ok(())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that no order to stop can come any more: stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads every file that listening needs, for `ife-bridge check`.
pub fn check(listen: &config::Listen) -> Result<(), ListenError> {
    listen.tcp.as_ref().map_or(Ok(()), check_tcp)
}

/// The same for one TCP listener.
pub fn check_tcp(tcp: &config::Tcp) -> Result<(), ListenError> {
    tcp.token_file.as_deref().map(Token::read).transpose()?;
    tcp.tls.as_ref().map(tls::acceptor).transpose()?;
    Ok(())
}

fn guarded(router: &Router, token_file: Option<&Path>) -> Result<Router, ListenError> {
    let Some(path) = token_file else {
        return Ok(router
            .clone()
            .layer(middleware::from_fn(browser::check_site)));
    };
    let token = Token::read(path)?;
    Ok(router
        .clone()
        .layer(middleware::from_fn(move |request, next| {
            let token = token.clone();
            async move { token.check(request, next).await }
        })))
}

/// A socket that a dead process left behind is replaced, one that answers is not.
async fn unix(path: &Path) -> Result<UnixListener, ListenError> {
    let bind = |source| ListenError::Bind {
        address: path.display().to_string(),
        source,
    };
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if UnixStream::connect(path).await.is_ok() {
            return Err(ListenError::InUse {
                path: path.to_owned(),
            });
        }
        fs::remove_file(path).map_err(bind)?;
    }
    let listener = UnixListener::bind(path).map_err(bind)?;
    // Only the owner can have connected before: the umask leaves others no right to write.
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(bind)?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
