//! A plan in a file: what was reviewed is what gets applied.

use crate::exit::CommandError;
use bfd_core::plan::{FORMAT_VERSION, Plan};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Tells a plan from other JSON files.
    pub bfd_plan: u32,
    /// As it was given to `bfd plan`.
    pub manifest: PathBuf,
    pub plan: Plan,
}

pub fn save(path: &Path, manifest: &Path, plan: &Plan) -> Result<(), CommandError> {
    let saved =
        SavedPlan { bfd_plan: FORMAT_VERSION, manifest: manifest.to_owned(), plan: plan.clone() };
    let mut text = serde_json::to_string_pretty(&saved).expect("a plan is plain data");
    text.push('\n');
    fs::write(path, text).map_err(|err| CommandError::refused(format!("{}: {err}", path.display())))
}

/// Reads a saved plan; `None` when the file is something else, such as a manifest.
pub fn read(path: &Path) -> Result<Option<SavedPlan>, CommandError> {
    // A file that cannot be read is the manifest loader's to explain.
    let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let refused = |reason: String| {
        CommandError::refused_with(
            format!("{} is not a plan this bfd can apply: {reason}", path.display()),
            "make it again with `bfd plan -o`",
        )
    };
    let version = serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|err| refused(err.to_string()))?
        .get("bfd_plan")
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| refused("it has no `bfd_plan`".to_owned()))?;
    if version != u64::from(FORMAT_VERSION) {
        return Err(refused(format!("its format is {version}, not {FORMAT_VERSION}")));
    }
    serde_json::from_str(&text).map(Some).map_err(|err| refused(err.to_string()))
}
