//! Which memory a model takes, and how much of it is free.

use crate::{device::Device, hardware};

/// A memory that models lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// That of the machine.
    Host,
    /// That of the graphics processors of a maker.
    Gpu(&'static str),
    /// One of which nobody tells how large it is.
    Untold,
}

impl Place {
    /// Where a model lies that runs on a device. [`Device::Auto`] is for the caller to resolve.
    pub(crate) fn of(device: Device) -> Self {
        match device {
            Device::Cuda(_) | Device::TensorRt(_) => Self::Gpu("NVIDIA"),
            Device::MiGraphX(_) | Device::Rocm(_) => Self::Gpu("AMD"),
            Device::DirectMl(_) | Device::WebGpu | Device::Qnn => Self::Untold,
            // Intel's and Apple's graphics processors share the memory of the machine.
            Device::Auto | Device::Cpu | Device::Xnnpack | Device::OpenVino | Device::CoreMl => Self::Host,
        }
    }

    /// Bytes that are free. What nobody tells refuses nothing. Blocks.
    ///
    /// Of several graphics processors it is what the emptiest has: drivers and CUDA count them in different orders.
    pub(crate) fn free(self) -> u64 {
        let free = match self {
            Self::Host => {
                let memory = hardware::memory();
                (memory.total > 0).then_some(memory.available)
            }
            Self::Gpu(maker) => {
                let gpus = hardware::gpus();
                let of_maker = gpus
                    .iter()
                    .filter(|gpu| gpu.vendor.as_ref().is_some_and(|vendor| vendor.contains(maker)));
                of_maker.filter_map(|gpu| Some(gpu.memory?.saturating_sub(gpu.used?))).max()
            }
            Self::Untold => None,
        };
        free.unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_its_memory_and_a_device_that_is_not_here_refuses_nothing() {
        assert!(Place::of(Device::Cpu).free() <= hardware::memory().total);
        assert_eq!(Place::of(Device::Qnn).free(), u64::MAX);
        assert_eq!(Place::of(Device::TensorRt(1)), Place::of(Device::Cuda(0)));
    }
}
