//! Generates Rust types from `if_policy.h`, so that both sides agree, and sets linker options.

use std::{env, path::PathBuf};

const HEADER: &str = "../../kamailio-module/if_policy.h";

fn main() {
    println!("cargo:rerun-if-changed={HEADER}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindgen::Builder::default()
        .header(HEADER)
        .allowlist_item("(ife|IFE)_.*")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .derive_debug(false)
        .derive_default(true)
        .generate_comments(false)
        .generate_cstr(true)
        .layout_tests(true)
        .use_core()
        .generate()
        .expect("if_policy.h is valid C and libclang is installed")
        .write_to_file(out.join("if_policy.rs"))
        .expect("OUT_DIR is writable");

    // For the tests that call a C compiler.
    println!(
        "cargo:rustc-env=HOST_TARGET={}",
        env::var("TARGET").expect("cargo sets TARGET")
    );

    // nodelete: code that used thread-local storage must stay mapped even after dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libife_policy.so");
}
