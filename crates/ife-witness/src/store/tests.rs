use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::*;

/// The real disk, with a record of the synced directories.
#[derive(Default)]
struct Recorder(Mutex<Vec<PathBuf>>);

impl Recorder {
    fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

impl Disk for Recorder {
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.lock().expect("no panic").push(path.to_owned());
        RealDisk.sync_dir(path)
    }
}

/// A disk on which each sync waits for a second one.
#[derive(Default)]
struct Pairs {
    under_way: Mutex<usize>,
    changed: Condvar,
}

impl Disk for Pairs {
    fn sync(&self, _: &File) -> io::Result<()> {
        let mut under_way = self.under_way.lock().expect("no panic");
        *under_way += 1;
        self.changed.notify_all();
        let alone = |count: &mut usize| *count < 2;
        let longest = Duration::from_secs(20);
        let (_guard, waited) = self
            .changed
            .wait_timeout_while(under_way, longest, alone)
            .expect("no panic");
        if waited.timed_out() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

#[test]
fn files_are_synced_several_at_a_time() {
    let root = std::env::temp_dir().join(format!("ife-witness-syncs-{}", std::process::id()));
    let store = Store::open(&root, Arc::new(Pairs::default())).expect("open");
    let files = ["tile/0/000", "tile/0/001"].map(|name| (name.to_owned(), b"x".as_slice()));
    let written = store.write_public(files);
    fs::remove_dir_all(root).expect("remove");
    written.expect("the second sync began before the first was over");
}

/// The earlier start was killed between creating and syncing the directories.
#[test]
fn names_that_an_earlier_start_made_are_synced_until_the_log_is_begun() {
    let top = std::env::temp_dir().join(format!("ife-witness-store-{}", std::process::id()));
    let (above, root) = (top.join("above"), top.join("above/log"));
    fs::create_dir_all(&root).expect("make directories");
    let disk = Arc::new(Recorder::default());
    let store = Store::open(&root, disk.clone()).expect("open");
    let synced = disk.take();
    assert!(
        synced.contains(&above) && synced.contains(&top),
        "{synced:?}"
    );
    store.replace(&store.begun(), b"x", false).expect("begin");
    disk.take();
    Store::open(&root, disk.clone()).expect("open");
    assert!(!disk.take().contains(&above));
    fs::remove_dir_all(top).expect("remove");
}
