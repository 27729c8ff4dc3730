//! The fuzzer's corpus of the registry, replayed: tests/fuzz holds the check and the inputs.

#[path = "../../../tests/fuzz/checks/registry.rs"]
mod registry;
#[path = "../../../tests/fuzz/checks/replay.rs"]
mod replay;

#[test]
fn registries() {
    replay::replay("registry", registry::check);
}
