//! Reads manifests: TOML text to resources, with a place for every message.
