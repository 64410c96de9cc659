use super::{
    super::parameter::{write, written::Written},
    Writes, outputs,
};
use crate::{
    Aws,
    tags::{self, Tags, text_map},
};
use bfd_core::{Object, Properties, Value};
use bfd_kinds::coordinator::parameter_name;
use bfd_provider::{Context, ErrorClass, ProviderError};
use futures_util::future::join_all;

/// From one configuration to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) prefix: &'a str,
    pub(super) before: &'a Properties,
    pub(super) after: &'a Properties,
    /// Entries that come back are ours, even if they were never deleted.
    pub(super) is_undo: bool,
}

/// Brings the configuration from one set of entries to another.
///
/// What went well before a failure is reported as left behind, entry by entry, so that an
/// undo touches nothing else.
pub(super) async fn converge(
    aws: &Aws,
    change: Change<'_>,
    writes: &Writes,
    context: &Context,
) -> Result<Object, ProviderError> {
    let Change { prefix, before, after, is_undo } = change;
    let (old, new) = (text_map(before.get("config")), text_map(after.get("config")));
    let (old_tags, new_tags) = (tags::declared(before), tags::declared(after));
    let mut now = Now {
        prefix,
        config: old.clone(),
        writes: writes.clone(),
        tags: old_tags.clone(),
        changed: false,
    };
    let puts =
        new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, value)| {
            let known = old.get(key);
            let tags = &new_tags;
            async move {
                let name = parameter_name(prefix, key);
                (key, value, put(aws, &name, known, value, tags, is_undo, context).await)
            }
        });
    let mut failed = None;
    for (key, value, answer) in join_all(puts).await {
        match answer {
            Ok(written) => now.set(key, value, written),
            Err(refused) => failed = failed.or(Some(refused)),
        }
    }
    if let Some(refused) = failed {
        return Err(now.leave(refused));
    }
    let gone: Vec<&String> = old.keys().filter(|key| !new.contains_key(*key)).collect();
    if !gone.is_empty() {
        let names: Vec<String> = gone.iter().map(|key| parameter_name(prefix, key)).collect();
        if let Err(refused) = write::delete(aws, &names).await {
            return Err(now.leave(refused));
        }
        for key in gone {
            now.remove(key);
        }
    }
    // New entries were created with their tags.
    let kept = new.keys().filter(|key| old.contains_key(*key));
    let retags = kept.map(|key| {
        let name = parameter_name(prefix, key);
        let (old_tags, new_tags) = (&old_tags, &new_tags);
        async move { write::retag(aws, &name, old_tags, new_tags).await }
    });
    // Which of them went well is not recorded: setting a tag again does no harm.
    for answer in join_all(retags).await {
        if let Err(refused) = answer {
            return Err(now.leave(refused));
        }
    }
    let writes = now.writes;
    Ok(Object { id: prefix.to_owned(), inputs: after.clone(), outputs: outputs(prefix, &writes) })
}

/// Writes one entry. Tags are for new ones only: AWS takes them with a creation alone.
async fn put(
    aws: &Aws,
    name: &str,
    known: Option<&String>,
    value: &str,
    tags: &Tags,
    is_undo: bool,
    context: &Context,
) -> Result<Written, ProviderError> {
    let inputs = |value: &str| {
        Properties::from([
            ("value".to_owned(), value.into()),
            ("type".to_owned(), "String".into()),
            ("tags".to_owned(), tags::to_value(tags)),
        ])
    };
    match known {
        None => match write::create(aws, name, &inputs(value), context).await {
            Err(exists) if is_undo && exists.class == ErrorClass::AlreadyExists => {
                write::overwrite(aws, name, &Properties::new(), &inputs(value), value).await
            }
            answer => answer,
        },
        Some(known) => write::overwrite(aws, name, &inputs(known), &inputs(value), value).await,
    }
}

/// What is there, while it changes.
struct Now<'a> {
    prefix: &'a str,
    config: Tags,
    writes: Writes,
    tags: Tags,
    changed: bool,
}

impl Now<'_> {
    fn set(&mut self, key: &str, value: &str, written: Written) {
        self.config.insert(key.to_owned(), value.to_owned());
        self.writes.insert(key.to_owned(), written);
        self.changed = true;
    }

    fn remove(&mut self, key: &str) {
        self.config.remove(key);
        self.writes.remove(key);
        self.changed = true;
    }

    fn leave(self, refused: ProviderError) -> ProviderError {
        if !self.changed {
            return refused;
        }
        let config = self.config.into_iter().map(|(key, value)| (key, Value::from(value)));
        let inputs = Properties::from([
            ("parameter_prefix".to_owned(), self.prefix.into()),
            ("config".to_owned(), Value::Object(config.collect())),
            ("tags".to_owned(), tags::to_value(&self.tags)),
        ]);
        let outputs = outputs(self.prefix, &self.writes);
        refused.leaving(Object { id: self.prefix.to_owned(), inputs, outputs })
    }
}
