//! Under sudo: what it left out is said with the command that keeps it, that command works, and nothing of root's is left in a user's home.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

use super::cluster::{BINARY_PATH, ClusterRun, HostCluster};

/// A command line that deploy types on web1, after these variables.
fn run_as_deploy(cluster: &HostCluster, line: &str) -> ClusterRun {
    let config = cluster.laptop_path("ssh_config");
    let out = Command::new("ssh").arg("-F").arg(config).args(["-T", "deploy@web1", line]).output().unwrap();
    ClusterRun::from_output(&out)
}

/// deploy's own AWS configuration on the node.
fn cluster_with_deploy_home() -> HostCluster {
    let cluster = HostCluster::new(&["web1"]);
    let home = cluster.nodes[0].file_path("home");
    fs::create_dir_all(home.join(".aws")).unwrap();
    fs::copy(cluster.laptop_path(".aws/credentials"), home.join(".aws/credentials")).unwrap();
    fs::write(home.join(".aws/config"), "[profile work]\nregion = us-east-1\n").unwrap();
    let owned = Command::new("chown").args(["-R", "20717:20717"]).arg(&home).status().unwrap();
    assert!(owned.success());
    cluster
}

fn collect_root_files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let meta = fs::symlink_metadata(entry.path()).unwrap();
        if meta.uid() == 0 {
            found.push(entry.path());
        }
        if meta.is_dir() {
            collect_root_files(&entry.path(), found);
        }
    }
}

#[test]
fn what_sudo_left_out_is_said_with_the_command_that_keeps_it() {
    let cluster = cluster_with_deploy_home();
    let home = cluster.nodes[0].file_path("home");
    let home = home.display();
    let options = cluster.aws_options().join(" ");
    let check = format!("{BINARY_PATH} {options} check --all");
    let ran = run_as_deploy(
        &cluster,
        &format!("export AWS_PROFILE=work AWS_EC2_METADATA_DISABLED=true; sudo -n {check}"),
    );
    let keeps = format!(
        "sudo --preserve-env=AWS_EC2_METADATA_DISABLED,AWS_PROFILE AWS_CONFIG_FILE={home}/.aws/config AWS_SHARED_CREDENTIALS_FILE={home}/.aws/credentials"
    );
    assert!(ran.text.contains("sudo left out AWS_EC2_METADATA_DISABLED, AWS_PROFILE"), "{}", ran.text);
    assert!(
        ran.text.contains(&format!("{home}/.aws/credentials of deploy isn't looked at under root")),
        "{}",
        ran.text
    );
    assert!(ran.text.contains(&keeps), "no {keeps} in {}", ran.text);

    // The command as it is said, to the letter.
    let said = ran.text.split("to keep it: ").nth(1).unwrap().lines().next().unwrap();
    let said = said.split(';').next().unwrap().replace("sudo ", "sudo -n ");
    let ran =
        run_as_deploy(&cluster, &format!("export AWS_PROFILE=work AWS_EC2_METADATA_DISABLED=true; {said}"));
    ran.assert_exit(0, &["profile work, by AWS_PROFILE in the environment"]);
    assert!(!ran.text.contains("sudo left out"), "{}", ran.text);
}

#[test]
fn nothing_of_roots_is_left_in_a_users_home() {
    let cluster = cluster_with_deploy_home();
    let node = &cluster.nodes[0];
    let home = node.file_path("home");
    let options = cluster.aws_options().join(" ");
    fs::copy(node.file_path("etc/packagecloud.rb"), home.join("packagecloud.rb")).unwrap();
    std::os::unix::fs::chown(home.join("packagecloud.rb"), Some(20717), Some(20717)).unwrap();
    let at = home.display();
    let line = format!(
        "export AWS_PROFILE=work; sudo -n --preserve-env=AWS_PROFILE HOME={at} {BINARY_PATH} {options} --config {at}/packagecloud.rb --state-dir {at}/.local/state/x --log-file {at}/x.log enable --prepare --yes"
    );
    run_as_deploy(&cluster, &line).assert_exit(0, &[]);
    let names: Vec<_> = fs::read_dir(&home).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(names.iter().any(|name| name.to_string_lossy().ends_with(".bak")), "{names:?}");
    assert!(home.join(".local/state/x/answers.json").exists() && home.join("x.log").exists());
    let mut found = Vec::new();
    collect_root_files(&home, &mut found);
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
    // Root's own state is root's.
    run_as_deploy(&cluster, &format!("sudo -n {BINARY_PATH} {options} configuration")).assert_exit(0, &[]);
}
