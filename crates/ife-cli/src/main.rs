//! The binary `ifectl`.

fn main() -> std::process::ExitCode {
    ife_cli::run()
}
