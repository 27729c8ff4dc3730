//! Sans-IO state machine of one call between an expert and the council.
//! Never sees AMI text, a socket, a clock or randomness.
