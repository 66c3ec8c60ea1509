//! One run of a session with every output in memory of ours.
//!
//! ONNX Runtime writes the new keys and values of `GroupQueryAttention` where the old ones lie, if past and present are
//! the same memory. `ort` has no way to say that: its bindings copy what they borrow. So this module, and no other, calls
//! `Run` itself.

use std::ffi::{CStr, c_char};

use ort::{
    AsPointer,
    memory::MemoryInfo,
    session::RunOptions,
    value::{PrimitiveTensorElementType, Shape, TensorRefMut},
};

use super::layout::Element;
use crate::session::Session;

/// A tensor over memory that somebody else owns.
///
/// It is made from a raw pointer and touches nothing by itself; [`run`] reads and writes through it.
#[derive(Debug)]
pub(super) enum View {
    F32(TensorRefMut<'static, f32>),
    F16(TensorRefMut<'static, half::f16>),
    I64(TensorRefMut<'static, i64>),
    I32(TensorRefMut<'static, i32>),
}

impl View {
    /// A view of `shape` values at `data`.
    ///
    /// # Safety
    /// `data` points to as many values as `shape` has, and they live as long as the view is given to [`run`].
    #[allow(unsafe_code)]
    pub(super) unsafe fn float(element: Element, data: *mut u32, shape: &[usize]) -> ort::Result<Self> {
        // SAFETY: the caller's promise, handed on.
        unsafe {
            Ok(match element {
                Element::F32 => Self::F32(raw(data.cast(), shape)?),
                Element::F16 => Self::F16(raw(data.cast(), shape)?),
            })
        }
    }

    /// A view of all of `data` as a matrix.
    ///
    /// # Safety
    /// `data` holds `rows * columns` values, and lives and stays where it is as long as the view is given to [`run`].
    #[allow(unsafe_code)]
    pub(super) unsafe fn matrix_i64(data: &mut [i64], rows: usize, columns: usize) -> ort::Result<Self> {
        // SAFETY: the caller's promise, handed on.
        unsafe { Ok(Self::I64(raw(data.as_mut_ptr(), &[rows, columns])?)) }
    }

    /// [`View::matrix_i64`] for 32-bit integers.
    ///
    /// # Safety
    /// As there.
    #[allow(unsafe_code)]
    pub(super) unsafe fn matrix_i32(data: &mut [i32], rows: usize, columns: usize) -> ort::Result<Self> {
        // SAFETY: the caller's promise, handed on.
        unsafe { Ok(Self::I32(raw(data.as_mut_ptr(), &[rows, columns])?)) }
    }

    fn pointer(&self) -> *const ort::sys::OrtValue {
        match self {
            Self::F32(value) => value.ptr(),
            Self::F16(value) => value.ptr(),
            Self::I64(value) => value.ptr(),
            Self::I32(value) => value.ptr(),
        }
    }
}

/// # Safety
/// `data` points to as many values as `shape` has, and they outlive every use of the tensor.
#[allow(unsafe_code)]
unsafe fn raw<T: PrimitiveTensorElementType + std::fmt::Debug>(
    data: *mut T,
    shape: &[usize],
) -> ort::Result<TensorRefMut<'static, T>> {
    let shape: Vec<i64> = shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    // SAFETY: the memory is the process's own, as the default memory information says, and long enough by the caller's
    // promise.
    unsafe { TensorRefMut::from_raw(MemoryInfo::default(), data.cast(), Shape::from(shape)) }
}

/// Runs a session on the CPU. Each output is written into its view.
///
/// # Errors
/// What ONNX Runtime fails with.
///
/// # Safety
/// The memory behind every view is alive and, for outputs, not borrowed by anything else during the call. A view among
/// inputs and one among outputs may be of the same memory only where the graph reads before it writes, as
/// `GroupQueryAttention` does.
#[allow(unsafe_code)]
pub(super) unsafe fn run(
    session: &mut Session,
    options: &RunOptions,
    inputs: &[(&CStr, &View)],
    outputs: &[(&CStr, &View)],
) -> ort::Result<()> {
    let names =
        |list: &[(&CStr, &View)]| list.iter().map(|(name, _)| name.as_ptr()).collect::<Vec<*const c_char>>();
    let (input_names, output_names) = (names(inputs), names(outputs));
    let input_values: Vec<_> = inputs.iter().map(|(_, view)| view.pointer()).collect();
    let mut output_values: Vec<_> = outputs.iter().map(|(_, view)| view.pointer().cast_mut()).collect();
    // SAFETY: names and values are as many as said and live until the call returns; the session is ours alone, since it is
    // borrowed mutably; outputs are not null, so that nothing is allocated that we would have to release.
    let status = unsafe {
        (ort::api().Run)(
            session.inner_mut().ptr().cast_mut(),
            options.ptr(),
            input_names.as_ptr(),
            input_values.as_ptr(),
            input_values.len(),
            output_names.as_ptr(),
            output_names.len(),
            output_values.as_mut_ptr(),
        )
    };
    // SAFETY: the status is what `Run` returned just now.
    unsafe { ort::Error::result_from_status(status) }
}
