//! The witness writer.

fn main() {}
