//! Carries out a plan, rolls back and recovers.
