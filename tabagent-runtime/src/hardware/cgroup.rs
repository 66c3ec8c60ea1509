//! Memory limits of Linux control groups, version 1 and 2, for this process and every group above it.

use std::path::{Path, PathBuf};

use super::Memory;

/// Version 1 says "no limit" with a number just below 2^63.
const NO_LIMIT: u64 = 1 << 60;

/// The files that tell the limits: for each group from this process's up to the root, its folder and naming.
#[derive(Debug, Default)]
pub(super) struct Files {
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    folder: PathBuf,
    limit: &'static str,
    usage: &'static str,
    /// The line of `memory.stat` that counts file pages which are dropped when memory is needed.
    inactive: &'static str,
}

impl Files {
    /// The groups of this process; none outside Linux.
    pub(super) fn of_this_process() -> Self {
        if !cfg!(target_os = "linux") {
            return Self::default();
        }
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::listed(&text, Path::new("/sys/fs/cgroup"))
    }

    /// The groups that the text of `/proc/self/cgroup` names, with the control group file system at `mount`.
    fn listed(text: &str, mount: &Path) -> Self {
        let mut groups = Vec::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let (base, limit, usage, inactive) = if controllers.is_empty() {
                (mount.to_owned(), "memory.max", "memory.current", "inactive_file ")
            } else if controllers.split(',').any(|controller| controller == "memory") {
                (
                    mount.join("memory"),
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "total_inactive_file ",
                )
            } else {
                continue;
            };
            // In a container the path may be the host's, which is not mounted here; the mount's root is ours then.
            let relative = Path::new(path.trim_start_matches('/'));
            for ancestor in relative.ancestors() {
                groups.push(Group { folder: base.join(ancestor), limit, usage, inactive });
            }
        }
        Self { groups }
    }
}

/// Applies the tightest limit to what the machine has.
pub(super) fn within_limits(total: u64, available: u64, files: &Files) -> Memory {
    let number = |path: PathBuf| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let mut memory = Memory { total, available, limit: None };
    for group in &files.groups {
        let Some(limit) = number(group.folder.join(group.limit)).filter(|limit| *limit < NO_LIMIT) else {
            continue;
        };
        let used = number(group.folder.join(group.usage)).unwrap_or(0);
        let reclaimable = std::fs::read_to_string(group.folder.join("memory.stat"))
            .ok()
            .and_then(|stat| {
                stat.lines().find_map(|line| line.strip_prefix(group.inactive)?.trim().parse::<u64>().ok())
            })
            .unwrap_or(0);
        let free = limit.saturating_sub(used.saturating_sub(reclaimable));
        memory.available = memory.available.min(free);
        if limit < memory.total {
            memory.total = limit;
            memory.limit = Some(limit);
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_tightest_group_above_the_process_counts_in_version_2() {
        let mount = tempfile::tempdir().unwrap();
        let at = |name: &str| mount.path().join(name);
        write(&at("pod/memory.max"), "4000\n");
        write(&at("pod/memory.current"), "3000\n");
        write(&at("pod/memory.stat"), "anon 1\nactive_file 9\ninactive_file 500\n");
        write(&at("pod/app/memory.max"), "max\n");
        let files = Files::listed("0::/pod/app\n", mount.path());
        assert_eq!(
            within_limits(100_000, 50_000, &files),
            Memory { total: 4000, available: 1500, limit: Some(4000) }
        );
    }

    #[test]
    fn version_1_is_read_from_the_memory_controller_and_its_huge_number_is_no_limit() {
        let mount = tempfile::tempdir().unwrap();
        let at = |name: &str| mount.path().join(name);
        write(&at("memory/memory.limit_in_bytes"), "9223372036854771712\n");
        write(&at("memory/job/memory.limit_in_bytes"), "2000\n");
        write(&at("memory/job/memory.usage_in_bytes"), "1500\n");
        write(&at("memory/job/memory.stat"), "inactive_file 3\ntotal_inactive_file 100\n");
        let files = Files::listed("5:devices:/\n4:cpu,memory:/job\n", mount.path());
        assert_eq!(
            within_limits(9000, 300, &files),
            Memory { total: 2000, available: 300, limit: Some(2000) }
        );
        assert_eq!(within_limits(9000, 8000, &files).available, 600);
    }

    #[test]
    fn without_limits_the_machine_counts() {
        let mount = tempfile::tempdir().unwrap();
        let files = Files::listed("0::/\n", mount.path());
        assert_eq!(within_limits(10, 5, &files), Memory { total: 10, available: 5, limit: None });
    }
}
