//! Any bytes in a ring's file, as a hostile or dying producer leaves them: the reader gives whole
//! entries or reports damage once, and a producer that attaches afterwards gets a ring or an error.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ife_witness::entry::ENTRY_SIZE_MAX;
use ife_witness::ring::{Consumer, Producer, RingConfig};

const CAPACITY: usize = 64 * 1024;
/// Where the data area begins, and the words of the header end.
const DATA: u64 = 64 * 1024;
const HEADER_WORDS: u64 = 3 * 128;

/// Four bytes are one change of the file: two of place, the upper half of which is the data area,
/// and two of value.
pub(crate) fn check(data: &[u8], state_dir: &Path) {
    let _ = fs::remove_dir_all(state_dir);
    fs::create_dir_all(state_dir).expect("the directory can be made");
    let config = RingConfig {
        state_dir,
        producer: "fuzz-0",
        capacity: CAPACITY,
    };
    let mut producer = Producer::attach(&config).expect("a new ring");
    for entry in [&b"{}"[..], b"{\"v\":1}", &[b'x'; 300]] {
        producer.push(entry).expect("room");
    }
    drop(producer);
    change(&state_dir.join("rings/fuzz-0.ring"), data);
    read(&state_dir.join("rings"));
    if let Ok(mut producer) = Producer::attach(&config) {
        let _ = producer.push(b"{\"v\":2}");
        drop(producer);
        read(&state_dir.join("rings"));
    }
}

fn change(path: &Path, data: &[u8]) {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("the ring's file");
    for change in data.chunks_exact(4) {
        let place = u64::from(u16::from_le_bytes([change[0], change[1]]));
        let at = if place >= 1 << 15 {
            DATA + place - (1 << 15)
        } else {
            place % HEADER_WORDS
        };
        file.write_all_at(&change[2..], at).expect("written");
    }
}

fn read(rings: &Path) {
    let Ok(mut ring) = Consumer::open(rings, "fuzz-0") else {
        return;
    };
    let mut out = b"before".to_vec();
    // A record takes 24 bytes at least.
    for _ in 0..=CAPACITY / 24 {
        let len = out.len();
        match ring.read(&mut out) {
            Ok(Some(record)) => {
                assert_eq!(out.len(), len + record.len);
                assert!(record.len <= ENTRY_SIZE_MAX);
                ring.acknowledge(record.seq.wrapping_add(1));
            }
            Ok(None) => return,
            Err(damage) => {
                assert_eq!(out.len(), len);
                assert!(!damage.to_string().is_empty());
                return;
            }
        }
    }
    panic!("more records than the ring has room for");
}
