//! The store of legacy signatures.

use ife_guard::{Now, Sight};

use super::{Dir, at};
use crate::shared::legacy::Legacy;

const KEY: [u8; 32] = [3; 32];

fn see(store: &Legacy, attempt: u64, now: Now) -> Sight {
    store.first_sight(&KEY, attempt, now)
}

#[test]
fn single_use_for_ever_also_after_reopening() {
    let dir = Dir::new();
    let path = dir.0.join("legacy");
    let store = Legacy::open(&path).expect("made");
    assert_eq!(see(&store, 1, at(0)), Sight::Fresh);
    assert_eq!(see(&store, 2, at(0)), Sight::Replayed);
    drop(store);
    let store = Legacy::open(&path).expect("opened");
    assert_eq!(see(&store, 2, at(1_000_000)), Sight::Replayed);
    assert_eq!(store.first_sight(&[4; 32], 1, at(0)), Sight::Fresh);
}

#[test]
fn the_same_attempt_may_come_again_as_with_other_signatures() {
    let dir = Dir::new();
    let store = Legacy::open(&dir.0.join("legacy")).expect("made");
    assert_eq!(see(&store, 1, at(0)), Sight::Fresh);
    for second in [1, 2, 32] {
        assert_eq!(see(&store, 1, at(second)), Sight::SameAttempt);
    }
    assert_eq!(see(&store, 1, at(32)), Sight::Replayed);
}

#[test]
fn another_file_is_refused_and_left_alone() {
    let dir = Dir::new();
    let path = dir.0.join("legacy");
    std::fs::write(&path, b"not a store").expect("writable");
    assert!(Legacy::open(&path).is_err());
    assert_eq!(std::fs::read(&path).expect("readable"), b"not a store");
    assert!(Legacy::open(&dir.0.join("absent/legacy")).is_err());
}

#[test]
fn a_store_whose_making_was_cut_short_is_made_again() {
    let dir = Dir::new();
    let path = dir.0.join("legacy");
    drop(Legacy::open(&path).expect("made"));
    let len = std::fs::metadata(&path).expect("there").len();
    std::fs::write(&path, vec![0; usize::try_from(len).expect("fits")]).expect("writable");
    assert_eq!(
        see(&Legacy::open(&path).expect("made again"), 1, at(0)),
        Sight::Fresh
    );
}
