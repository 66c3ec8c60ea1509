//! What models need and what there is: estimates before a load, the memory of the machine and of this process, and giving
//! back what is free.

pub mod estimate;
mod give_back;
mod graph;
mod place;

pub use estimate::{Estimate, EstimateRequest, estimate};
pub(crate) use give_back::give_back_memory;
pub(crate) use place::Place;
