//! `ifectl keygen`.

use ife_message::PrivateKey;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{Failure, Outcome, cli::KeygenArgs, keyfile, output::Output};

pub(crate) fn run(args: &KeygenArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| no_randomness(&error))?;
    let key = PrivateKey::from_seed(args.kid.as_str(), &seed)
        .map_err(|error| Failure::usage(format!("--kid: {error}")))?;
    keyfile::write(&args.out, &key, args.force)?;
    let public_key = key.public_key().to_string();
    if out.json() {
        out.value(&json!({"kid": args.kid.as_str(), "public_key": public_key,
        "private_key_file": args.out.display().to_string()}))?;
    } else {
        out.line(format!(
            "private key  {} (mode 0600; keep it secret)",
            args.out.display()
        ))?;
        out.line("public key   for the signers of the council or expert in the registry:")?;
        out.line(format!(
            "  - {{kid: {}, public_key: \"{public_key}\"}}",
            args.kid
        ))?;
    }
    Ok(Outcome::Yes)
}

pub(crate) fn no_randomness(error: &getrandom::Error) -> Failure {
    Failure::unanswered(format!("the system gives no random bytes: {error}"))
}
