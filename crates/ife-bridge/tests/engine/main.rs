//! The engine with a made-up Asterisk: from a command to AMI and back, with a real store and a real
//! ring.

mod asterisk;
mod bed;
mod calls;
mod decisions;
#[path = "../../../ife-engine/tests/gateway/mod.rs"]
mod gateway;
mod probe;
mod restarts;
mod resume;
mod rooms;
mod strangers;
