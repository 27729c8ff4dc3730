//! The fuzzer's corpus of the channel, replayed: tests/fuzz holds the check and the inputs.

#[path = "../../../tests/fuzz/checks/channel.rs"]
mod channel;
#[path = "../../../tests/fuzz/checks/replay.rs"]
mod replay;

#[test]
fn messages_of_the_channel() {
    replay::replay("channel", channel::check);
}
