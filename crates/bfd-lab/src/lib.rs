//! The laboratory: whole runs of bfd in virtual time, with everything that can go wrong.
//!
//! A seed gives an environment, changes of it, faults, and moments at which the process
//! dies. The planner, the driver, the AWS calls, the local state and the SDK are the real
//! ones; the cloud is the embedded one, and the disk one that loses power on command.
//! After every run the same laws are asked, whatever happened.
//!
//! | module | what is in it |
//! |---|---|
//! | [`dice`] | chance from a seed |
//! | [`environment`] | environments and changes of them, as manifests |
//! | [`images`] | images that they make and push |
//! | [`links`] | what their stacks take from each other and from Parameter Store |
//! | [`trouble`] | what goes wrong during one life of the process |
//! | [`disk`] | a disk that loses power |
//! | [`life`] | one process, from its start to its end or death |
//! | [`cloud`] | what exists, told so that it can be compared |
//! | [`laws`] | what must hold |
//! | [`scenario`] | a seed's whole story |
//! | [`exhaust`] | every single failure of a manifest |
pub mod cloud;
pub mod dice;
pub mod disk;
pub mod environment;
pub mod exhaust;
pub mod images;
pub mod laws;
pub mod life;
pub mod links;
pub mod scenario;
pub mod trouble;
