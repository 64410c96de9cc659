//! Images from what is on this machine to what a service runs, seen from outside.
//!
//! | module | what it is about |
//! |---|---|
//! | `dock` | an environment with an image, and what others see of it |
//! | `builds` | images that are built |
//! | `archives` | images that others made, copies, and plain files |
//! | `promotion` | images of one environment in another, and environments without |
//! | `git` | tags that name the commit |
//! | `undo` | runs that fail after or while an image was pushed |
//! | `kills` | processes that die while they build or push |

mod archives;
mod builds;
mod dock;
mod git;
mod kills;
mod promotion;
mod undo;
