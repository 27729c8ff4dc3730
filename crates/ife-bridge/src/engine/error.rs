//! Reasons that the engine cannot start.

use ife_witness::ring::RingError;
use thiserror::Error;

use crate::{ami::AmiError, gate::GateError, notify::NotifyError, store::StoreError};

/// Reason that the engine cannot start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// AMI cannot be spoken to as configured.
    #[error(transparent)]
    Ami(#[from] AmiError),
    /// The registry or a key.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The witness ring.
    #[error(transparent)]
    Witness(#[from] RingError),
    /// The ways to notify experts.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// A name in the configuration cannot be dialled.
    #[error("council: {0}")]
    Council(#[from] ife_ami::value::ValueError),
}
