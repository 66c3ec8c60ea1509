//! The commands, one a file.

pub(super) mod bench;
pub(super) mod doctor;
pub(super) mod openapi;
pub(super) mod routes;
pub(super) mod run;
pub(super) mod runtime;
pub(super) mod serve;
