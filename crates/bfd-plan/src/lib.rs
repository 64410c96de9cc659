//! Decides what to do: graph, diff and plan.
