//! `ife-witnessd`: see the crate's `daemon` module.

fn main() -> std::process::ExitCode {
    ife_witness::daemon::main()
}
