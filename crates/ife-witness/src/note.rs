//! Signed notes (C2SP signed-note).
