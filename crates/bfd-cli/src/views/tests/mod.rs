//! Promises of the views, as snapshots.
