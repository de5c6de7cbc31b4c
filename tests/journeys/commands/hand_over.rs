//! What is handed over of what stands: `export terraform-import`.

use super::journey_host::JourneyHost;

#[test]
fn import_blocks_name_each_part_by_its_import_id() {
    let host = JourneyHost::new();
    let ran = host.run_line("export terraform-import");
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains("nothing of this install stands there");
    assert_eq!(ran.out, "");
    host.run_successfully("enable --yes");
    let ran = host.run_successfully("export terraform-import --output json");
    let mut ids = Vec::new();
    for block in ran.out.split("import {\n").skip(1) {
        let line = |name: &str| {
            let line = block.lines().find_map(|line| line.trim_start_matches("# ").trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {block}")).trim_matches('"').to_owned()
        };
        ids.push((line("to = "), line("id = \"")));
    }
    let secret = host.read_values()["cloudfront_secret"].as_str().unwrap().to_owned();
    assert!(!ran.out.contains(&secret));
    let state = host.open_sandbox();
    let (key, distribution, identity) = state.read_sandbox_state_from_disk(|state| {
        (
            state.kms.keys.keys().next().unwrap().clone(),
            state.cloudfront.distributions.keys().next().unwrap().clone(),
            state.cloudfront.identities.keys().next().unwrap().clone(),
        )
    });
    for (to, id) in [
        ("aws_iam_role.packagecloud_cloudfront_auth", "packagecloud_cloudfront_auth"),
        (
            "aws_iam_role_policy.packagecloud_cloudfront_auth",
            "packagecloud_cloudfront_auth:packagecloud_cloudfront_auth",
        ),
        ("aws_kms_key.packagecloud_cloudfront", &key),
        ("aws_kms_alias.packagecloud_cloudfront", "alias/packagecloud_cloudfront"),
        ("aws_lambda_function.packagecloud_cloudfront_auth", "packagecloud_cloudfront_auth"),
        ("aws_cloudfront_origin_access_identity.packagecloud_cloudfront", &identity),
        ("aws_cloudfront_distribution.packagecloud_cloudfront", &distribution),
        ("aws_s3_bucket_policy.packagecloud_cloudfront_packages", "packagecloud-sandbox-999999999999"),
    ] {
        assert!(ids.contains(&(to.to_owned(), id.to_owned())), "no {to} = {id} in {}", ran.out);
    }
    assert_eq!(ids.iter().filter(|(to, _)| to.starts_with("aws_cloudfront_cache_policy.")).count(), 2);
}
