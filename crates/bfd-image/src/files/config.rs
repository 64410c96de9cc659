//! The image's configuration, over its base's.

use super::{Base, Files, Manifest, RunConfig, Sum, descriptor};
use crate::{Digest, ImageError, oci};
use serde_json::{Map, Value, json};

/// No image has a date of its own: its digest would change with it.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The base's configuration, checked against its manifest and the platform that is wanted.
pub(super) fn base(files: &Files) -> Result<Map<String, Value>, ImageError> {
    files.config.check()?;
    let wanted = &files.platform;
    let Base::Image(base) = &files.base else {
        let mut config = Map::new();
        config.insert("architecture".to_owned(), json!(wanted.architecture));
        config.insert("os".to_owned(), json!(wanted.os));
        if let Some(variant) = &wanted.variant {
            config.insert("variant".to_owned(), json!(variant));
        }
        config.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": [] }));
        return Ok(config);
    };
    let digest = &base.descriptor.digest;
    let wrong = |what: String| ImageError::invalid(format!("the base {digest}: {what}"));
    if Digest::of(&base.config) != base.manifest.config.digest {
        return Err(wrong("its configuration is not what its manifest names".to_owned()));
    }
    let config: Map<String, Value> = serde_json::from_slice(&base.config)
        .map_err(|error| wrong(format!("its configuration is not as OCI has it: {error}")))?;
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let variant = wanted.variant.as_deref();
    let has_variant = variant.is_none_or(|variant| ["", variant].contains(&text("variant")));
    if text("os") != wanted.os || text("architecture") != wanted.architecture || !has_variant {
        let is = format!("{}/{}", text("os"), text("architecture"));
        return Err(wrong(format!("it is for {is}, and {wanted} is wanted")));
    }
    let ids = config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids"));
    let ids = ids.and_then(Value::as_array).map(Vec::len);
    if ids != Some(base.manifest.layers.len()) {
        return Err(wrong("its manifest and configuration name other layers".to_owned()));
    }
    Ok(config)
}

pub(super) fn empty_manifest() -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: oci::MANIFEST.to_owned(),
        config: descriptor(oci::CONFIG, Digest::of(b""), 0),
        layers: Vec::new(),
    }
}

/// The bytes of the configuration with the new layer in it.
pub(super) fn over(
    files: &Files,
    mut config: Map<String, Value>,
    layer: &Digest,
) -> Result<Vec<u8>, ImageError> {
    let wrong = || ImageError::invalid("the base's configuration is not as OCI has it");
    config.insert("created".to_owned(), json!(CREATED));
    let ids = config.get_mut("rootfs").and_then(|rootfs| rootfs.get_mut("diff_ids"));
    ids.and_then(Value::as_array_mut).ok_or_else(wrong)?.push(json!(layer));
    // A history tells of every layer or of none.
    let entry = json!({ "created": CREATED, "created_by": "bfd: files" });
    match config.get_mut("history") {
        Some(Value::Array(history)) => history.push(entry),
        _ if matches!(files.base, Base::Scratch) => {
            config.insert("history".to_owned(), json!([entry]));
        }
        _ => {}
    }
    let run = config.entry("config").or_insert_with(|| json!({}));
    if run.is_null() {
        *run = json!({});
    }
    files.config.apply(run.as_object_mut().ok_or_else(wrong)?).ok_or_else(wrong)?;
    Ok(serde_json::to_vec(&sorted(Value::Object(config))).expect("values are JSON"))
}

/// With every object's names in order, whichever map `serde_json` was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(object) => {
            let mut pairs: Vec<(String, Value)> = object.into_iter().collect();
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(pairs.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        other => other,
    }
}

impl RunConfig {
    fn check(&self) -> Result<(), ImageError> {
        for name in self.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                let what = format!("`{}` cannot be an environment variable", name.escape_debug());
                return Err(ImageError::invalid(what));
            }
        }
        if let Some(path) = self.working_dir.as_ref().filter(|path| !path.starts_with('/')) {
            return Err(ImageError::invalid(format!(
                "the working directory `{path}` is not absolute"
            )));
        }
        self.ports.iter().try_for_each(|port| port_of(port).map(drop))
    }

    /// Writes it over a base's. `None` where the base's is not of its form.
    fn apply(&self, run: &mut Map<String, Value>) -> Option<()> {
        if let Some(entrypoint) = &self.entrypoint {
            run.insert("Entrypoint".to_owned(), json!(entrypoint));
            run.remove("Cmd");
        }
        if let Some(command) = &self.command {
            run.insert("Cmd".to_owned(), json!(command));
        }
        if let Some(path) = &self.working_dir {
            run.insert("WorkingDir".to_owned(), json!(path));
        }
        if let Some(user) = &self.user {
            run.insert("User".to_owned(), json!(user));
        }
        if !self.env.is_empty() {
            let env = run.entry("Env").or_insert_with(|| json!([]));
            if env.is_null() {
                *env = json!([]);
            }
            let env = env.as_array_mut()?;
            for (name, value) in &self.env {
                let pair = json!(format!("{name}={value}"));
                let is_it = |it: &&mut Value| {
                    let text = it.as_str().unwrap_or_default();
                    text.split_once('=').map_or(text, |(name, _)| name) == name
                };
                match env.iter_mut().find(is_it) {
                    Some(there) => *there = pair,
                    None => env.push(pair),
                }
            }
        }
        let ports = self.ports.iter().filter_map(|port| port_of(port).ok());
        add(run, "ExposedPorts", ports.map(|port| (port, json!({}))).collect())?;
        let labels = self.labels.iter().map(|(name, value)| (name.clone(), json!(value)));
        add(run, "Labels", labels.collect())
    }

    pub(super) fn add_to(&self, sum: &mut Sum) {
        for list in [&self.entrypoint, &self.command] {
            sum.add(if list.is_some() { b"given" } else { b"" });
            sum.add_all(list.as_deref().unwrap_or_default().iter());
        }
        for map in [&self.env, &self.labels] {
            sum.add_all(map.keys());
            sum.add_all(map.values());
        }
        sum.add_all(self.working_dir.iter());
        sum.add_all(self.user.iter());
        sum.add_all(self.ports.iter());
    }
}

fn add(run: &mut Map<String, Value>, name: &str, pairs: Map<String, Value>) -> Option<()> {
    if pairs.is_empty() {
        return Some(());
    }
    let there = run.entry(name).or_insert_with(|| json!({}));
    if there.is_null() {
        *there = json!({});
    }
    there.as_object_mut()?.extend(pairs);
    Some(())
}

/// A port as an image has it: with its protocol.
fn port_of(port: &str) -> Result<String, ImageError> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let is_number = number.parse::<u16>().is_ok_and(|number| number > 0);
    if is_number && ["tcp", "udp", "sctp"].contains(&protocol) {
        return Ok(format!("{number}/{protocol}"));
    }
    let what = format!("`{port}` is no port: write it as `8080` or `53/udp`");
    Err(ImageError::invalid(what))
}
