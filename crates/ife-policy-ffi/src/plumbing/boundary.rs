//! The panic boundary: no panic unwinds into C, ends a process or writes to a terminal.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(panic = "abort")]
compile_error!(
    "a panic must unwind to the C boundary: with panic=abort a bug would take the SIP server down"
);

/// Number of exports that run in this process; the panic hook is silent while it is not 0.
static INSIDE: AtomicU32 = AtomicU32::new(0);

/// A panic that was contained.
#[derive(Debug)]
pub(crate) struct Panicked {
    /// The panic message, for the log.
    pub(crate) text: String,
}

/// Runs an export's body and returns a panic as a value.
pub(crate) fn contain<T>(body: impl FnOnce() -> T) -> Result<T, Panicked> {
    silence_hook();
    INSIDE.fetch_add(1, Ordering::Relaxed);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    INSIDE.fetch_sub(1, Ordering::Relaxed);
    outcome.map_err(|payload| {
        let text = describe(payload.as_ref());
        // Dropping a foreign payload may panic again; it is leaked.
        std::mem::forget(payload);
        Panicked { text }
    })
}

fn describe(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// Installs a panic hook that is silent inside the library and passes other Rust code's panics to
/// the previous hook. The default hook writes to stderr, which a SIP server may use for other data.
fn silence_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.load(Ordering::Relaxed) == 0 {
                previous(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_value_with_its_message() {
        let outcome = contain(|| -> u32 { panic!("number {}", 7) });
        assert_eq!(outcome.expect_err("contained").text, "number 7");
        assert_eq!(contain(|| 7).expect("no panic"), 7);
    }
}
