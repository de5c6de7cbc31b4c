//! What a file may do when Ruby evaluates it, and what it may not; they need ruby, unshare, and a kernel with Landlock and
//! namespaces.

use super::*;

const BOTH_CONFINEMENTS: [RubyConfinement; 2] = [RubyConfinement::Landlock, RubyConfinement::Namespaces];

/// Evaluates a file in a folder of its own; `DIR` in it stands for that.
fn evaluate_text(dir: &tempfile::TempDir, text: &str) -> RubyEvaluation {
    evaluate_text_confined(dir, text, RubyConfinement::Landlock)
}

fn evaluate_text_confined(
    dir: &tempfile::TempDir,
    text: &str,
    confinement: RubyConfinement,
) -> RubyEvaluation {
    let path = dir.path().join("packagecloud.rb");
    std::fs::write(&path, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    evaluate_confined(&path, confinement)
}

#[track_caller]
fn rails_of(evaluation: RubyEvaluation) -> Map<String, Value> {
    match evaluation {
        RubyEvaluation::Values { rails, .. } => rails,
        other => panic!("{other:?}"),
    }
}

#[test]
fn omnibus_rules_hold_for_every_way_to_set_a_value() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("local.rb"), "packagecloud_rails['cloudfront_enabled'] = true\n").unwrap();
    std::fs::write(dir.path().join("cdn.yml"), "cloudfront_enabled: true\n").unwrap();
    for (text, enabled) in [
        ("from_file 'DIR/local.rb'", Value::Bool(true)),
        ("from_file 'local.rb'", Value::Bool(true)),
        ("eval IO.read('DIR/local.rb')", Value::Bool(true)),
        ("instance_eval(File.read('DIR/local.rb'))", Value::Bool(true)),
        ("Dir['DIR/loc*.rb'].each { |file| from_file file }", Value::Bool(true)),
        ("packagecloud_rails.merge!(YAML.load_file('DIR/cdn.yml'))", Value::Bool(true)),
        ("packagecloud_rails.update(cloudfront_enabled: true)", Value::Bool(true)),
        ("packagecloud_rails.replace('cloudfront_enabled' => true)", Value::Bool(true)),
        ("packagecloud_rails.store(:cloudfront_enabled, true)", Value::Bool(true)),
        ("packagecloud_rails.tap { |rails| rails[:'cloudfront_enabled'] = true }", Value::Bool(true)),
        ("rails = packagecloud_rails\nrails['cloudfront_enabled'] = true", Value::Bool(true)),
        ("packagecloud_rails.send(:[]=, 'cloudfront_enabled', true)", Value::Bool(true)),
        ("packagecloud_rails cloudfront_enabled: true", Value::Bool(true)),
        ("packagecloud_rails({ 'cloudfront_enabled' => true })", Value::Bool(true)),
        ("self.packagecloud_rails = { cloudfront_enabled: true }", Value::Bool(true)),
        ("self[:packagecloud_rails]['cloudfront_enabled'] = true", Value::Bool(true)),
        ("Packagecloud['packagecloud_rails']['cloudfront_enabled'] = true", Value::Bool(true)),
        ("%w[enabled].each { |key| packagecloud_rails[\"cloudfront_#{key}\"] = true }", Value::Bool(true)),
        ("packagecloud_rails['cloudfront_enabled'] ||= 'true'", Value::from("true")),
        ("packagecloud_rails[:cloudfront_enabled] = true\nreturn\nraise 'late'", Value::Bool(true)),
        ("packagecloud_rails[:cloudfront_enabled] = true\nexit\nraise 'late'", Value::Bool(true)),
        ("packagecloud_rails[:cloudfront_enabled] = true\n__END__\nraise 'late'", Value::Bool(true)),
        ("\u{feff}packagecloud_rails['cloudfront_enabled'] = true\r\n", Value::Bool(true)),
        ("packagecloud_rails = { 'cloudfront_enabled' => true }", Value::Null),
        ("node.override['packagecloud']['rails']['cloudfront_enabled'] = true", Value::Null),
        ("nginx['cloudfront_enabled'] = true\nexternal_url = 'x'", Value::Null),
    ] {
        let rails = rails_of(evaluate_text(&dir, text));
        assert_eq!(rails.get("cloudfront_enabled").unwrap_or(&Value::Null), &enabled, "{text}");
    }
}

#[test]
fn a_file_that_raises_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    for (text, wanted) in [
        ("x = 1\nraise 'no licence'", "RuntimeError: DIR/packagecloud.rb:2: no licence"),
        ("x = (", "SyntaxError: DIR/packagecloud.rb:1: "),
        ("\nnginx.foo!", "NoMethodError: DIR/packagecloud.rb:2: undefined method"),
        ("IO.read('DIR/nowhere')", "Errno::ENOENT: DIR/packagecloud.rb:1: No such file"),
        ("abort 'no licence'", "SystemExit: DIR/packagecloud.rb:1: no licence"),
        ("exit!", "Ruby ended before the file did"),
    ] {
        let wanted = wanted.replace("DIR", dir.path().to_str().unwrap());
        match evaluate_text(&dir, text) {
            RubyEvaluation::Raised { why, .. } => assert!(why.starts_with(&wanted), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_hostile_file_changes_nothing_and_reaches_nobody() {
    BOTH_CONFINEMENTS.into_iter().for_each(assert_hostile_file_is_shut_in);
}

#[track_caller]
fn assert_hostile_file_is_shut_in(confinement: RubyConfinement) {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _unix = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let victim = dir.path().join("victim");
    std::fs::write(&victim, "whole").unwrap();
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let before = std::fs::metadata(&victim).unwrap();
    let connect = format!("TCPSocket.new('127.0.0.1', {port})");
    for attempt in [
        "File.write('DIR/new', 'x')",
        "File.write('/dev/shm/packagecloud-sandbox', 'x')",
        "File.open('DIR/victim', 'a') { |file| file << 'x' }",
        "File.open('DIR/victim', File::WRONLY | File::TRUNC)",
        "File.truncate('DIR/victim', 0)",
        "File.open('DIR/pipe', File::RDWR | File::NONBLOCK) { |pipe| pipe << 'x' }",
        "File.open('/dev/null', 'w') { |device| device << 'x' }",
        "File.write('/proc/self/comm', 'x')",
        "File.unlink('DIR/victim')",
        "File.rename('DIR/victim', 'DIR/moved')",
        "File.link('DIR/victim', 'DIR/linked')",
        "File.symlink('DIR/victim', 'DIR/linked')",
        "File.chmod(0777, 'DIR/victim')",
        "File.chown(1, 1, 'DIR/victim')",
        "File.utime(0, 0, 'DIR/victim')",
        "File.mkfifo('DIR/fifo')",
        "Dir.mkdir('DIR/folder')",
        connect.as_str(),
        "UDPSocket.new.send('x', 0, '127.0.0.1', 9)",
        "UNIXSocket.new('DIR/socket')",
        "`touch DIR/new`",
        "exec('touch', 'DIR/new')",
        "fork { File.write('DIR/new', 'x') }",
        "Process.kill(:KILL, Process.ppid)",
        "Process.kill(0, -1)",
        "Process.setrlimit(:AS, Process::RLIM_INFINITY)",
        "syscall(56, 0x11, 0, 0, 0, 0)",
        "'x' * (600 << 20)",
    ] {
        let text = format!(
            "begin\n  {attempt}\n  done = 'done'\nrescue SystemCallError, NoMemoryError => error\n  done = error.class.name\nend\npackagecloud_rails['done'] = done\n"
        );
        let rails = rails_of(evaluate_text_confined(&dir, &text, confinement));
        let done = rails["done"].as_str().unwrap();
        assert!(
            done.starts_with("Errno::E") || done == "NoMemoryError",
            "{confinement:?}: {attempt}: {done}"
        );
    }
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["packagecloud.rb", "pipe", "socket", "victim"]);
    let after = std::fs::metadata(&victim).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "whole");
    assert_eq!(
        (after.permissions(), after.modified().unwrap()),
        (before.permissions(), before.modified().unwrap())
    );
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody called");
    assert!(!Path::new("/dev/shm/packagecloud-sandbox").exists());
}

#[test]
fn a_file_is_evaluated_in_namespaces_as_it_is_by_landlock() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("local.rb"), "packagecloud_rails['cloudfront_enabled'] = true\n").unwrap();
    for confinement in BOTH_CONFINEMENTS {
        let rails = rails_of(evaluate_text_confined(
            &dir,
            "from_file 'DIR/local.rb'\nputs ARGV.inspect",
            confinement,
        ));
        assert_eq!(rails["cloudfront_enabled"], Value::Bool(true), "{confinement:?}");
    }
    // Without namespaces of its own it touches no mount.
    let path = dir.path().join("packagecloud.rb");
    let mut command = RubyConfinement::Landlock.begin_ruby_command();
    command.args(["-W0", "-e", EVALUATOR_SOURCE]).arg(&path).arg("namespaces");
    let output = run_bounded_program(&mut command, EVALUATION_TIME_MAX).unwrap();
    match interpret_evaluator_output(&output) {
        RubyEvaluation::NotShutIn(why) => assert!(why.contains("no mounts of its own"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_goes_on_without_end_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    for (text, wanted) in [
        ("loop { puts 'x' * 1000 }", "it printed more than 1048576 bytes"),
        ("list = []\nloop { list << 'x' * 1_000_000 }", "NoMemoryError"),
        ("packagecloud_rails['x'] = 'x' * 2_000_000", "it printed more than"),
    ] {
        match evaluate_text(&dir, text) {
            RubyEvaluation::Raised { why, .. } => assert!(why.starts_with(wanted), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    // Whatever the file waits for: it says nothing, and keeps what it says it with open.
    let ended = run_bounded_program(Command::new("sleep").arg("infinity"), Duration::from_millis(1)).unwrap();
    assert_eq!(ended.exceeded.as_deref(), Some("it ran for more than 1ms"));
}

#[test]
fn what_the_evaluator_says_decides_and_nothing_else() {
    let output = |stdout: &str, exceeded: Option<&str>| {
        interpret_evaluator_output(&BoundedOutput {
            stdout: stdout.as_bytes().to_vec(),
            stderr: b"first\nlast\n".to_vec(),
            exceeded: exceeded.map(str::to_owned),
        })
    };
    let unavailable = |why: &str| RubyEvaluation::Unavailable(why.to_owned());
    let raised = |why: &str| RubyEvaluation::Raised {
        ruby: "3.1.2".to_owned(),
        why: why.to_owned(),
        printed: "first\nlast\n".to_owned(),
    };
    let ready = "{\"shut_in\":\"3.1.2\"}\n";
    assert_eq!(output("", None), unavailable("ruby can't be used here: last"));
    assert_eq!(output("", Some("it ran")), unavailable("ruby can't be used here: it ran"));
    assert_eq!(output("{\"not_shut_in\":\"old\"}\n", None), RubyEvaluation::NotShutIn("old".to_owned()));
    // Where it isn't said that Ruby was shut in, nothing that it says counts.
    assert_eq!(output("{\"values\":{}}\n", None), unavailable("ruby can't be used here: last"));
    assert_eq!(output(ready, None), raised("Ruby ended before the file did"));
    assert_eq!(output(&format!("{ready}{{\"values\":{{}}}}\n"), Some("it ran")), raised("it ran"));
    assert_eq!(output(&format!("{ready}{{\"raised\":\"no\"}}\n"), None), raised("no"));
}
