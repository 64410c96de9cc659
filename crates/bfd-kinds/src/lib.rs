//! What each kind of resource is, as data and pure functions.
