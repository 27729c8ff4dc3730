//! Child processes of the tests: forked, stepped, killed.
#![allow(unsafe_code)]

use std::io;

/// A forked child. Killed and reaped when dropped.
pub(crate) struct Child(libc::pid_t);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    Stopped,
    /// The child has ended, with this status.
    Ended(i32),
}

impl Child {
    /// Forks a child that runs `body` and ends with its result as status. The body must not
    /// panic or take a lock of this process.
    pub(crate) fn run(body: impl FnOnce() -> i32) -> Self {
        // SAFETY: the child only touches shared memory and leaves by _exit.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", io::Error::last_os_error()),
            // SAFETY: ends the child without running the parent's destructors.
            0 => unsafe { libc::_exit(body()) },
            pid => Self(pid),
        }
    }

    /// Forks like [`Self::run`], but stops before the first instruction of `body`.
    pub(crate) fn stopped(body: impl FnOnce() -> i32) -> Self {
        let child = Self::run(|| {
            // SAFETY: asks to be traced by the parent and stops.
            unsafe {
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::raise(libc::SIGSTOP);
            }
            body()
        });
        assert_eq!(child.wait(), Stepped::Stopped);
        child
    }

    pub(crate) fn step(&self) -> Stepped {
        // SAFETY: the child is this test's and stopped.
        let result = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.0, 0, 0) };
        assert_eq!(result, 0, "ptrace: {}", io::Error::last_os_error());
        self.wait()
    }

    /// Waits for the next stop or the end.
    pub(crate) fn wait(&self) -> Stepped {
        let mut status = 0;
        // SAFETY: `status` is a local variable.
        let result = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(result, self.0, "waitpid: {}", io::Error::last_os_error());
        if libc::WIFSTOPPED(status) {
            Stepped::Stopped
        } else if libc::WIFEXITED(status) {
            Stepped::Ended(libc::WEXITSTATUS(status))
        } else {
            Stepped::Ended(-1)
        }
    }

    /// Kills the child between two instructions.
    pub(crate) fn kill(&self) {
        // SAFETY: the child is this test's.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child is this test's; both calls fail harmlessly if it was reaped.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}
