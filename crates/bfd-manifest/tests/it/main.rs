//! What a person may rely on when writing a manifest.
mod arbitrary;
mod assemblies;
mod dependencies;
mod described;
mod files;
mod generic;
mod mistakes;
mod render;
mod values;
mod world;
