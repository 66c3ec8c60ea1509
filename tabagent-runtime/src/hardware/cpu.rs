//! The processor: its name, the instruction sets that ONNX Runtime's kernels use, and the cores that are ours.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, System};

/// The processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// Its name, where the system tells.
    pub name: Option<String>,
    /// Its architecture: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Instruction sets that matter for speed here, such as `avx2`, `avx512_vnni`, `amx_int8`, `dotprod`.
    pub features: Vec<String>,
    /// Logical processors of the machine.
    pub logical_cores: usize,
    /// Physical cores of the machine.
    pub physical_cores: usize,
    /// Logical processors that this process may use, by its affinity and the quota of its control group.
    pub usable_cores: usize,
}

/// Looks at the processor.
pub(super) fn describe() -> Cpu {
    let (name, logical) = match System::new() {
        Ok(mut system) => {
            system.refresh_cpu_list(CpuRefreshKind::nothing());
            let name = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
            (name.filter(|name| !name.is_empty()), system.cpus().len())
        }
        Err(_) => (None, 0),
    };
    let usable = usable_cores();
    let logical_cores = logical.max(usable);
    Cpu {
        name,
        architecture: std::env::consts::ARCH.to_owned(),
        features: features(),
        logical_cores,
        physical_cores: System::physical_core_count().unwrap_or(logical_cores).clamp(1, logical_cores),
        usable_cores: usable,
    }
}

/// Logical processors that this process may use. The standard library honours affinity and quotas.
fn usable_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Physical cores that this process may use, at least 1: the right number of threads for arithmetic, since two threads of
/// one core share its arithmetic units.
pub fn physical_cores() -> usize {
    let usable = usable_cores();
    let physical = if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| allowed_cores(&status, Path::new("/sys/devices/system/cpu")))
    } else {
        System::physical_core_count().ok()
    };
    physical.unwrap_or(usable).clamp(1, usable.max(1))
}

/// Counts the cores behind the processors that `Cpus_allowed_list` of `/proc/self/status` names.
fn allowed_cores(status: &str, devices: &Path) -> Option<usize> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    let mut cores = BTreeSet::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        for cpu in first.parse::<u32>().ok()?..=last.parse::<u32>().ok()? {
            let topology = devices.join(format!("cpu{cpu}")).join("topology");
            let read = |name: &str| std::fs::read_to_string(topology.join(name)).ok();
            // Threads of one core have the same list of siblings. A processor that is switched off has none.
            if let Some(siblings) = read("core_cpus_list").or_else(|| read("thread_siblings_list")) {
                cores.insert(siblings);
            }
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}

/// Instruction sets that matter, of those the processor and the system offer.
pub(super) fn features() -> Vec<String> {
    if cfg!(target_os = "linux") {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        return features_in(&text);
    }
    detected().into_iter().map(str::to_owned).collect()
}

/// The words of `/proc/cpuinfo` that stand for them.
const WORDS: &[&str] = &[
    "sse4_1",
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "asimdhp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
    "sme",
];

fn features_in(cpuinfo: &str) -> Vec<String> {
    let line = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags").or_else(|| line.strip_prefix("Features")))
        .and_then(|rest| rest.split_once(':'));
    let words: BTreeSet<&str> = line.map(|(_, words)| words.split_whitespace().collect()).unwrap_or_default();
    WORDS.iter().filter(|word| words.contains(*word)).map(|word| (*word).to_owned()).collect()
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Vec<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let all = [
        ("sse4_1", has!("sse4.1")),
        ("sse4_2", has!("sse4.2")),
        ("avx", has!("avx")),
        ("f16c", has!("f16c")),
        ("fma", has!("fma")),
        ("avx2", has!("avx2")),
        ("avx_vnni", has!("avxvnni")),
        ("avx512f", has!("avx512f")),
        ("avx512bw", has!("avx512bw")),
        ("avx512vl", has!("avx512vl")),
        ("avx512_vnni", has!("avx512vnni")),
        ("avx512_bf16", has!("avx512bf16")),
        ("avx512_fp16", has!("avx512fp16")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn detected() -> Vec<&'static str> {
    use std::arch::is_aarch64_feature_detected as has;
    let all = [
        ("asimd", has!("neon")),
        ("asimddp", has!("dotprod")),
        ("asimdhp", has!("fp16")),
        ("i8mm", has!("i8mm")),
        ("bf16", has!("bf16")),
        ("sve", has!("sve")),
        ("sve2", has!("sve2")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_once_and_only_where_we_may_run() {
        let devices = tempfile::tempdir().unwrap();
        for (cpu, siblings) in [(0, "0,4"), (1, "1,5"), (4, "0,4"), (5, "1,5")] {
            let topology = devices.path().join(format!("cpu{cpu}")).join("topology");
            std::fs::create_dir_all(&topology).unwrap();
            std::fs::write(topology.join("core_cpus_list"), siblings).unwrap();
        }
        let count =
            |list: &str| allowed_cores(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n"), devices.path());
        assert_eq!(count("0-1,4-5"), Some(2));
        assert_eq!(count("0,4"), Some(1));
        assert_eq!(count("7"), None);
    }

    #[test]
    fn features_are_read_from_both_kinds_of_cpuinfo() {
        assert_eq!(
            features_in("processor: 0\nflags\t\t: fpu avx avx2 avx512_vnni\n"),
            ["avx", "avx2", "avx512_vnni"]
        );
        assert_eq!(features_in("Features\t: fp asimd asimddp\n"), ["asimd", "asimddp"]);
        assert!(features_in("").is_empty());
    }

    #[test]
    fn this_machine_has_cores_and_memory() {
        let cpu = describe();
        assert!((1..=cpu.usable_cores).contains(&physical_cores()));
        assert!(cpu.logical_cores >= cpu.physical_cores && cpu.physical_cores >= 1);
        let memory = crate::hardware::memory();
        assert!(memory.total >= memory.available && memory.available > 0, "{memory:?}");
    }
}
