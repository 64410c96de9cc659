//! End-to-end tests of the `bfd` binary.
