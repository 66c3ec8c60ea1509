//! Which build of ONNX Runtime is installed: versions, files and checksums, as data.
//!
//! A [`Release`] lists the artefacts that hold the library for one platform, best way first. Each artefact is pinned by
//! version and by the SHA-256 of the file that is downloaded; nothing that differs from its pin is ever opened. Tests
//! install a release of their own through the same code.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Oldest minor version of ONNX Runtime 1.x that the crate can drive: the C API that `ort` is compiled for.
pub const MINIMUM_MINOR: u32 = ort::MINOR_VERSION;

/// Which build of ONNX Runtime: for the CPU alone, or with GPU execution providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// The CPU build, which every platform has.
    #[default]
    Cpu,
    /// The build with the CUDA and TensorRT execution providers.
    Cuda,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

impl FromStr for Flavour {
    type Err = crate::BackendError;

    fn from_str(text: &str) -> crate::Result<Self> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" | "gpu" => Ok(Self::Cuda),
            other => Err(crate::BackendError::configuration(
                "runtime install",
                format!("there is no build `{other}` of ONNX Runtime to install; use `cpu` or `cuda`"),
            )),
        }
    }
}

/// How an artefact is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The archive of the official release, over HTTPS.
    Archive,
    /// The Python wheel, through `pip download`.
    Pip,
    /// The Node package, through `npm pack`.
    Npm,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive",
            Self::Pip => "pip",
            Self::Npm => "npm",
        })
    }
}

/// One downloadable file that holds the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// How it is fetched.
    pub way: Way,
    /// Version of ONNX Runtime in it, such as `1.31.1`.
    pub version: String,
    /// File name for [`Way::Archive`] (below `BASE/vVERSION/`), distribution name for [`Way::Pip`] and [`Way::Npm`].
    pub name: String,
    /// Platform tag of the wheel (`manylinux_2_28_x86_64`); unused by the other ways.
    pub platform_tag: String,
    /// SHA-256 of the downloaded file, in lower-case hexadecimal.
    pub sha256: String,
    /// Size of the downloaded file in bytes where it is known; only progress reads it.
    pub bytes: Option<u64>,
    /// What is taken out of it. The first is the library itself, the others lie beside it.
    pub members: Vec<Member>,
}

/// A file inside an artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path inside the archive, with forward slashes.
    pub path: String,
    /// Name in the cache.
    pub file_name: String,
}

/// The artefacts of one flavour for one platform, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The flavour.
    pub flavour: Flavour,
    /// The ways to it; empty where nobody publishes a build for the platform.
    pub artifacts: Vec<Artifact>,
}

/// Python version whose wheel is asked for. Wheels of one release differ in the binding for Python, which is not used,
/// and on macOS and Windows in the signature of the library; one is pinned and asked for by name, whatever Python runs.
pub const WHEEL_PYTHON: &str = "3.12";

impl Release {
    /// The pinned release for the platform that this program was compiled for.
    pub fn pinned(flavour: Flavour) -> Self {
        // The published Linux builds need glibc; a musl program cannot load them.
        let glibc = !cfg!(all(target_os = "linux", not(target_env = "gnu")));
        let artifacts = super::pins::PINS
            .iter()
            .filter(|pin| glibc && pin.flavour == flavour)
            .filter(|pin| pin.os == std::env::consts::OS && pin.arch == std::env::consts::ARCH)
            .map(super::pins::Pin::artifact)
            .collect();
        Self { flavour, artifacts }
    }
}
