use bfd_core::SourceId;
use std::path::{Path, PathBuf};

/// The files a manifest was read from: the manifest itself, then what it extends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    /// The directory of the file, as seen from that of the manifest.
    pub(crate) from_manifest: PathBuf,
}

impl Source {
    /// What the file is called as seen from the manifest: `../base.toml`.
    pub fn name(&self) -> PathBuf {
        self.from_manifest.join(self.path.file_name().unwrap_or_default())
    }
}

impl Sources {
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0 as usize)
    }

    /// Every file, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0..).map(SourceId).zip(&self.0)
    }

    /// The id of the next file.
    pub(crate) fn next(&self) -> SourceId {
        SourceId(u32::try_from(self.0.len()).expect("fewer files than fit into memory"))
    }

    pub(crate) fn add(&mut self, path: &Path, text: String, from_manifest: PathBuf) -> SourceId {
        let id = self.next();
        self.0.push(Source { path: path.to_owned(), text, from_manifest });
        id
    }
}

/// Joins two paths and resolves `.` and `..` in the text alone, so that a path is
/// the same wherever bfd runs.
pub(crate) fn join(directory: &Path, path: &Path) -> PathBuf {
    use std::path::Component;
    let mut joined = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                let last = joined.components().next_back();
                match last {
                    Some(Component::Normal(_)) => {
                        joined.pop();
                    }
                    Some(Component::RootDir) => {}
                    _ => joined.push(".."),
                }
            }
            other => joined.push(other),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_in_the_text_alone() {
        let check = |directory: &str, path: &str, joined: &str| {
            assert_eq!(join(Path::new(directory), Path::new(path)), Path::new(joined));
        };
        check("environments", "base.toml", "environments/base.toml");
        check("environments", "../shared/./base.toml", "shared/base.toml");
        check("", "../../a", "../../a");
        check("/", "../a", "/a");
        check("a", "/b", "/b");
    }
}
