//! Real packages, indexes by Debian's own apt-ftparchive and a long packagecloud.rb: on, off, and on again.
//!
//! Debian's ruby says what packagecloud.rb means; S3's protocol says what became of each object.

use std::{collections::BTreeMap, path::Path, process::Command};

use packagecloud_cloudfront::{model::packagecloud::object::ObjectClassifier, sandbox::seed::SANDBOX_BUCKET};
use serde_json::{Map, Value};

use super::journey_host::JourneyHost;

const CONFIG_KEYS: [&str; 4] =
    ["cloudfront_enabled", "cloudfront_secret", "cloudfront_distribution_id", "cloudfront_packages_domain"];

/// The fixture on the sandbox's bucket, with what else an old file has: an assignment of ours in odd spacing, a nested
/// conditional, `%q` with brackets inside, no newline at the end.
fn render_config_fixture() -> String {
    let fixture = include_str!("../../fixtures/packagecloud.rb")
        .replace("'example-packages'", &format!("'{SANDBOX_BUCKET}'"));
    let odd = r#"
# The trial of last spring; off since.
packagecloud_rails[ "cloudfront_enabled" ]   =   false   # ask Jo before switching on
packagecloud_rails[ %q(motd) ] = %q[welcome [to] packages]
if nginx['enable']
  if unicorn['worker_processes'] > 4
    nginx['worker_connections'] = 2048
  elsif ENV['SMALL']
    nginx['worker_connections'] = 256
  else
    nginx['worker_connections'] = 1024
  end
end"#;
    let text = format!("{fixture}{odd}");
    assert!(text.lines().count() >= 100);
    text
}

/// What Ruby makes of a packagecloud.rb: every hash with its values.
fn evaluate_with_ruby(text: &str) -> BTreeMap<String, Map<String, Value>> {
    const RUBY_STUB: &str = r"
require 'json'
class Top
  def initialize = @hashes = Hash.new { |all, name| all[name] = {} }
  def method_missing(name, *args) = args.empty? ? @hashes[name.to_s] : @hashes[''].store(name.to_s, args.first)
  def respond_to_missing?(*) = true
end
top = Top.new
top.instance_eval(File.read(ARGV[0], encoding: 'UTF-8'), ARGV[0])
puts JSON.generate(top.instance_variable_get(:@hashes))
";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("packagecloud.rb");
    std::fs::write(&path, text).unwrap();
    let output = Command::new("ruby")
        .args(["-W0", "-e", RUBY_STUB])
        .arg(&path)
        .output()
        .expect("ruby is installed: apt-get install ruby");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Takes the four values out of what Ruby made of a file.
fn take_config_values(all: &mut BTreeMap<String, Map<String, Value>>) -> Vec<Option<Value>> {
    let rails = all.entry("packagecloud_rails".into()).or_default();
    CONFIG_KEYS.iter().map(|key| rails.remove(*key)).collect()
}

fn run_program(dir: &Path, program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: apt-get install dpkg apt-utils"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A repository of real packages in packagecloud's layout, with Debian's own indexes.
fn build_repository(root: &Path) {
    let base = root.join("7/8/debian");
    let pool = base.join("package_files");
    std::fs::create_dir_all(&pool).unwrap();
    for (name, version) in [
        ("hello", "1.0-1"),
        ("hello", "2:1.1~rc1-1"),
        ("libstdc++-doc", "12.2.0-14+deb12u1"),
        ("c++-annotations", "13.02.00-1~bpo+1"),
    ] {
        let tree = root.parent().unwrap().join("tree");
        std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        std::fs::create_dir_all(tree.join("usr/share").join(name)).unwrap();
        std::fs::write(tree.join("usr/share").join(name).join("said"), format!("{name} {version}\n"))
            .unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Jo <jo@example.com>\nDescription: a package\n"
        );
        std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let file = pool.join(format!("{name}_{}_all.deb", version.replace(':', "%3a")));
        run_program(
            root,
            "dpkg-deb",
            &["--root-owner-group", "--build", tree.to_str().unwrap(), file.to_str().unwrap()],
        );
        std::fs::remove_dir_all(tree).unwrap();
    }
    let binary = base.join("dists/bookworm/main/binary-all");
    std::fs::create_dir_all(&binary).unwrap();
    let packages = run_program(&base, "apt-ftparchive", &["packages", "package_files"]);
    assert!(String::from_utf8_lossy(&packages).contains("Version: 2:1.1~rc1-1"), "an epoch is indexed");
    std::fs::write(binary.join("Packages"), packages).unwrap();
    run_program(&binary, "gzip", &["-k", "Packages"]);
    let release = run_program(&base, "apt-ftparchive", &["release", "dists/bookworm"]);
    std::fs::write(base.join("dists/bookworm/Release"), release).unwrap();
    std::fs::create_dir_all(root.join("7/8/gpg")).unwrap();
    std::fs::write(root.join("7/8/gpg/jo.pub.gpg"), "a key\n").unwrap();
}

/// Each key of the bucket with its Cache-Control, by S3's own protocol.
async fn read_cache_controls(host: &JourneyHost) -> BTreeMap<String, Option<String>> {
    let world = host.open_sandbox();
    let s3 = aws_sdk_s3::Client::new(&world.build_sandbox_sdk_config());
    let listed = s3.list_objects_v2().bucket(SANDBOX_BUCKET).send().await.unwrap();
    let mut found = BTreeMap::new();
    for object in listed.contents() {
        let key = object.key().unwrap().to_owned();
        let head = s3.head_object().bucket(SANDBOX_BUCKET).key(&key).send().await.unwrap();
        found.insert(key, head.cache_control().map(str::to_owned));
    }
    found
}

/// Everything but the four assignments is byte for byte as it was: the standing one changed in place, the others in one
/// marked block at the end.
fn assert_only_config_keys_differ(before: &str, after: &str) {
    let standing = r#"packagecloud_rails[ "cloudfront_enabled" ]   =   "#;
    let on = before.replace(&format!("{standing}false"), &format!("{standing}true"));
    let block = after
        .strip_prefix(on.as_str())
        .or_else(|| after.strip_prefix(before))
        .unwrap_or_else(|| panic!("something else moved:\n{after}"));
    let mut kept = 0;
    for line in
        block.lines().filter(|line| !line.is_empty() && !line.starts_with("# packagecloud-cloudfront: "))
    {
        assert!(
            CONFIG_KEYS.iter().any(|key| line.starts_with(&format!("packagecloud_rails['{key}'] = '"))),
            "{line}"
        );
        kept += 1;
    }
    assert_eq!(kept, 3, "{block}");
}

/// On, off, on again, looked at after each step.
fn run_on_off_journey(host: &JourneyHost) {
    let before = host.config_text();
    let mut meant_before = evaluate_with_ruby(&before);
    assert_eq!(take_config_values(&mut meant_before), [Some(false.into()), None, None, None]);
    let looked_at = |on: bool, backups: usize| {
        let now = host.config_text();
        assert_only_config_keys_differ(&before, &now);
        let mut meant = evaluate_with_ruby(&now);
        let values = take_config_values(&mut meant);
        assert_eq!(meant, meant_before, "Ruby sees more than the four values change");
        assert_eq!(values[0], Some(on.into()));
        let secret = values[1].as_ref().and_then(Value::as_str).unwrap();
        assert_eq!(secret.len(), 44, "base64 of 32 characters");
        assert!(values[2].as_ref().and_then(Value::as_str).unwrap().starts_with('E'));
        assert!(values[3].as_ref().and_then(Value::as_str).unwrap().ends_with(".cloudfront.net"));
        assert_eq!(host.backup_names().len(), backups, "a backup for each change");
    };

    assert_eq!(host.run_line("plan --goal upgrade").code, 3);
    assert_eq!(host.config_text(), before, "a plan changes nothing");
    assert_eq!(host.backup_names().len(), 0);

    // The secret, id and domain, and going live: three changes of the file.
    host.run_successfully("enable --upgrade --yes");
    looked_at(true, 3);
    host.run_successfully("plan --goal upgrade").assert_contains("nothing would change");
    host.run_successfully("plan");
    host.run_successfully("verify --all");
    assert_eq!(host.run_line("plan --goal disable").code, 3);

    host.run_successfully("disable --yes").assert_contains("302 to S3").assert_contains(".bak");
    looked_at(false, 4);
    assert_eq!(host.run_line("plan").code, 3);
    host.run_successfully("plan --goal disable");

    host.run_successfully("enable --yes");
    looked_at(true, 5);
    host.run_successfully("plan --goal upgrade");
    host.run_successfully("plan");

    // The newest backup is the file as it was while off; the oldest the file as it was at first.
    let backups = host.backup_names();
    let read = |name: &String| std::fs::read_to_string(host.sandbox_path().join(name)).unwrap();
    assert!(backups.iter().any(|name| read(name) == before), "the file as it was at first is kept");
}

#[tokio::test]
async fn a_repository_of_real_packages_goes_on_off_and_on_again() {
    let host = JourneyHost::new();
    let files = host.root_path().join("files");
    build_repository(&files);
    std::fs::write(files.join("notes.txt"), "not of packagecloud's layout\n").unwrap();
    let dir = host.sandbox_path();
    let mut import = host.build_command();
    let imported = super::journey_host::run_to_end(import.args(["sandbox", "import"]).args([&dir, &files]));
    assert_eq!(imported.code, 0, "{imported:#?}");
    host.write_config(&render_config_fixture());
    // What was imported carries no Cache-Control: as an old packagecloud wrote it.
    let old = read_cache_controls(&host).await;
    assert_eq!(old.len(), 9);
    assert!(old.values().all(Option::is_none), "{old:?}");

    run_on_off_journey(&host);

    let classes = ObjectClassifier::default();
    for (key, header) in read_cache_controls(&host).await {
        let wanted = if key == "notes.txt" {
            None
        } else if key.contains("/package_files/") {
            Some("public, max-age=31536000, immutable")
        } else {
            Some("no-cache, no-store, max-age=0, must-revalidate")
        };
        assert_eq!(header.as_deref(), wanted, "{key}");
        assert!(
            key == "notes.txt"
                || classes.classify_object_key(&key).is_correct_cache_control(header.as_deref()),
            "{key}"
        );
    }
    // What is served is what was imported, whatever its name.
    let world = host.open_sandbox();
    let s3 = aws_sdk_s3::Client::new(&world.build_sandbox_sdk_config());
    for key in old.keys() {
        let body = s3
            .get_object()
            .bucket(SANDBOX_BUCKET)
            .key(key)
            .send()
            .await
            .unwrap()
            .body
            .collect()
            .await
            .unwrap();
        assert_eq!(body.into_bytes(), std::fs::read(files.join(key)).unwrap(), "{key}");
    }
}

#[tokio::test]
async fn the_same_with_an_empty_bucket() {
    let host = JourneyHost::new();
    let made = host.run_line("--sandbox-empty plan");
    assert_eq!(made.code, 3, "{made:#?}");
    host.write_config(&render_config_fixture());
    assert!(read_cache_controls(&host).await.is_empty());
    run_on_off_journey(&host);
    host.run_successfully("verify --all").assert_contains("no package yet");
}
