//! A plan in a file: what was reviewed is what gets applied.

use crate::{cli::ManifestArgs, exit::CommandError, host};
use bfd_core::plan::{FORMAT_VERSION, Plan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Tells a plan from other JSON files.
    pub bfd_plan: u32,
    /// As it was given to `bfd plan`, from the directory that it was run in.
    pub manifest: PathBuf,
    /// Given with `--var`. They are in the plan as well, so they are no secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Of the plan: what was reviewed cannot be edited afterwards.
    pub digest: String,
    pub plan: Plan,
}

fn digest(manifest: &Path, vars: &BTreeMap<String, String>, plan: &Plan) -> String {
    let text = serde_json::to_vec(&(manifest, vars, plan)).expect("a plan is plain data");
    let hash = Sha256::digest(text);
    hash.iter().fold(String::from("sha256:"), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}

pub fn save(path: &Path, manifest: &ManifestArgs, plan: &Plan) -> Result<(), CommandError> {
    let is_ours = |path: &Path| fs::read_to_string(path).is_ok_and(|text| is_plan(&text));
    if path.exists() && !is_ours(path) {
        return Err(CommandError::refused_with(
            format!("{} is there already, and it is no saved plan", path.display()),
            "choose another name for the plan",
        ));
    }
    let vars: BTreeMap<String, String> = manifest.vars.iter().cloned().collect();
    let saved = SavedPlan {
        bfd_plan: FORMAT_VERSION,
        digest: digest(&manifest.manifest, &vars, plan),
        manifest: manifest.manifest.clone(),
        vars,
        plan: plan.clone(),
    };
    let mut text = serde_json::to_string_pretty(&saved).expect("a plan is plain data");
    text.push('\n');
    fs::write(path, text).map_err(|err| CommandError::refused(format!("{}: {err}", path.display())))
}

/// Whether a text says that it is a saved plan.
fn is_plan(text: &str) -> bool {
    let json = serde_json::from_str::<serde_json::Value>(text);
    json.is_ok_and(|json| json.get("bfd_plan").is_some())
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
    let mut saved: SavedPlan =
        serde_json::from_str(&text).map_err(|err| refused(err.to_string()))?;
    if saved.digest != digest(&saved.manifest, &saved.vars, &saved.plan) {
        return Err(refused("it was edited after it was made".to_owned()));
    }
    if !saved.manifest.exists() {
        // It may have travelled: look from the plan's own place.
        saved.manifest = host::directory_of(path).join(&saved.manifest);
    }
    if !saved.manifest.exists() {
        return Err(CommandError::refused_with(
            format!("the manifest of this plan, {}, is not there", saved.manifest.display()),
            "apply it from the directory in which `bfd plan` was run",
        ));
    }
    Ok(Some(saved))
}
