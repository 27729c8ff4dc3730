//! Marks the places between two accesses to shared memory, so that tests can stop or kill a worker at each of them.

/// One such place. Nothing outside tests.
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

    /// Runs `body` with `hook` called at every step of this thread. The hook itself may run operations: their steps are not reported.
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
