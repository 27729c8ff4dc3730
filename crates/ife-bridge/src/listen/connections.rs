//! How many connections a listener holds, in all and from one source, so that no stranger fills the
//! process.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Descriptors that no listener may use: store, log, AMI, NATS, evidence, and what the operator's
/// socket needs.
const DESCRIPTORS_KEPT: u32 = 256;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Most {
    /// Of all sources.
    pub(super) total: u32,
    /// Of one address; of an IPv6 address, of its /64.
    pub(super) per_source: u32,
}

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    most: Most,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_source: HashMap<IpAddr, u32>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    source: IpAddr,
}

impl Connections {
    pub(super) fn new(most: Most) -> Arc<Connections> {
        Arc::new(Connections {
            most,
            open: Mutex::default(),
        })
    }

    /// A place for a connection from there, while there is one.
    pub(super) fn admit(self: &Arc<Connections>, from: IpAddr) -> Option<ConnectionSlot> {
        let source = source_of(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = open.by_source.get(&source).copied().unwrap_or(0);
        if open.total >= self.most.total || of_source >= self.most.per_source {
            return None;
        }
        open.total += 1;
        open.by_source.insert(source, of_source + 1);
        Some(ConnectionSlot {
            connections: self.clone(),
            source,
        })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let open = self.connections.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(count) = open.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

/// One host: an IPv6 host has a /64 to itself.
fn source_of(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(prefix.into())
        }
        canonical @ IpAddr::V4(_) => canonical,
    }
}

/// The configured number, as far as the process's descriptors reach when `listeners`
/// share them.
pub(super) fn within_descriptors(asked: u32, listeners: u32, limits: &str) -> u32 {
    let soft = limits.lines().find_map(|line| {
        let rest = line.strip_prefix("Max open files")?;
        rest.split_whitespace().next()?.parse::<u32>().ok()
    });
    // "unlimited", or a system without /proc: the configuration alone counts.
    let Some(soft) = soft else { return asked };
    let share = soft.saturating_sub(DESCRIPTORS_KEPT) / listeners.max(1);
    asked.min(share.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_has_so_many_places_and_gets_them_back() {
        let connections = Connections::new(Most {
            total: 4,
            per_source: 2,
        });
        let admit = |from: &str| connections.admit(ip(from));
        let held = [admit("192.0.2.1"), admit("192.0.2.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(admit("192.0.2.1").is_none(), "the third of one source");
        assert!(admit("::ffff:192.0.2.1").is_none(), "the same host");
        let six = [admit("2001:db8::1"), admit("2001:db8::2")];
        assert!(six.iter().all(Option::is_some));
        assert!(admit("2001:db8::3").is_none(), "the same /64");
        assert!(admit("198.51.100.1").is_none(), "the fifth of all");
        drop(held);
        assert!(admit("192.0.2.1").is_some());
    }

    #[test]
    fn descriptors_are_kept_for_what_must_go_on() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024       \
                     524288    files\n";
        assert_eq!(within_descriptors(1_000, 1, limits), 768);
        assert_eq!(within_descriptors(1_000, 2, limits), 384);
        assert_eq!(within_descriptors(100, 2, limits), 100);
        let unlimited = "Max open files            unlimited  unlimited  files\n";
        assert_eq!(within_descriptors(1_000, 2, unlimited), 1_000);
        let few = "Max open files            64         64         files\n";
        assert_eq!(within_descriptors(1_000, 2, few), 1);
    }
}
