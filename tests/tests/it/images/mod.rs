//! Images from what is on this machine to what a service runs, seen from outside.
//!
//! | module | what it is about |
//! |---|---|
//! | `dock` | an environment with an image, and what others see of it |
//! | `builds` | images that are built |
//! | `undo` | runs that fail after or while an image was pushed |
//! | `kills` | processes that die while they build or push |

mod builds;
mod dock;
mod kills;
mod undo;
