//! Marks between two accesses to shared memory, at which tests stop or kill a worker.

/// Marks one such place. Does nothing outside tests.
#[inline(always)]
pub(crate) fn step() {
    #[cfg(test)]
    testing::reached();
}

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::RefCell;

    type Hook = Box<dyn FnMut()>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Runs `body` with `hook` called at every step of this thread, but not of the hook itself.
    pub(crate) fn with_hook<T>(hook: impl FnMut() + 'static, body: impl FnOnce() -> T) -> T {
        HOOK.with(|cell| *cell.borrow_mut() = Some(Box::new(hook)));
        let result = body();
        HOOK.with(|cell| *cell.borrow_mut() = None);
        result
    }

    pub(super) fn reached() {
        let Some(mut hook) = HOOK.with(|cell| cell.borrow_mut().take()) else {
            return;
        };
        hook();
        HOOK.with(|cell| *cell.borrow_mut() = Some(hook));
    }
}
