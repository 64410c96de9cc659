//! Keeps state, journal and lock.
