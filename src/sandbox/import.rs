//! Fills the sandbox's bucket from a directory: a key is the file's path below it.
//!
//! Objects get the content type that packagecloud gives them, and no Cache-Control; what has the same key is written over.

use std::path::Path;

use crate::model::failure::Failure;

use super::{Sandbox, content_type::content_type_for_key, control_plane::s3};

/// What was imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxImportSummary {
    pub objects: u64,
    pub bytes: u64,
}

/// Imports every file below `path` into `bucket`; `told` hears each key.
///
/// # Errors
/// Names the file that can't be read, or whose path can't be a key.
pub fn import_directory_into_bucket(
    world: &Sandbox,
    bucket: &str,
    path: &Path,
    told: &mut dyn FnMut(&str),
) -> Result<SandboxImportSummary, Failure> {
    let mut done = SandboxImportSummary::default();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |path: &Path, error: &std::io::Error| {
            Failure::new_generic_failure(
                path.display().to_string(),
                error.to_string(),
                "name a directory that can be read",
            )
        };
        let entries = std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let file = entry.path();
            // A link to a file counts as the file; a link to a folder could lead round in circles.
            let kind = entry.file_type().map_err(|error| unreadable(&file, &error))?;
            if kind.is_dir() {
                folders.push(file);
                continue;
            }
            if file.is_dir() || !file.is_file() {
                continue;
            }
            let key = file.strip_prefix(path).ok().and_then(Path::to_str).filter(|key| key.len() <= 1024);
            let Some(key) = key else {
                return Err(Failure::new_generic_failure(
                    file.display().to_string(),
                    "its path is no key: not UTF-8, or longer than 1024 bytes",
                    "rename it, or leave it out",
                ));
            };
            let content = std::fs::read(&file).map_err(|error| unreadable(&file, &error))?;
            s3::place_sandbox_object(
                world,
                bucket,
                key,
                &[("content-type", content_type_for_key(key))],
                &content,
            )
            .map_err(|error| {
                Failure::new_generic_failure(
                    format!("bucket {bucket}"),
                    error.to_string(),
                    "look whether the sandbox has it",
                )
            })?;
            done.objects += 1;
            done.bytes += content.len() as u64;
            told(key);
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{SandboxOptions, seed};

    #[tokio::test]
    async fn a_directory_becomes_keys_with_their_content_types() {
        let (dir, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let world = seed::open_or_seed_sandbox(&SandboxOptions {
            dir: dir.path().to_owned(),
            empty: true,
            ..SandboxOptions::default()
        })
        .unwrap();
        std::fs::create_dir_all(from.path().join("7/8/a b/dists")).unwrap();
        std::fs::write(from.path().join("7/8/a b/x+1.deb"), b"deb").unwrap();
        std::fs::write(from.path().join("7/8/a b/dists/InRelease"), b"release").unwrap();
        let done =
            import_directory_into_bucket(&world, seed::SANDBOX_BUCKET, from.path(), &mut |_| ()).unwrap();
        assert_eq!(done, SandboxImportSummary { objects: 2, bytes: 10 });
        let found: Vec<(String, String)> = world
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_bucket_from_disk(seed::SANDBOX_BUCKET, |all| {
                all.values()
                    .flatten()
                    .map(|one| {
                        (
                            one.key.clone(),
                            one.find_object_attribute_by_header("content-type").unwrap().to_owned(),
                        )
                    })
                    .collect()
            })
            .unwrap();
        let wanted = [
            ("7/8/a b/dists/InRelease", "text/plain"),
            ("7/8/a b/x+1.deb", "application/vnd.debian.binary-package"),
        ];
        assert_eq!(found, wanted.map(|(key, kind)| (key.to_owned(), kind.to_owned())));
        assert!(
            import_directory_into_bucket(
                &world,
                seed::SANDBOX_BUCKET,
                &from.path().join("none"),
                &mut |_| ()
            )
            .is_err()
        );
    }
}
