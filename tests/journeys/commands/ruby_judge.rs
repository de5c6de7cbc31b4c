//! The sandbox's packagecloud follows what Ruby makes of packagecloud.rb, whatever the product reads in it; they need ruby.

use bytes::Bytes;
use http::Request;
use packagecloud_cloudfront::sandbox::packagecloud;

use super::journey_host::{JourneyHost, run_to_end};

const EVALUATED: &str = "packagecloud.rb holds more than plain literals: evaluated by Ruby ";

/// Where packagecloud's front sends a client now.
fn fetch_redirect(host: &JourneyHost) -> String {
    let world = host.open_sandbox();
    let request = Request::get("/1/2/ubuntu/package_files/97310.deb")
        .header("host", "packagecloud.sandbox")
        // `demo-token` as user name.
        .header("authorization", "Basic ZGVtby10b2tlbjo=")
        .body(Bytes::new())
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(packagecloud::serve_packagecloud_request(&world, request));
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// Returns a host on which CloudFront is on, its packagecloud.rb, and how a link to the edge begins.
fn set_up_host() -> (JourneyHost, String, String) {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let domain = host.read_values()["cloudfront_packages_domain"].as_str().unwrap().to_owned();
    let text = host.config_text();
    (host, text, format!("https://{domain}/"))
}

#[test]
fn redirects_follow_what_ruby_says_not_what_is_read() {
    let (host, on, edge) = set_up_host();
    let off = on.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    assert_ne!(on, off);
    let beside = host.sandbox_path();
    std::fs::write(beside.join("on.rb"), "packagecloud_rails['cloudfront_enabled'] = true\n").unwrap();
    std::fs::write(beside.join("off.rb"), "packagecloud_rails['cloudfront_enabled'] = false\n").unwrap();
    std::fs::write(beside.join("on.yml"), "cloudfront_enabled: true\n").unwrap();
    let beside = beside.display().to_string();
    for (text, last, is_on) in [
        (&off, "from_file 'DIR/on.rb'", true),
        (&on, "from_file 'DIR/off.rb'", false),
        (&off, "eval IO.read('DIR/on.rb')", true),
        (&on, "eval IO.read('DIR/off.rb')", false),
        (&off, "packagecloud_rails.merge!(YAML.load_file('DIR/on.yml'))", true),
        (&on, "rails = packagecloud_rails\nrails[:cloudfront_enabled] = false", false),
    ] {
        host.write_config(&format!("{text}\n{}\n", last.replace("DIR", &beside)));
        host.run_successfully("reconfigure --yes").assert_contains(EVALUATED);
        host.run_successfully("restart --yes");
        let link = fetch_redirect(&host);
        assert_eq!(link.starts_with(&edge), is_on, "{last}: {link}");
    }
    host.write_config(&on);
    host.run_successfully("reconfigure --yes")
        .assert_contains("packagecloud.rb holds plain literals: read as they stand");
    host.run_successfully("restart --yes");
    assert!(fetch_redirect(&host).starts_with(&edge));
}

#[test]
fn where_there_is_no_ruby_the_file_is_read_by_this_program() {
    let (host, on, edge) = set_up_host();
    host.write_config(&format!("{on}\nnginx['workers'] = 1 + 1\n"));
    let mut command = host.build_command();
    command
        .env("PATH", host.root_path())
        .arg(format!("--sandbox={}", host.sandbox_path().display()))
        .args(["reconfigure", "--yes"]);
    let ran = run_to_end(&mut command);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.assert_contains("read by this program, since there is no ruby in PATH");
    host.run_successfully("restart --yes");
    assert!(fetch_redirect(&host).starts_with(&edge));
}

#[test]
fn what_ruby_refuses_fails_the_reconfigure_and_what_ran_runs_on() {
    let (host, on, edge) = set_up_host();
    let path = host.config_path().display().to_string();
    let lines = on.trim_end().lines().count();
    for (last, said) in [
        ("raise 'no licence'", format!("RuntimeError: {path}:{}: no licence", lines + 1)),
        ("File.write('DIR/hacked', 'x')", format!("Errno::EACCES: {path}:{}: ", lines + 1)),
        ("require 'socket'; TCPSocket.new('127.0.0.1', 9)", format!("Errno::EPERM: {path}:{}: ", lines + 1)),
    ] {
        let last = last.replace("DIR", &host.sandbox_path().display().to_string());
        // Switched off, were it read to its end.
        let off = on.trim_end().replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
        host.write_config(&format!("{off}\n{last}\n"));
        let ran = host.run_line("reconfigure --yes");
        assert_eq!(ran.code, 1, "{ran:#?}");
        ran.assert_contains(EVALUATED).assert_contains(&said).assert_contains("Chef Client failed");
        host.run_successfully("restart --yes");
        assert!(fetch_redirect(&host).starts_with(&edge), "nothing was rendered");
    }
    assert!(!host.sandbox_path().join("hacked").exists());
}
