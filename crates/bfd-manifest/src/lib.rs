//! Reads manifests: TOML text to resources, with a place for every message.
//!
//! Nothing here touches a file, the environment or a secret: [`Options`] says how.
//! What may be written in a kind's table is data in `bfd-kinds`; the checks, the
//! JSON Schema and the reference are all derived from it. [`load`] goes through
//! the modules in this order:
//!
//! | module | from … to |
//! |---|---|
//! | `syntax` | text → `node`s, each with its place |
//! | `extends` | a chain of files → one tree |
//! | `variables` | `[vars]`, `--var`, environment → values |
//! | `settings` | `[environment]`, `[provider]`, `[state]`, `[rollback]`, `[guard]` → [`Manifest`] |
//! | `assemblies` | CDK applications → tables, as if they were written |
//! | `declared` | kinds' tables → addresses |
//! | `fields`, `scalars`, `outside` | one table and its description → inputs |
//! | `template`, `scope` | `${…}` in it → values and references |
//! | `common` | `depends_on`, `adopt`, `protect` |
//! | `resources` | inputs → the kind's canonical form |
//! | `nested` | what stacks publish → templates of the stacks within them |
//! | `duplicates`, `cycles` | what no single resource can know |
//!
//! [`schema`] and [`reference`] describe all of it, for editors and for people.
mod assemblies;
mod common;
mod cycles;
mod declared;
mod duplicates;
mod duration;
mod extends;
mod fields;
mod load;
mod manifest;
mod nearest;
mod nested;
mod node;
mod options;
mod outside;
mod quoted;
mod reference;
mod repetition;
mod resources;
mod scalars;
mod schema;
mod scope;
mod sections;
mod settings;
mod sources;
mod syntax;
mod template;
mod types;
mod variables;
mod words;

pub use bfd_assembly::{Disk, Entry, Files};
pub use duration::{parse as parse_duration, show as show_duration};
pub use load::{Failed, load};
pub use manifest::{
    Approval, Backend, BootstrapVersion, Deletes, Guard, Manifest, ProviderKind, ProviderSettings,
    ReadAssembly, StateSettings,
};
pub use options::{Options, SecretDigest, Unreadable};
pub use reference::reference;
pub use schema::schema;
pub use scope::GIT;
pub use sources::{Source, Sources};
