//! Checks that generated code makes at compile time.
