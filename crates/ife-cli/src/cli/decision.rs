//! The part of the command line about decisions.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::BridgeArgs;

/// `decision` and its subcommands.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DecisionCommand,
}

/// Subcommands of `decision`.
#[derive(Debug, Subcommand)]
pub enum DecisionCommand {
    /// Decide about a call: sign the statement that the bridge asks for, and hand it over.
    Sign(Box<DecideArgs>),
    /// Verify decisions with public keys alone: needs neither the bridge nor its log.
    ///
    /// The file is what the API answers or tells: one decision with its attestation, a call with
    /// its decisions, or an event.
    Verify(VerifyDecisionArgs),
}

/// Options of `decision sign`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The call: its id, the 16 hex digits of it, or the trace id.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// One of the question's options; without options approve, deny, modify or abstain.
    #[arg(long, value_name = "TEXT")]
    pub choice: String,
    /// What is to be added in words.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// File of the private key of the call's expert, as keygen wrote it.
    #[arg(long, value_name = "FILE", env = "IFE_DECISION_KEY")]
    pub key: PathBuf,
    /// Decide as this guardian of the bridge's configuration, by its key.
    #[arg(long, value_name = "NAME")]
    pub guardian: Option<String>,
    /// Print the signed decision and hand nothing over.
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// Options of `decision verify`.
#[derive(Debug, Args)]
pub struct VerifyDecisionArgs {
    /// The JSON file; - for stdin.
    pub file: PathBuf,
    /// The registry's YAML file: keys of experts and councils.
    #[arg(long, value_name = "FILE")]
    pub registry: Option<PathBuf>,
    /// A public key: KID=ed25519:<base64>, with the name of a guardian in place of KID. May be
    /// given several times.
    #[arg(long = "public-key", value_name = "KID=KEY", value_parser = parse_key)]
    pub keys: Vec<(String, ife_message::PublicKey)>,
}

fn parse_key(text: &str) -> Result<(String, ife_message::PublicKey), String> {
    let (kid, key) = text
        .split_once('=')
        .filter(|(kid, _)| !kid.is_empty())
        .ok_or("a key id or name, =, and ed25519:<base64>")?;
    let key = key
        .parse()
        .map_err(|error: ife_message::KeyError| error.to_string())?;
    Ok((kid.to_owned(), key))
}
