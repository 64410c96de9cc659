//! The AWS calls of each kind.
