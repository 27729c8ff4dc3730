//! The one UDP port of all sessions. Datagrams of one connection go out by the bundle where the
//! kernel can split them, and each answer leaves from the address that its question came to.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};
use tracing::debug;

/// Asked of the kernel, which may give less.
const BUFFER_LEN: usize = 4 << 20;
/// Bytes of one bundle; the kernel takes no more.
const BUNDLE_LEN_MAX: usize = 60_000;
/// Bundles that may wait for the kernel; what does not fit is lost, as datagrams are.
const WAITING_MAX: usize = 256;
/// One receive buffer holds the datagrams that the kernel has joined.
const RECEIVE_LEN: usize = 65_536;

/// A datagram as it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) source: SocketAddr,
    /// Which of this host's addresses it came to.
    pub(super) to: Option<IpAddr>,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
struct Bundle {
    destination: SocketAddr,
    from: Option<IpAddr>,
    segment: usize,
    bytes: Vec<u8>,
}

/// Socket, and what waits for it.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    is_v6: bool,
    open: Option<Bundle>,
    waiting: VecDeque<Bundle>,
    buffer: Vec<u8>,
}

impl Port {
    /// Binds it. Call it within a tokio runtime.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Port> {
        let socket = std::net::UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        // Without larger buffers it is slower, and works.
        let sizes = [
            state.set_send_buffer_size((&socket).into(), BUFFER_LEN),
            state.set_recv_buffer_size((&socket).into(), BUFFER_LEN),
        ];
        for problem in sizes.into_iter().filter_map(Result::err) {
            debug!("the UDP socket keeps its buffer size: {problem}");
        }
        Ok(Port {
            socket: UdpSocket::from_std(socket)?,
            state,
            is_v6: address.is_ipv6(),
            open: None,
            waiting: VecDeque::new(),
            buffer: vec![0; RECEIVE_LEN],
        })
    }

    /// Waits until datagrams can be received, or until those that wait can be sent.
    pub(super) async fn ready(&self) -> io::Result<()> {
        let interest = if self.waiting.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        self.socket.ready(interest).await.map(|_| ())
    }

    /// What has come, up to one joined lot; empty when nothing has.
    pub(super) fn receive(&mut self) -> Vec<Arrived> {
        let mut meta = [RecvMeta::default()];
        let Port {
            socket,
            state,
            buffer,
            ..
        } = self;
        let received = socket.try_io(Interest::READABLE, || {
            state.recv((&*socket).into(), &mut [IoSliceMut::new(buffer)], &mut meta)
        });
        if let Err(error) = received {
            if error.kind() != io::ErrorKind::WouldBlock {
                debug!("receiving: {error}");
            }
            return Vec::new();
        }
        let [meta] = meta;
        let (stride, to) = (meta.stride.max(1), meta.dst_ip.map(|ip| ip.to_canonical()));
        let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
        let datagrams = buffer[..meta.len].chunks(stride);
        datagrams
            .map(|bytes| Arrived {
                source,
                to,
                bytes: bytes.to_vec(),
            })
            .collect()
    }

    /// Takes a datagram; it leaves with [`Port::flush`] at the latest.
    pub(super) fn queue(&mut self, destination: SocketAddr, from: Option<IpAddr>, bytes: &[u8]) {
        let segments_max = self.state.max_gso_segments();
        if let Some(bundle) = &mut self.open {
            let is_whole = bundle.bytes.len().is_multiple_of(bundle.segment);
            let fits = bundle.destination == destination
                && bundle.from == from
                && is_whole
                && bytes.len() <= bundle.segment
                && bundle.bytes.len() / bundle.segment < segments_max
                && bundle.bytes.len() + bytes.len() <= BUNDLE_LEN_MAX;
            if fits {
                bundle.bytes.extend_from_slice(bytes);
                return;
            }
        }
        self.close_bundle();
        self.open = Some(Bundle {
            destination,
            from,
            segment: bytes.len().max(1),
            bytes: bytes.to_vec(),
        });
    }

    /// Sends what waits, as far as the kernel takes it.
    pub(super) fn flush(&mut self) {
        self.close_bundle();
        while let Some(bundle) = self.waiting.front() {
            match self.send(bundle) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => debug!("sending: {error}"),
                Ok(()) => {}
            }
            self.waiting.pop_front();
        }
    }

    fn close_bundle(&mut self) {
        if let Some(bundle) = self.open.take()
            && self.waiting.len() < WAITING_MAX
        {
            self.waiting.push_back(bundle);
        }
    }

    fn send(&self, bundle: &Bundle) -> io::Result<()> {
        let segment_size = (bundle.bytes.len() > bundle.segment).then_some(bundle.segment);
        let transmit = Transmit {
            destination: self.written(bundle.destination),
            ecn: None,
            contents: &bundle.bytes,
            segment_size,
            src_ip: bundle.from,
        };
        self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.socket).into(), &transmit)
        })
    }

    /// An IPv4 address as a socket of IPv6 wants it.
    fn written(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.is_v6 => {
                let mapped: Ipv6Addr = ip.to_ipv6_mapped();
                SocketAddr::new(mapped.into(), address.port())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn arrived(port: &mut Port, count: usize) -> Vec<Arrived> {
        let mut all = Vec::new();
        while all.len() < count {
            port.ready().await.expect("it is a socket");
            all.extend(port.receive());
        }
        all
    }

    /// As the server does: datagrams that the kernel does not take at once are sent when it does.
    async fn flushed(port: &mut Port) {
        port.flush();
        while !port.waiting.is_empty() {
            port.ready().await.expect("it is a socket");
            port.flush();
        }
    }

    #[tokio::test]
    async fn bundles_arrive_as_the_datagrams_that_they_were() {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let (mut one, mut two) = (
            Port::bind(any).expect("free"),
            Port::bind(any).expect("free"),
        );
        let to = two.socket.local_addr().expect("bound");
        let lens = [1_200, 1_200, 1_200, 300, 1_200, 1_500, 7];
        for (number, len) in (0u8..).zip(lens) {
            one.queue(to, None, &vec![number; len]);
        }
        flushed(&mut one).await;
        let all = arrived(&mut two, lens.len()).await;
        let got: Vec<_> = all
            .iter()
            .map(|one| (one.bytes[0], one.bytes.len()))
            .collect();
        let sent: Vec<_> = (0u8..).zip(lens).collect();
        assert_eq!(got, sent);
        assert_eq!(all[0].to, Some(any.ip()));
    }

    #[tokio::test]
    async fn a_socket_of_both_families_speaks_ipv4() {
        let Ok(mut both) = Port::bind("[::]:0".parse().expect("an address")) else {
            // A host without IPv6 has no such sockets.
            return;
        };
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let mut four = Port::bind(any).expect("free");
        let port = both.socket.local_addr().expect("bound").port();
        four.queue(SocketAddr::new(any.ip(), port), None, b"question");
        flushed(&mut four).await;
        let question = arrived(&mut both, 1).await.remove(0);
        assert_eq!(question.to, Some(any.ip()));
        both.queue(question.source, question.to, b"answer");
        flushed(&mut both).await;
        assert_eq!(arrived(&mut four, 1).await[0].bytes, b"answer");
    }
}
