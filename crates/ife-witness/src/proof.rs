//! Inclusion and consistency proofs.
