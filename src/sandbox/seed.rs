//! What a fresh sandbox holds: a small apt, rpm and PyPI repository in packagecloud's layout, its packagecloud.rb and a read token.
//!
//! The packages and indexes are true ones, unsigned; the objects carry no Cache-Control, as an old packagecloud wrote
//! them, so that an upgrade has work to do. What lies in DIR already is never written over.

use std::{fmt::Write as _, io, path::Path};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::model::{failure::Failure, packagecloud::config_file::ConfigFile};

use super::{
    Sandbox, SandboxOptions,
    content_type::content_type_for_key,
    control_plane::{
        ACCOUNT_ID, REGION,
        s3::{self, SandboxBucket},
    },
    packagecloud::{NodeSettingsReading, SandboxNodeSettings},
    private_files::build_private_file_options,
    router::PACKAGECLOUD_HOST,
};

mod archives;

/// The bucket of the sandbox's packagecloud.
pub const SANDBOX_BUCKET: &str = "packagecloud-sandbox-999999999999";
/// A bucket of the same account with nothing of packagecloud's in it.
pub const BACKUP_BUCKET: &str = "sandbox-backups-999999999999";
/// A bucket of another account.
pub const FOREIGN_BUCKET: &str = "somebody-elses-packages";

const CONFIG_TEMPLATE: &str = include_str!("seed/packagecloud.rb");

/// Opens the sandbox in `options.dir`; makes it where there is none.
///
/// # Errors
/// Where the directory can't be made, read or written.
pub fn open_or_seed_sandbox(options: &SandboxOptions) -> Result<Sandbox, Failure> {
    let world = Sandbox::open_sandbox_unseeded(options)?;
    let fresh = world.read_sandbox_state_from_disk(|state| state.s3.buckets.is_empty());
    if fresh {
        seed_sandbox(&world, options.empty).map_err(|why| {
            Failure::new_generic_failure(
                format!("sandbox {}", options.dir.display()),
                why,
                "choose another directory with --sandbox=DIR",
            )
        })?;
    }
    if let Some(construction) = options.construction {
        world.update_sandbox_state_on_disk(|state| state.packagecloud.construction = Some(construction));
    }
    Ok(world)
}

fn seed_sandbox(world: &Sandbox, empty: bool) -> Result<(), String> {
    let dir = world.sandbox_dir();
    let written = |path: &str, text: &str| {
        write_file_if_absent(&dir.join(path), text).map_err(|error| error.to_string())
    };
    written("packagecloud.rb", &CONFIG_TEMPLATE.replace("BUCKET", SANDBOX_BUCKET))?;
    written("tokens", "demo-token\n")?;
    let reading = NodeSettingsReading::read_packagecloud_rb(&dir.join("packagecloud.rb"));
    // What packagecloud can't read now it read once: what runs is what the file says plainly.
    let settings = if let Ok(settings) = reading.settings {
        settings
    } else {
        let bytes = std::fs::read(dir.join("packagecloud.rb")).map_err(|error| error.to_string())?;
        SandboxNodeSettings::from_config_file(&ConfigFile::parse_packagecloud_rb(&bytes))
    };
    let now = world.sandbox_unix_time_now();
    world.update_sandbox_state_on_disk(|state| {
        for (name, owner) in
            [(SANDBOX_BUCKET, ACCOUNT_ID), (BACKUP_BUCKET, ACCOUNT_ID), (FOREIGN_BUCKET, "111111111111")]
        {
            state.s3.buckets.insert(name.to_owned(), SandboxBucket::new(owner, REGION, now.as_secs()));
        }
        state.packagecloud.rendered = Some(settings.clone());
        state.packagecloud.nodes = vec![settings];
        state.packagecloud.reconfigured = Some(now);
    });
    let put = |bucket: &str, key: &str, content: &[u8]| {
        s3::place_sandbox_object(world, bucket, key, &[("content-type", content_type_for_key(key))], content)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    put(BACKUP_BUCKET, "mysql/2026-11-01.sql.gz", b"not a dump, but no package either")?;
    if !empty {
        for (key, content) in build_sample_repositories() {
            put(SANDBOX_BUCKET, &key, &content)?;
        }
    }
    Ok(())
}

fn write_file_if_absent(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    match build_private_file_options().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Every object of the fresh bucket.
fn build_sample_repositories() -> Vec<(String, Vec<u8>)> {
    let mut objects = build_sample_apt_repository();
    objects.extend(build_sample_rpm_repository());
    objects.extend(build_sample_pypi_repository());
    objects
}

/// `1/2`: three Debian packages for Ubuntu jammy; no InRelease, since nobody here signs.
fn build_sample_apt_repository() -> Vec<(String, Vec<u8>)> {
    let root = "1/2/ubuntu";
    let mut objects = Vec::new();
    let mut packages = String::new();
    for (id, name, version) in
        [(97_310, "hello", "1.0"), (97_311, "hello", "1.1"), (97_312, "hello-doc", "1.1")]
    {
        let fields = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: packagecloud sandbox <sandbox@example.com>\nDescription: says hello, from the sandbox\n"
        );
        let file = format!("/usr/share/{name}/hello.txt");
        let deb = archives::build_deb(&fields, &file, format!("hello from {name} {version}\n").as_bytes());
        let _ = writeln!(
            packages,
            "{fields}Filename: package_files/{id}.deb\nSize: {}\nMD5sum: {}\nSHA256: {}\n",
            deb.len(),
            hex::encode(Md5::digest(&deb)),
            hex::encode(Sha256::digest(&deb)),
        );
        objects.push((format!("{root}/package_files/{id}.deb"), deb));
    }
    let mut release = "Origin: packagecloud sandbox\nSuite: jammy\nCodename: jammy\nDate: Mon, 23 Nov 2026 00:00:00 UTC\nArchitectures: amd64 arm64\nComponents: main\nAcquire-By-Hash: no\nSHA256:\n".to_owned();
    for architecture in ["amd64", "arm64"] {
        let name = format!("main/binary-{architecture}/Packages");
        let _ = writeln!(release, " {} {} {name}", hex::encode(Sha256::digest(&packages)), packages.len());
        objects.push((format!("{root}/dists/jammy/{name}"), packages.clone().into_bytes()));
    }
    objects.push((format!("{root}/dists/jammy/Release"), release.into_bytes()));
    objects
}

/// `1/3`: an rpm repository that holds no package yet.
fn build_sample_rpm_repository() -> Vec<(String, Vec<u8>)> {
    let root = "1/3/el/9/x86_64/repodata";
    let parts = [
        (
            "primary",
            "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"0\"></metadata>\n",
        ),
        (
            "filelists",
            "<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"0\"></filelists>\n",
        ),
        ("other", "<otherdata xmlns=\"http://linux.duke.edu/metadata/other\" packages=\"0\"></otherdata>\n"),
    ];
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let mut objects = Vec::new();
    let mut data = String::new();
    for (kind, body) in parts {
        let text = format!("{declaration}{body}");
        let (digest, size) = (hex::encode(Sha256::digest(&text)), text.len());
        let _ = writeln!(
            data,
            "  <data type=\"{kind}\">\n    <checksum type=\"sha256\">{digest}</checksum>\n    <open-checksum type=\"sha256\">{digest}</open-checksum>\n    <location href=\"repodata/{digest}-{kind}.xml\"/>\n    <timestamp>1763856000</timestamp>\n    <size>{size}</size>\n    <open-size>{size}</open-size>\n  </data>"
        );
        objects.push((format!("{root}/{digest}-{kind}.xml"), text.into_bytes()));
    }
    let repomd = format!(
        "{declaration}<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n  <revision>1763856000</revision>\n{data}</repomd>\n"
    );
    objects.push((format!("{root}/repomd.xml"), repomd.into_bytes()));
    objects
}

const PYPI_PREFIX: &str = "1/4/pypi";
const WHEEL_FILENAME: &str = "hello_sandbox-1.0-py3-none-any.whl";

/// `1/4`: one wheel, and the index that pip asks for it.
fn build_sample_pypi_repository() -> Vec<(String, Vec<u8>)> {
    let mut objects = render_pypi_index(&format!("https://{PACKAGECLOUD_HOST}"));
    objects.push((format!("{PYPI_PREFIX}/package_files/5501/{WHEEL_FILENAME}"), build_sample_wheel()));
    objects
}

fn build_sample_wheel() -> Vec<u8> {
    archives::build_wheel("hello_sandbox", "1.0", "print('hello from the sandbox')\n")
}

/// The simple index, whole links: pip resolves a relative one against where the redirect led, where it has no token.
fn render_pypi_index(packagecloud: &str) -> Vec<(String, Vec<u8>)> {
    let digest = hex::encode(Sha256::digest(build_sample_wheel()));
    let page = |link: &str, name: &str| {
        let body = format!("<a href=\"{packagecloud}/{PYPI_PREFIX}/{link}\">{name}</a>\n");
        format!("<!DOCTYPE html>\n<html><body>\n{body}</body></html>\n").into_bytes()
    };
    vec![
        (format!("{PYPI_PREFIX}/simple/"), page("simple/hello-sandbox/", "hello-sandbox")),
        (
            format!("{PYPI_PREFIX}/simple/hello-sandbox/"),
            page(&format!("package_files/5501/{WHEEL_FILENAME}#sha256={digest}"), WHEEL_FILENAME),
        ),
    ]
}

/// Writes where packagecloud is reached now into the fresh sandbox's simple index; one that was changed stays.
///
/// # Errors
/// Where the sandbox's directory can't be read or written.
pub fn rewrite_pypi_index_links(world: &Sandbox, packagecloud: &str) -> io::Result<()> {
    for (key, page) in render_pypi_index(packagecloud) {
        let Some(there) = world
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_bucket_from_disk(SANDBOX_BUCKET, |objects| {
                s3::find_newest_sandbox_object_version(objects, &key).cloned()
            })?
        else {
            continue;
        };
        let text = match &there.blob {
            Some(blob) => world.sandbox_in_memory_state().objects.read_sandbox_object_content(blob)?,
            None => continue,
        };
        let text = String::from_utf8_lossy(&text);
        let before =
            text.split_once("href=\"").and_then(|(_, rest)| rest.split_once(&format!("/{PYPI_PREFIX}/")));
        let ours = |(origin, _): (&str, &str)| {
            render_pypi_index(origin).contains(&(key.clone(), text.as_bytes().to_vec()))
        };
        if before.is_some_and(ours) && text.as_bytes() != page {
            let kept: Vec<_> =
                there.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            s3::place_sandbox_object(world, SANDBOX_BUCKET, &key, &kept, &page).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::packagecloud::object::{ObjectCacheClass, ObjectClassifier};

    #[tokio::test]
    async fn a_fresh_sandbox_has_work_for_an_upgrade_and_an_opened_one_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let options = SandboxOptions { dir: dir.path().to_owned(), ..SandboxOptions::default() };
        let world = open_or_seed_sandbox(&options).unwrap();
        let classes = ObjectClassifier::default();
        let all = |world: &Sandbox| {
            world
                .sandbox_in_memory_state()
                .objects
                .read_sandbox_bucket_from_disk(SANDBOX_BUCKET, Clone::clone)
                .unwrap()
        };
        let first = all(&world);
        let class = |class| first.keys().filter(|key| classes.classify_object_key(key) == class).count();
        assert_eq!(
            (
                class(ObjectCacheClass::Package),
                class(ObjectCacheClass::Metadata),
                class(ObjectCacheClass::Foreign)
            ),
            (4, 9, 0)
        );
        assert!(
            first
                .values()
                .flatten()
                .all(|object| object.find_object_attribute_by_header("cache-control").is_none())
        );
        std::fs::write(dir.path().join("tokens"), "mine\n").unwrap();
        drop(world);
        let again = open_or_seed_sandbox(&options).unwrap();
        assert_eq!(all(&again), first);
        assert_eq!(crate::sandbox::packagecloud::first_sandbox_read_token(&again).as_deref(), Some("mine"));
        let file =
            ConfigFile::parse_packagecloud_rb(&std::fs::read(dir.path().join("packagecloud.rb")).unwrap());
        assert_eq!(
            (file.syntax_error_line(), file.find_configured_bucket()),
            (None, Some(("aws_s3_bucket", SANDBOX_BUCKET)))
        );
        assert_eq!(file.find_config_aws_keys().unwrap().0, "AKIAIOSFODNN7EXAMPLE");
    }

    #[tokio::test]
    async fn an_empty_one_has_an_empty_bucket() {
        let dir = tempfile::tempdir().unwrap();
        let world = open_or_seed_sandbox(&SandboxOptions {
            dir: dir.path().to_owned(),
            empty: true,
            ..SandboxOptions::default()
        })
        .unwrap();
        assert_eq!(
            world
                .sandbox_in_memory_state()
                .objects
                .read_sandbox_bucket_from_disk(SANDBOX_BUCKET, s3::ObjectVersionsByKey::len)
                .unwrap(),
            0
        );
        assert_eq!(
            world
                .sandbox_in_memory_state()
                .objects
                .read_sandbox_bucket_from_disk(BACKUP_BUCKET, s3::ObjectVersionsByKey::len)
                .unwrap(),
            1
        );
    }
}
