//! One connection. Its reader does nothing but read into a bounded queue: Asterisk drops a manager
//! who is about 3,000 events behind.

use std::{net::SocketAddr, time::Duration};

use ife_engine::FromLink;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::tls::Connector;

/// Pieces of input that may wait for the engine.
pub(super) const PIECES_MAX: usize = 512;
/// Length of a piece.
const PIECE_LEN: usize = 16 * 1024;
/// Writes that may wait for the socket.
const WRITES_MAX: usize = 1_024;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Where to connect to.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Connector>,
}

/// A connection, closed when dropped.
#[derive(Debug)]
pub(super) struct Link {
    writes: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

type Inbox = mpsc::Sender<(u64, FromLink)>;

impl Link {
    pub(super) fn open(settings: Settings, number: u64, inbox: Inbox) -> Link {
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        let task = tokio::spawn(async move {
            let result = run(&settings, number, &inbox, queue).await;
            let error = result
                .err()
                .map(|error| format!("{}: {error}", settings.address));
            // An engine that is gone needs no word of it.
            let _ = inbox.send((number, FromLink::Closed(error))).await;
        });
        Link { writes, task }
    }

    /// False when the connection is gone, or its peer has stopped reading.
    pub(super) fn write(&self, bytes: Vec<u8>) -> bool {
        self.writes.try_send(bytes).is_ok()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    settings: &Settings,
    number: u64,
    inbox: &Inbox,
    queue: mpsc::Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    let connect = TcpStream::connect(settings.address);
    let socket = timeout(CONNECT_TIME_MAX, connect).await??;
    socket.set_nodelay(true)?;
    // Bytes that Asterisk has not taken when the connection is given up must not reach it later:
    // the session has answered them as lost.
    socket.set_zero_linger()?;
    match &settings.tls {
        None => exchange(socket, number, inbox, queue).await,
        Some(tls) => {
            let stream = timeout(CONNECT_TIME_MAX, tls.connect(socket)).await??;
            exchange(stream, number, inbox, queue).await
        }
    }
}

/// Until either side is done.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite,
    number: u64,
    inbox: &Inbox,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    let (input, mut output) = split(stream);
    if inbox.send((number, FromLink::Opened)).await.is_err() {
        return Ok(());
    }
    let write = async {
        while let Some(bytes) = queue.recv().await {
            output.write_all(&bytes).await?;
            output.flush().await?;
        }
        Ok(())
    };
    tokio::select! {
        result = read(input, number, inbox) => result,
        result = write => result,
    }
}

async fn read(
    mut input: impl AsyncRead + Unpin,
    number: u64,
    inbox: &Inbox,
) -> std::io::Result<()> {
    let mut buffer = vec![0; PIECE_LEN];
    let mut lost = false;
    loop {
        let len = input.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        if lost && inbox.try_send((number, FromLink::LostBytes)).is_err() {
            continue;
        }
        let piece = FromLink::Bytes(buffer[..len].into());
        lost = match inbox.try_send((number, piece)) {
            Ok(()) => false,
            Err(mpsc::error::TrySendError::Full(_)) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_loses_bytes_and_says_so() {
        let (inbox, mut pieces) = mpsc::channel(2);
        // The pipe holds one byte, so each is read before the next is written.
        let (mut near, far) = tokio::io::duplex(1);
        let reader = tokio::spawn(async move { read(far, 3, &inbox).await });
        near.write_all(b"abcd").await.expect("the pipe is open");
        let mut got = Vec::new();
        for _ in 0..2 {
            got.push(format!("{:?}", pieces.recv().await.expect("a piece").1));
        }
        near.write_all(b"e").await.expect("the pipe is open");
        got.push(format!("{:?}", pieces.recv().await.expect("a piece").1));
        drop((near, pieces));
        reader.await.expect("no panic").expect("no error");
        assert_eq!(got, ["Bytes([97])", "Bytes([98])", "LostBytes"]);
    }
}
