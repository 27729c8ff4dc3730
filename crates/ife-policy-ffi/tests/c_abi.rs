//! The C tests of the ABI (`tests/c`), compiled and run against the shared library.
//!
//! `tests/c/run.sh` runs the same programs under valgrind too.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

mod support;

use support::TempDir;

const SANITIZERS: [&str; 3] = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the directory of the library that these tests were built with.
fn library_dir() -> PathBuf {
    let exe = env::current_exe().expect("known");
    let deps = exe.parent().expect("in target/PROFILE/deps").to_owned();
    assert!(
        deps.join("libife_policy.so").exists(),
        "no library in {}",
        deps.display()
    );
    deps
}

/// Compiles `tests/c/NAME.c` with all warnings as errors.
fn compile(dir: &TempDir, name: &str, more: &[&str]) -> PathBuf {
    let (host, library) = (env!("HOST_TARGET"), library_dir());
    let compiler = cc::Build::new()
        .target(host)
        .host(host)
        .opt_level(1)
        .out_dir(&dir.0)
        .cargo_metadata(false)
        .get_compiler();
    let program = dir.0.join(name);
    let repository = repository();
    let status = compiler
        .to_command()
        .args([
            "-std=c11",
            "-D_GNU_SOURCE",
            "-g",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
        ])
        .args(more)
        .arg("-I")
        .arg(repository.join("kamailio-module"))
        .arg(repository.join(format!("tests/c/{name}.c")))
        .arg(repository.join("tests/c/common.c"))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(&library)
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .arg("-life_policy")
        .status();
    assert!(
        status.expect("a C compiler").success(),
        "{name} does not compile"
    );
    program
}

fn run(name: &str) {
    for (kind, flags) in [("plain", &[][..]), ("sanitized", &SANITIZERS)] {
        let dir = TempDir::new(&format!("{name}-{kind}"));
        let program = compile(&dir, name, flags);
        if kind == "sanitized" {
            let symbols = Command::new("nm")
                .arg(&program)
                .output()
                .expect("nm is there");
            let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
            assert!(
                symbols.contains("__asan_init") && symbols.contains("__ubsan_handle"),
                "sanitizers are not linked"
            );
        }
        let fixture = dir.0.join("fixture");
        support::write_c_fixture(&fixture);
        // Cargo's own setting first names a directory with the library of an earlier build.
        let output = Command::new(&program)
            .env("LD_LIBRARY_PATH", library_dir())
            .arg(&fixture)
            .output()
            .expect("it can be run");
        assert!(
            output.status.success(),
            "{name}, {kind}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn layout() {
    run("abi_layout");
}

#[test]
fn arguments() {
    run("abi_arguments");
}

#[test]
fn gate() {
    run("abi_gate");
}

#[test]
fn processes() {
    run("abi_processes");
}

#[test]
fn no_c_test_is_left_out() {
    let mut names: Vec<_> = std::fs::read_dir(repository().join("tests/c"))
        .expect("readable")
        .filter_map(|entry| entry.expect("readable").file_name().into_string().ok())
        .filter(|name| name.starts_with("abi_"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "abi_arguments.c",
            "abi_gate.c",
            "abi_layout.c",
            "abi_processes.c"
        ]
    );
}

#[test]
fn only_the_functions_of_the_header_are_exported() {
    let header = std::fs::read_to_string(repository().join("kamailio-module/if_policy.h"))
        .expect("readable");
    let mut declared: Vec<_> = header
        .lines()
        .filter(|line| line.ends_with(");") || line.starts_with("ife_result "))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("ife_"))
        .map(str::to_owned)
        .collect();
    declared.sort();
    assert_eq!(declared.len(), 25, "{declared:?}");
    let library = library_dir().join("libife_policy.so");
    let output = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(&library)
        .output()
        .expect("nm is there");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    let mut exported: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .map(str::to_owned)
        .collect();
    exported.sort();
    assert_eq!(exported, declared);
}

#[test]
fn the_library_needs_nothing_that_a_worker_must_not_have() {
    let library = library_dir().join("libife_policy.so");
    let output = Command::new("nm")
        .args(["-D", "--undefined-only"])
        .arg(&library)
        .output()
        .expect("nm is there");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    let needed: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.split('@').next())
        .collect();
    for forbidden in [
        "pthread_create",
        "socket",
        "sigaction",
        "signal",
        "fork",
        "system",
        "execve",
    ] {
        assert!(!needed.contains(&forbidden), "{forbidden} is used");
    }
    assert!(!needed.iter().any(|name| name.starts_with("SSL_")
        || name.starts_with("EVP_")
        || name.contains("jemalloc")));
    let output = Command::new("readelf")
        .arg("-d")
        .arg(&library)
        .output()
        .expect("readelf is there");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    assert!(
        text.contains("NODELETE") && text.contains("soname: [libife_policy.so]"),
        "{text}"
    );
}
