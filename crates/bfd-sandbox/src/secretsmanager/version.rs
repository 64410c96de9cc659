//! Versions of a secret, and the labels that are on them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CURRENT, PREVIOUS, Secret};
use crate::world::World;

/// How many versions are kept; the oldest without a label give way.
const VERSIONS: usize = 100;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) stages: BTreeSet<String>,
    pub(super) created_at: f64,
    pub(super) content: Content,
}

/// What a version holds, sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    Text(String),
    /// In base64.
    Binary(String),
}

impl Content {
    pub(super) fn seal(self, world: &mut World) -> Self {
        match self {
            Self::Text(plain) => Self::Text(world.seal(&plain)),
            Self::Binary(plain) => Self::Binary(world.seal(&plain)),
        }
    }

    /// As it was before it was sealed.
    pub(super) fn unseal(&self, world: &World) -> Self {
        match self {
            Self::Text(sealed) => Self::Text(world.unseal(sealed)),
            Self::Binary(sealed) => Self::Binary(world.unseal(sealed)),
        }
    }

    /// Whether the other, both unsealed, is the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) | (Self::Binary(one), Self::Binary(two)) => {
                one == two
            }
            _ => false,
        }
    }
}

impl Secret {
    pub(super) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(super) fn labelled(&self, stage: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.stages.contains(stage))
    }

    /// Adds a version and moves its labels to it. The version that was the current one becomes
    /// the previous one.
    pub(super) fn add(&mut self, version: Version) {
        let moves_current = version.stages.contains(CURRENT);
        for older in &mut self.versions {
            let was_current = older.stages.contains(CURRENT);
            older.stages.retain(|stage| !version.stages.contains(stage));
            if moves_current {
                older.stages.remove(PREVIOUS);
            }
            if moves_current && was_current {
                older.stages.insert(PREVIOUS.to_owned());
            }
        }
        self.versions.push(version);
        while self.versions.len() > VERSIONS {
            let Some(oldest) = self.versions.iter().position(|it| it.stages.is_empty()) else {
                break;
            };
            self.versions.remove(oldest);
        }
    }
}
