//! Where switching on fails, or switching off reaches not every node: what is said, and what stands after it.

use packagecloud_cloudfront::sandbox::packagecloud;

use crate::house::House;

#[test]
fn another_construction_is_named_taken_back_and_then_kept() {
    for construction in ["raw:path+expires", "decoded:host+path+expires"] {
        let house = House::new();
        let failed = house.run(&format!("--sandbox-construction {construction} enable --yes"));
        assert_eq!(failed.code, 1, "{failed:#?}");
        let last: Vec<&str> = failed.err.lines().rev().take(2).collect();
        assert!(last[0].contains(&format!("--construction {construction}")), "{last:?}");
        assert!(last[1].contains("CloudFront is off again") && last[1].contains("302 to S3"), "{last:?}");
        assert!(house.config_text().contains("packagecloud_rails['cloudfront_enabled'] = false"));
        house.done("verify").says("CloudFront is off: packagecloud answers 302 to S3");

        house.done(&format!("enable --construction {construction} --yes"));
        house.done("verify").says("10 of 10 redirects go to CloudFront");
        // Without the option the one that the edge holds is kept: nothing is made anew, and it still works.
        house.done("plan");
        house.done("enable --yes").says("Bootstrap: nothing to do").says("10 of 10");
    }
}

#[test]
fn a_web_node_that_lags_is_named_with_its_commands() {
    let house = House::new();
    house.done("enable --yes");
    packagecloud::lag(&house.world());
    let off = house.run("disable --yes");
    assert_eq!(off.code, 3, "{off:#?}");
    off.says("another web node").says("packagecloud-ctl reconfigure && packagecloud-ctl restart");
    off.says("302 to CloudFront").says("302 to S3");
    assert!(house.config_text().contains("packagecloud_rails['cloudfront_enabled'] = false"));

    let verify = house.run("verify");
    assert_eq!(verify.code, 3, "{verify:#?}");
    verify.says("5 of 10").says("another web node");
}

#[test]
fn switching_off_what_is_off_changes_nothing() {
    let house = House::new();
    house.done("disable --yes").says("nothing to do");
    assert!(house.backups().is_empty());
    house.done("enable --yes");
    house.done("disable --yes");
    let (text, backups) = (house.config_text(), house.backups());
    house.done("disable --yes").says("nothing to do");
    assert_eq!((house.config_text(), house.backups()), (text, backups));
}

#[test]
fn what_the_file_says_is_not_what_packagecloud_does_and_switching_off_sees_to_it() {
    let house = House::new();
    house.done("enable --yes");
    // By hand, and never reconfigured; or by a run whose state directory is on another host.
    let text = house.config_text().replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    house.set_config(&text);
    house.run("verify").says("302 to CloudFront");
    let off = house.done("disable --yes");
    off.says("it says off, and packagecloud still answers 302 to CloudFront").says("off since");
    house.done("verify").says("CloudFront is off: packagecloud answers 302 to S3");
    house.done("disable --yes").says("nothing to do");
}

#[test]
fn a_reconfigure_that_fails_is_no_other_nodes_fault() {
    let house = House::new();
    house.done("enable --yes");
    let off = house.run("--ctl false disable --yes");
    assert_eq!(off.code, 1, "{off:#?}");
    off.says("the file says off; packagecloud answers 302 to CloudFront");
    assert!(!off.err.contains("another web node"), "{off:#?}");
}

#[test]
fn without_packagecloud_ctl_the_rest_is_left_to_the_operator() {
    let house = House::new();
    let on = house.done("enable --ctl none --yes");
    on.says("Go live: stopped").says("packagecloud-ctl reconfigure, then packagecloud-ctl restart");
    assert_eq!(house.values()["cloudfront_enabled"], true);
    on.says("left to you, where packagecloud runs");
    assert!(!on.err.contains("run     proof"), "nothing is proven: {on:#?}");
    let off = house.done("disable --ctl none --yes");
    off.says("Disable: stopped").says("packagecloud-ctl reconfigure, then packagecloud-ctl restart");
    assert_eq!(house.values()["cloudfront_enabled"], false);
}

#[test]
fn preparing_goes_live_later_and_leaves_on_what_is_on() {
    let house = House::new();
    house.done("enable --prepare --yes").says("nothing is live yet");
    assert_eq!(house.values()["cloudfront_enabled"], serde_json::Value::Null);
    house.done("verify").says("302 to S3");
    let backups = house.backups().len();
    house.done("enable --yes").says("Bootstrap: nothing to do").says("Go live: done");
    assert_eq!(house.backups().len(), backups + 1, "going live alone changed the file");
    house.done("enable --prepare --yes").says("CloudFront is on already; this left it on");
    assert_eq!(house.values()["cloudfront_enabled"], true);
}

#[test]
fn what_the_edge_accepts_is_what_the_version_holds_that_it_carries() {
    let house = House::new();
    house.done("enable --prepare --yes");
    let first = house.done("bootstrap-cloudfront --yes").out;
    let first = first.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(first.ends_with(":1"), "{first}");
    house.done("enable --prepare --construction raw:path+expires --yes");
    house.done("enable --prepare --yes").says("Bootstrap: nothing to do");
    house.done(&format!("roll-back --edge {first} --yes"));
    // The newest version holds another construction; nobody said that it shall be that again.
    let again = house.done("enable --yes");
    again.says("Bootstrap: nothing to do").says("Distribution: nothing to do").says("Go live: done");
    house.done("verify").says("10 of 10 redirects go to CloudFront");
}
