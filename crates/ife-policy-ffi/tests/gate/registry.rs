//! Registry, image and state directory: refused at open, replaced by a reload.

use super::*;

fn images(setup: &Setup) -> Vec<String> {
    let names = std::fs::read_dir(&setup.state_dir).expect("readable");
    let mut names: Vec<_> = names
        .filter_map(|entry| entry.expect("readable").file_name().into_string().ok())
        .collect();
    names.retain(|name| name.starts_with("registry.") && !name.ends_with(".lock"));
    names.sort();
    names
}

#[test]
fn workers_follow_a_reload_and_its_old_image_goes_when_nobody_maps_it() {
    let b = bench("reload", |_| {});
    let second = Gate::open(&b.setup).expect("opened");
    assert_eq!(second.attach(1), IFE_OK);
    let old = images(&b.setup);
    std::fs::write(&b.setup.registry, support::registry_yaml(5)).expect("writable");
    let generation = second.reload().expect("a good registry");
    assert!(images(&b.setup).contains(&format!("registry.{generation}.img")));
    assert!(
        images(&b.setup).len() > 1,
        "the first worker still maps {old:?}"
    );
    let (call, invite) = call(1);
    assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
    assert_eq!(images(&b.setup), [format!("registry.{generation}.img")]);
    assert_eq!(b.gate.experts().as_array().map(Vec::len), Some(7));
    assert_eq!(
        (
            b.gate.stats().registry_generation,
            b.gate.stats().registry_experts
        ),
        (generation, 7)
    );
}

#[test]
fn a_key_in_use_has_a_table_that_the_statistics_show_until_the_next_reload() {
    let b = bench("tables", |_| {});
    let tables = |n| {
        let (call, invite) = call(n);
        assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
        b.gate.stats().key_tables
    };
    assert_eq!([tables(1), tables(2), tables(3)], [0, 1, 1]);
    b.gate.reset_stats();
    let stats = b.gate.stats();
    assert_eq!((stats.approved, stats.key_tables), (0, 1));
    assert!((100_000..110_000).contains(&stats.key_table_bytes));
    b.gate.reload().expect("the same registry");
    let stats = b.gate.stats();
    assert_eq!((stats.key_tables, stats.key_table_bytes), (0, 0));
    assert_eq!([tables(4), tables(5)], [0, 1]);
}

#[test]
fn a_reload_is_refused_while_another_process_is_at_it() {
    let b = bench("busy", |_| {});
    let other = lock_as_another_process(&b.setup.state_dir.join("registry.lock"));
    assert_eq!(
        b.gate.reload().err().map(|(code, _)| code),
        Some(IFE_REGISTRY_BUSY)
    );
    drop(other);
    assert!(b.gate.reload().is_ok(), "the lock dies with its holder");
}

#[test]
fn a_registry_image_that_cannot_be_mapped_leaves_the_old_one_in_force() {
    let b = bench("unmappable", |_| {});
    let second = Gate::open(&b.setup).expect("opened");
    let generation = second.reload().expect("a good registry");
    std::fs::write(
        b.setup.state_dir.join(format!("registry.{generation}.img")),
        b"damaged",
    )
    .expect("writable");
    let (call, invite) = call(1);
    assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
}

#[test]
fn a_registry_with_an_error_refuses_to_open_and_says_where() {
    let dir = TempDir::new("bad-registry");
    let setup = Setup::new(&dir);
    std::fs::write(&setup.registry, "version: 1\nhazards: []\n").expect("writable");
    let Err((code, text)) = Gate::open(&setup) else {
        panic!("opened")
    };
    assert_eq!(code, IFE_REGISTRY_INVALID);
    assert!(text.contains("registry.yaml:"), "{text}");
}

#[test]
fn a_contact_that_is_the_servers_own_address_is_refused_at_open_and_at_reload() {
    let dir = TempDir::new("own-contact");
    let setup = Setup::new(&dir);
    let gate = Gate::attached(&setup);
    let good = std::fs::read_to_string(&setup.registry).expect("readable");
    let bad = good.replacen("sip:phone@127.0.0.1:5070", "sip:phone@198.51.100.1", 1);
    assert_ne!(good, bad);
    std::fs::write(&setup.registry, bad).expect("writable");
    let (code, text) = gate.reload().expect_err("refused");
    assert_eq!(code, IFE_REGISTRY_INVALID);
    assert!(text.contains("own address"), "{text}");
    drop(gate);
    let opened = Gate::open(&setup).err().map(|(code, _)| code);
    assert_eq!(opened, Some(IFE_REGISTRY_INVALID));
}

#[test]
fn a_registry_that_is_no_regular_file_is_refused_at_once() {
    let dir = TempDir::new("odd-registry");
    for path in ["/dev/zero", "/dev/shm"] {
        let setup = Setup {
            registry: path.into(),
            ..Setup::new(&dir)
        };
        let Err((code, text)) = Gate::open(&setup) else {
            panic!("opened {path}")
        };
        assert_eq!(code, IFE_REGISTRY_INVALID);
        assert!(text.contains("not a regular file"), "{text}");
    }
}

#[test]
fn a_state_directory_that_everybody_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new("open-state");
    let setup = Setup::new(&dir);
    std::fs::create_dir_all(&setup.state_dir).expect("there is room");
    for (mode, is_fine) in [
        (0o777, false),
        (0o1777, false),
        (0o702, false),
        (0o3770, true),
    ] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&setup.state_dir, permissions).expect("ours");
        match Gate::open(&setup) {
            Ok(_) => assert!(is_fine, "{mode:o}"),
            Err((code, text)) => {
                assert!(!is_fine, "{mode:o}: {text}");
                assert_eq!(code, IFE_STATE_DIR);
                assert!(text.contains("chmod 3770"), "{text}");
            }
        }
    }
}

#[test]
fn a_state_directory_on_disk_is_refused() {
    let dir = TempDir::new("on-disk");
    let on_disk = std::env::temp_dir().join(format!("ife-on-disk-{}", std::process::id()));
    let setup = Setup {
        state_dir: on_disk.clone(),
        ..Setup::new(&dir)
    };
    let outcome = Gate::open(&setup).err();
    let _ = std::fs::remove_dir_all(&on_disk);
    let Some((code, text)) = outcome else {
        panic!("opened in {}", on_disk.display())
    };
    assert_eq!(code, IFE_STATE_DIR);
    assert!(text.contains("tmpfs"), "{text}");
}

#[test]
fn another_replay_size_is_refused_while_the_state_is_in_use() {
    let b = bench("in-use", |_| {});
    let other = Setup {
        replay_slots: 2048,
        ..b.setup.clone()
    };
    assert_eq!(
        Gate::open(&other).err().map(|(code, _)| code),
        Some(IFE_STATE_FORMAT)
    );
    let (setup, dir) = (b.setup.clone(), b.dir);
    drop(b.gate);
    assert_eq!(
        Gate::attached(&Setup {
            replay_slots: 2048,
            ..setup
        })
        .stats()
        .replay_slots,
        2048
    );
    drop(dir);
}

#[test]
fn a_registry_image_that_others_could_have_written_is_not_mapped() {
    use std::os::unix::fs::PermissionsExt;
    let b = bench("foreign-image", |_| {});
    let second = Gate::open(&b.setup).expect("opened");
    std::fs::write(&b.setup.registry, support::registry_yaml(5)).expect("writable");
    let generation = second.reload().expect("a good registry");
    let image = b.setup.state_dir.join(format!("registry.{generation}.img"));
    let set_mode = |mode| {
        std::fs::set_permissions(&image, std::fs::Permissions::from_mode(mode)).expect("ours")
    };
    set_mode(0o660);
    assert_eq!(
        b.gate.experts().as_array().map(Vec::len),
        Some(2),
        "the old one stays in use"
    );
}
