//! Giving memory back to the system that the allocator keeps.
#![allow(unsafe_code)]

/// Asks the allocator to give back what is free. A model in memory is millions of small pieces beside its weights; glibc
/// keeps what was freed of them, in an arena for each thread, and gives it back only when asked.
///
/// Source: malloc_trim(3).
pub(crate) fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it takes no pointer, may be called from any thread at any time, and touches only memory that nobody has.
        let _released = unsafe { libc::malloc_trim(0) };
    }
}
