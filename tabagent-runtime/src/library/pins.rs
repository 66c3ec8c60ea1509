//! The pin table: one row for each published file that holds ONNX Runtime.
//!
//! Checksums of wheels and of the Node package were computed from the files that pip and npm deliver. Checksums of the
//! release archives are the ones that independent projects record for the same files (three agree on Linux x86-64, two on
//! Linux arm64; one each names macOS and Windows): a wrong one would refuse the archive, and the next way is taken.

use super::release::{Artifact, Flavour, Member, Way};

/// One row.
pub(super) struct Pin {
    pub(super) flavour: Flavour,
    pub(super) os: &'static str,
    pub(super) arch: &'static str,
    pub(super) way: Way,
    version: &'static str,
    name: &'static str,
    platform_tag: &'static str,
    sha256: &'static str,
    bytes: Option<u64>,
    members: &'static [(&'static str, &'static str)],
}

impl Pin {
    /// The row as the value that the installer takes.
    pub(super) fn artifact(&self) -> Artifact {
        Artifact {
            way: self.way,
            version: self.version.to_owned(),
            name: self.name.to_owned(),
            platform_tag: self.platform_tag.to_owned(),
            sha256: self.sha256.to_owned(),
            bytes: self.bytes,
            members: self
                .members
                .iter()
                .map(|(path, file_name)| Member {
                    path: (*path).to_owned(),
                    file_name: (*file_name).to_owned(),
                })
                .collect(),
        }
    }
}

pub(super) const PINS: &[Pin] = &[
    Pin {
        flavour: Flavour::Cpu,
        os: "linux",
        arch: "x86_64",
        way: Way::Archive,
        version: "1.31.0",
        name: "onnxruntime-linux-x64-1.31.0.tgz",
        platform_tag: "",
        sha256: "cc5c72baf5ae5c8238a6841f0897227be2d02826b9cf98eaf02fdefaeeb03a57",
        bytes: None,
        members: &[("onnxruntime-linux-x64-1.31.0/lib/libonnxruntime.so.1.31.0", "libonnxruntime.so.1")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "linux",
        arch: "x86_64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime",
        platform_tag: "manylinux_2_28_x86_64",
        sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
        bytes: Some(23_760_988),
        members: &[("onnxruntime/capi/libonnxruntime.so.1.31.1", "libonnxruntime.so.1")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "linux",
        arch: "x86_64",
        way: Way::Npm,
        version: "1.30.0",
        name: "onnxruntime-node",
        platform_tag: "",
        sha256: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
        bytes: Some(113_507_888),
        members: &[("package/bin/napi-v6/linux/x64/libonnxruntime.so.1", "libonnxruntime.so.1")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "linux",
        arch: "aarch64",
        way: Way::Archive,
        version: "1.31.0",
        name: "onnxruntime-linux-aarch64-1.31.0.tgz",
        platform_tag: "",
        sha256: "c5b8b3cca31f3d643a3b313b8f42e2d0f16a4fcefd02cda343d97bd5306afaab",
        bytes: None,
        members: &[("onnxruntime-linux-aarch64-1.31.0/lib/libonnxruntime.so.1.31.0", "libonnxruntime.so.1")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "linux",
        arch: "aarch64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime",
        platform_tag: "manylinux_2_28_aarch64",
        sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
        bytes: Some(21_420_803),
        members: &[("onnxruntime/capi/libonnxruntime.so.1.31.1", "libonnxruntime.so.1")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "linux",
        arch: "aarch64",
        way: Way::Npm,
        version: "1.30.0",
        name: "onnxruntime-node",
        platform_tag: "",
        sha256: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
        bytes: Some(113_507_888),
        members: &[("package/bin/napi-v6/linux/arm64/libonnxruntime.so.1", "libonnxruntime.so.1")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "macos",
        arch: "aarch64",
        way: Way::Archive,
        version: "1.31.0",
        name: "onnxruntime-osx-arm64-1.31.0.tgz",
        platform_tag: "",
        sha256: "1031b36dd3bdaa8d976a6130d9cf2a05e9be320b93ae804f8427b91dc3432afc",
        bytes: None,
        members: &[(
            "onnxruntime-osx-arm64-1.31.0/lib/libonnxruntime.1.31.0.dylib",
            "libonnxruntime.1.dylib",
        )],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "macos",
        arch: "aarch64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime",
        platform_tag: "macosx_14_0_arm64",
        sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
        bytes: Some(20_882_125),
        members: &[("onnxruntime/capi/libonnxruntime.1.31.1.dylib", "libonnxruntime.1.dylib")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "macos",
        arch: "aarch64",
        way: Way::Npm,
        version: "1.30.0",
        name: "onnxruntime-node",
        platform_tag: "",
        sha256: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
        bytes: Some(113_507_888),
        members: &[("package/bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib", "libonnxruntime.1.dylib")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "windows",
        arch: "x86_64",
        way: Way::Archive,
        version: "1.31.0",
        name: "onnxruntime-win-x64-1.31.0.zip",
        platform_tag: "",
        sha256: "3958d8a44984160692c1b4ffd0de3cb48f8c39f9d34bb31e433db06e30b82195",
        bytes: None,
        members: &[("onnxruntime-win-x64-1.31.0/lib/onnxruntime.dll", "onnxruntime.dll")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "windows",
        arch: "x86_64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime",
        platform_tag: "win_amd64",
        sha256: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
        bytes: Some(14_888_466),
        members: &[("onnxruntime/capi/onnxruntime.dll", "onnxruntime.dll")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "windows",
        arch: "x86_64",
        way: Way::Npm,
        version: "1.30.0",
        name: "onnxruntime-node",
        platform_tag: "",
        sha256: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
        bytes: Some(113_507_888),
        members: &[
            ("package/bin/napi-v6/win32/x64/onnxruntime.dll", "onnxruntime.dll"),
            ("package/bin/napi-v6/win32/x64/DirectML.dll", "DirectML.dll"),
        ],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "windows",
        arch: "aarch64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime",
        platform_tag: "win_arm64",
        sha256: "fe8b9ac1ae8e894e12c47ee82e4f6dfc1835768133687257866469fda80d0bf1",
        bytes: Some(14_740_724),
        members: &[("onnxruntime/capi/onnxruntime.dll", "onnxruntime.dll")],
    },
    Pin {
        flavour: Flavour::Cpu,
        os: "windows",
        arch: "aarch64",
        way: Way::Npm,
        version: "1.30.0",
        name: "onnxruntime-node",
        platform_tag: "",
        sha256: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
        bytes: Some(113_507_888),
        members: &[
            ("package/bin/napi-v6/win32/arm64/onnxruntime.dll", "onnxruntime.dll"),
            ("package/bin/napi-v6/win32/arm64/DirectML.dll", "DirectML.dll"),
        ],
    },
    Pin {
        flavour: Flavour::Cuda,
        os: "linux",
        arch: "x86_64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime-gpu",
        platform_tag: "manylinux_2_28_x86_64",
        sha256: "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
        bytes: Some(255_569_273),
        members: &[
            ("onnxruntime/capi/libonnxruntime.so.1.31.1", "libonnxruntime.so.1"),
            ("onnxruntime/capi/libonnxruntime_providers_shared.so", "libonnxruntime_providers_shared.so"),
            ("onnxruntime/capi/libonnxruntime_providers_cuda.so", "libonnxruntime_providers_cuda.so"),
            ("onnxruntime/capi/libonnxruntime_providers_tensorrt.so", "libonnxruntime_providers_tensorrt.so"),
        ],
    },
    Pin {
        flavour: Flavour::Cuda,
        os: "windows",
        arch: "x86_64",
        way: Way::Pip,
        version: "1.31.1",
        name: "onnxruntime-gpu",
        platform_tag: "win_amd64",
        sha256: "2bb1e9373baba88f6415257f5b6a589d23e23c16004f7d89adf4344eada5749e",
        bytes: Some(168_098_228),
        members: &[
            ("onnxruntime/capi/onnxruntime.dll", "onnxruntime.dll"),
            ("onnxruntime/capi/onnxruntime_providers_shared.dll", "onnxruntime_providers_shared.dll"),
            ("onnxruntime/capi/onnxruntime_providers_cuda.dll", "onnxruntime_providers_cuda.dll"),
            ("onnxruntime/capi/onnxruntime_providers_tensorrt.dll", "onnxruntime_providers_tensorrt.dll"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::MINIMUM_MINOR;

    #[test]
    fn every_pin_is_complete_and_recent_enough() {
        for pin in PINS {
            let label = format!("{} {} {} {}", pin.way, pin.name, pin.os, pin.arch);
            assert_eq!(pin.sha256.len(), 64, "{label}");
            assert!(pin.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{label}");
            assert!(!pin.members.is_empty(), "{label}");
            assert_eq!(pin.platform_tag.is_empty(), pin.way != Way::Pip, "{label}");
            let minor: u32 = pin.version.split('.').nth(1).unwrap().parse().unwrap();
            assert!(minor >= MINIMUM_MINOR, "{label}");
        }
    }

    #[test]
    fn the_ways_of_a_platform_come_in_the_documented_order() {
        for (os, arch) in
            [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64"), ("windows", "x86_64")]
        {
            let ways: Vec<Way> = PINS
                .iter()
                .filter(|pin| pin.flavour == Flavour::Cpu && pin.os == os && pin.arch == arch)
                .map(|pin| pin.way)
                .collect();
            assert_eq!(ways, [Way::Archive, Way::Pip, Way::Npm], "{os} {arch}");
        }
    }
}
