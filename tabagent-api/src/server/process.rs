//! Figures of this process, where the operating system tells them without help: Linux does.

/// Bytes of the process that are in RAM.
pub(super) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Number of open file descriptors.
pub(super) fn open_files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_and_files_of_this_process_are_told() {
        assert!(resident_memory().unwrap() > 1 << 20);
        // stdin, stdout and stderr.
        assert!(open_files().unwrap() >= 3);
    }
}
