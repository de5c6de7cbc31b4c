//! packagecloud.rb on a real file system: what is written, what is refused, what stays.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

use super::{ConfigBackup, ConfigRestoreScope};
use crate::host::*;
use crate::model::{
    failure::FailureKind,
    packagecloud::{
        config_file::{ConfigFile, RubyExpressionEditMode},
        ctl_command::CtlCommand,
        settings::CloudFrontSettingKey,
    },
};

const OFF_CONFIG: &str = "# ours\npackagecloud_rails['cloudfront_enabled'] = false # why\npackagecloud_rails['aws_secret_key'] = 'hunter2222'\n";

pub(super) fn host_with_config(dir: &Path, text: &str) -> Host {
    let config = dir.join("packagecloud.rb");
    fs::write(&config, text).unwrap();
    Host {
        transport: HostTransport::Local,
        config,
        ctl: PackagecloudCtlRunner::None,
        state: HostStateDir::open_state_dir(&dir.join("state"), None).unwrap(),
        keyring: Keyring::new_in_memory_keyring(),
        redactor: Redactor::default(),
        clock: HostClock::new(|| Duration::from_mins(29_924_445)),
        looks_for_clients: false,
        parsed: super::ParsedConfigCache::default(),
        unfinished: crate::host::UnfinishedHostWork::default(),
    }
}

pub(super) fn enabled_values() -> Vec<(CloudFrontSettingKey, String)> {
    vec![
        (CloudFrontSettingKey::Enabled, "true".into()),
        (CloudFrontSettingKey::Secret, "'c2VjcmV0c2VjcmV0c2VjcmV0'".into()),
    ]
}

fn read_config_text(host: &Host) -> String {
    fs::read_to_string(&host.config).unwrap()
}

fn list_file_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_edit_keeps_mode_and_owner_and_leaves_a_backup_first() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_config(dir.path(), OFF_CONFIG);
    fs::set_permissions(&host.config, fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&host.config, Some(12), Some(34)).unwrap();
    }
    let before = fs::metadata(&host.config).unwrap();
    let read = host.read_packagecloud_config().await.unwrap();
    assert_eq!(read.seen.values.enabled, Some(false));
    let preview = host
        .preview_config_write_diff(&read.file, &enabled_values(), RubyExpressionEditMode::Refuse)
        .await
        .unwrap();
    let written = host
        .write_packagecloud_config(&read.seen, &enabled_values(), RubyExpressionEditMode::Refuse)
        .await
        .unwrap();
    assert_eq!(written.diff, preview);
    assert!(
        written.diff.iter().all(|line| !line.contains("c2Vj") && !line.contains("hunter")),
        "{:?}",
        written.diff
    );
    let after = fs::metadata(&host.config).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    let backup = written.backup.unwrap();
    assert_eq!(backup.file_name().unwrap(), "packagecloud.rb.20261123T204500Z.bak");
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&backup).unwrap(), OFF_CONFIG);
    assert_eq!(
        host.redactor.redact_secrets_in_line("c2VjcmV0c2VjcmV0c2VjcmV0 hunter2222"),
        "(hidden) (hidden)"
    );
    // Once more within the second: another backup; and what is right already is left alone.
    let read = host.read_packagecloud_config().await.unwrap();
    let again = host
        .write_packagecloud_config(&read.seen, &enabled_values(), RubyExpressionEditMode::Refuse)
        .await
        .unwrap();
    assert_eq!((again.backup, again.diff), (None, vec![]));
    let off = host
        .write_packagecloud_config(
            &read.seen,
            &[(CloudFrontSettingKey::Enabled, "false".into())],
            RubyExpressionEditMode::Refuse,
        )
        .await
        .unwrap();
    assert_eq!(off.backup.unwrap().file_name().unwrap(), "packagecloud.rb.20261123T204500Z-2.bak");
    assert_eq!(list_file_names(dir.path()).len(), 4, "{:?}", list_file_names(dir.path()));
}

#[tokio::test]
async fn a_link_stays_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = host_with_config(dir.path(), OFF_CONFIG);
    fs::create_dir(dir.path().join("etc")).unwrap();
    let link = dir.path().join("etc/packagecloud.rb");
    symlink("../packagecloud.rb", &link).unwrap();
    let target = std::mem::replace(&mut host.config, link.clone());
    let seen = host.read_packagecloud_config().await.unwrap().seen;
    host.write_packagecloud_config(&seen, &enabled_values(), RubyExpressionEditMode::Refuse).await.unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../packagecloud.rb"));
    assert!(fs::read_to_string(target).unwrap().contains("= true # why"));
    assert_eq!(
        list_file_names(&dir.path().join("etc")),
        ["packagecloud.rb", "packagecloud.rb.20261123T204500Z.bak"]
    );
}

#[tokio::test]
async fn a_file_that_moved_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_config(dir.path(), OFF_CONFIG);
    let seen = host.read_packagecloud_config().await.unwrap().seen;
    let moved = format!("{OFF_CONFIG}# another hand\n");
    fs::write(&host.config, &moved).unwrap();
    let failure = host
        .write_packagecloud_config(&seen, &enabled_values(), RubyExpressionEditMode::Refuse)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Drifted);
    assert_eq!(read_config_text(&host), moved);
    let backup = ConfigBackup { path: host.config.clone(), made: String::new() };
    assert_eq!(
        host.restore_config_backup(&seen.hash, &backup, ConfigRestoreScope::WholeFile)
            .await
            .unwrap_err()
            .kind,
        FailureKind::Drifted
    );
    // The verb below holds it too, for what moves between its reading and its renaming.
    let spare = dir.path().join("spare");
    assert_eq!(
        HostTransport::Local
            .replace_file_if_unchanged(&host.config, &seen.hash, b"x", &spare)
            .await
            .unwrap_err()
            .kind,
        FailureKind::Drifted
    );
    assert_eq!(list_file_names(dir.path()), ["packagecloud.rb", "state"]);
}

#[tokio::test]
async fn what_cant_be_edited_comes_with_the_lines_to_type() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_config(dir.path(), "x = 'aws\npackagecloud_rails['aws_secret_key'] = 'hunter2222\n");
    let failure = host.read_packagecloud_config().await.unwrap_err();
    assert!(
        failure.why.contains("syntax error, at line 1 or")
            || failure.why.contains("at line 2 or just before it"),
        "{failure}"
    );
    assert!(failure.why.contains("(line 1 opens a quote and does not close it: x = 'aws"), "{failure}");
    assert!(!failure.why.contains("hunter"), "{failure}");
    assert!(failure.next.contains("packagecloud_rails['cloudfront_enabled'] = false"), "{}", failure.next);
    assert!(
        failure.next.contains("packagecloud-ctl reconfigure && packagecloud-ctl restart"),
        "{}",
        failure.next
    );

    fs::write(&host.config, "packagecloud_rails['cloudfront_secret'] = ENV['X']\n").unwrap();
    let read = host.read_packagecloud_config().await.unwrap();
    let failure = host
        .write_packagecloud_config(&read.seen, &enabled_values(), RubyExpressionEditMode::Refuse)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Consent);
    assert!(failure.why.contains("line 1: packagecloud_rails['cloudfront_secret'] = ENV['X']"), "{failure}");
    host.write_packagecloud_config(&read.seen, &enabled_values(), RubyExpressionEditMode::Append)
        .await
        .unwrap();
    assert_eq!(
        host.read_packagecloud_config().await.unwrap().seen.values.secret.unwrap().expose_secret(),
        "c2VjcmV0c2VjcmV0c2VjcmV0"
    );

    fs::remove_file(&host.config).unwrap();
    let failure = host.read_packagecloud_config().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Missing);
    assert!(failure.next.contains("--config"));
}

#[tokio::test]
async fn a_managed_file_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_config(dir.path(), "# Generated by Chef for pc\n");
    assert_eq!(host.read_packagecloud_config().await.unwrap().seen.managed.unwrap().0, "chef");
}

#[tokio::test]
async fn a_backup_gives_back_the_four_values_or_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_config(dir.path(), OFF_CONFIG);
    let seen = host.read_packagecloud_config().await.unwrap().seen;
    let mut wanted = enabled_values();
    wanted.push((CloudFrontSettingKey::DistributionId, "'E1'".into()));
    host.write_packagecloud_config(&seen, &wanted, RubyExpressionEditMode::Refuse).await.unwrap();
    let on = read_config_text(&host) + "# a later line\n";
    fs::write(&host.config, &on).unwrap();
    fs::write(
        dir.path().join("packagecloud.rb.20250102T030405Z.bak"),
        "packagecloud_rails['cloudfront_enabled'] = x",
    )
    .unwrap();
    fs::write(dir.path().join("packagecloud.rb.bak"), "").unwrap();
    let backups = host.list_config_backups().await.unwrap();
    let made: Vec<_> = backups.iter().map(|backup| backup.made.as_str()).collect();
    assert_eq!(made, ["2026-11-23 20:45:00 UTC", "2025-01-02 03:04:05 UTC"]);
    assert_eq!(host.read_config_backup(&backups[0]).await.unwrap().values.enabled, Some(false));

    let hash = host.read_packagecloud_rb_hash().await.unwrap();
    let what = ConfigRestoreScope::Values { keep_secret: true };
    let preview = host.preview_config_restore(&backups[0], what).await.unwrap();
    assert_eq!(host.restore_config_backup(&hash, &backups[0], what).await.unwrap().diff, preview);
    let values = host.read_packagecloud_config().await.unwrap().seen.values;
    assert_eq!((values.enabled, values.distribution_id), (Some(false), None));
    assert!(values.secret.is_some(), "the edge holds it");
    let hash = host.read_packagecloud_rb_hash().await.unwrap();
    host.restore_config_backup(&hash, &backups[0], ConfigRestoreScope::Values { keep_secret: false })
        .await
        .unwrap();
    assert_eq!(read_config_text(&host), format!("{OFF_CONFIG}# a later line\n"));
    let hash = host.read_packagecloud_rb_hash().await.unwrap();
    let failure = host.restore_config_backup(&hash, &backups[1], what).await.unwrap_err();
    assert!(failure.next.contains("--whole-file"), "{failure:?}");
    // The whole file is restored even over one that isn't Ruby.
    fs::write(&host.config, "if\n").unwrap();
    let hash = host.read_packagecloud_rb_hash().await.unwrap();
    host.restore_config_backup(&hash, &backups[0], ConfigRestoreScope::WholeFile).await.unwrap();
    assert_eq!(read_config_text(&host), OFF_CONFIG);
}

#[tokio::test]
async fn what_mends_the_file_is_typed_there_as_root_and_loses_nothing_where_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let on = "packagecloud_rails['cloudfront_enabled'] = true\n";
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(on.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let zeros = [on.as_bytes(), &[0; 7]].concat();
    for (bytes, filter) in [(utf16, "iconv"), (zeros, "tr")] {
        let host = host_with_config(dir.path(), "");
        fs::write(&host.config, &bytes).unwrap();
        let failure = host.read_packagecloud_config().await.unwrap_err();
        let (_, typed) = failure.next.split_once(", as root: ").unwrap();
        let (typed, _) = typed.split_once(" —").unwrap();
        let broken = typed.replacen(&format!("&& {filter} "), "&& false ", 1);
        assert_ne!(typed, broken);
        assert!(!run_shell_line(&broken) && fs::read(&host.config).unwrap() == bytes, "{broken}");
        assert!(run_shell_line(typed), "{typed}");
        assert_eq!(read_config_text(&host), on, "{typed}");
        assert!(!host.config.with_added_extension("new").exists());

        fs::write(&host.config, &bytes).unwrap();
        let line = SshClient::new("deploy@web1", "ssh").unwrap();
        let there = Host { transport: HostTransport::Ssh(line), ..host };
        let file = ConfigFile::parse_packagecloud_rb(&bytes);
        let failure = there.build_read_problem_failure(&file, file.read_problem().unwrap());
        assert!(failure.next.contains(" on deploy@web1, as root: cp -p /"), "{}", failure.next);
        assert!(!failure.next.contains("web1:/"), "{}", failure.next);
    }
    let host = host_with_config(dir.path(), "if true\n");
    let there = Host { transport: HostTransport::Ssh(SshClient::new("web1", "ssh").unwrap()), ..host };
    let file = ConfigFile::parse_packagecloud_rb(b"if true\n");
    let failure = there.build_read_problem_failure(&file, file.read_problem().unwrap());
    assert!(failure.next.starts_with("correct it on web1 (as root, ruby -c /"), "{}", failure.next);
}

/// Whether a line of shell ends well.
pub(super) fn run_shell_line(line: &str) -> bool {
    std::process::Command::new("sh").args(["-c", line]).status().unwrap().success()
}

#[tokio::test]
async fn only_the_file_itself_can_be_the_one_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_config(dir.path(), "");
    fs::remove_file(&host.config).unwrap();
    let failure = host.read_packagecloud_config().await.unwrap_err();
    assert!(host.is_config_missing(&failure), "{failure:?}");
    let failure = host.transport.read_file(&dir.path().join("packagecloud.rb.bak")).await.unwrap_err();
    assert!(failure.kind == FailureKind::Missing && !host.is_config_missing(&failure), "{failure:?}");
    let failure = host.build_missing_program_failure("packagecloud-ctl", CtlCommand::Reconfigure);
    assert!(failure.kind == FailureKind::Missing && !host.is_config_missing(&failure), "{failure:?}");
    let line = SshClient::new("web1", "/no/such/ssh").unwrap();
    let failure = line.connect_ssh_as_root().await.unwrap_err();
    assert!(failure.kind == FailureKind::Missing && !host.is_config_missing(&failure), "{failure:?}");
}
