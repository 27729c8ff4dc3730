//! The witness log: per-process rings, a durable writer, and a publicly verifiable Merkle log.
//! Never interprets SIP, opens a network socket, or changes an encoded entry.
//!
//! - Producers (any process): [`entry`] encodes, [`ring`] hands the bytes to the writer.
//! - The writer (`ife-witnessd`, feature `daemon`): rings to WAL, WAL to tiles and checkpoints.
//! - Verifiers (feature `log`): [`verify`], [`reader`], [`proof`] over the published files.

pub mod entry;
pub mod ring;

#[cfg(feature = "log")]
pub mod aside;
#[cfg(feature = "log")]
pub mod checkpoint;
pub mod merkle;
#[cfg(feature = "log")]
pub mod note;
#[cfg(feature = "log")]
pub mod places;
#[cfg(feature = "log")]
pub mod proof;
#[cfg(feature = "log")]
pub mod reader;
pub mod tile;
#[cfg(feature = "log")]
pub mod verify;

#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod recovery;
#[cfg(feature = "daemon")]
pub mod store;
#[cfg(feature = "daemon")]
pub mod wal;
#[cfg(feature = "daemon")]
pub mod writer;
