//! The verbs over AWS against the sandbox: twice makes no second write, a lost reply makes no second resource.
//!
//! Time is tokio's, paused: what waits costs nothing.

use packagecloud_cloudfront::aws::{
    AwsClients, DistributionSettings, IntendedDistributionUpdate, LambdaFunctionSettings, OriginAccessId,
};
use packagecloud_cloudfront::model::aws::names::{ResourceNameSuffix, ResourceNames};
use packagecloud_cloudfront::model::aws::{
    account::{FunctionVersion, IamRole, KmsKey, LambdaFunction, ResourceOwnership},
    bucket::ObjectKeyAccess,
    cloudfront::{CloudFrontDistribution, CloudFrontOriginAccessIdentity},
};
use packagecloud_cloudfront::model::failure::{Failure, FailureKind};
use packagecloud_cloudfront::model::iam::policy::{self, CloudFrontBucketReader};
use packagecloud_cloudfront::model::packagecloud::path_cache::CachePolicyRole;
use packagecloud_cloudfront::sandbox::control_plane::ACCOUNT_ID;
use packagecloud_cloudfront::sandbox::{Sandbox, SandboxOptions};

const FUNCTION_SETTINGS: LambdaFunctionSettings<'_> =
    LambdaFunctionSettings { runtime: "nodejs24.x", handler: "index.handler", memory: 128, timeout: 5 };
/// A zip of one stored file, always the same bytes for the same source.
fn zip_source(source: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("index.mjs", options).unwrap();
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

struct CloudFixture {
    _dir: tempfile::TempDir,
    world: Sandbox,
    cloud: AwsClients,
    names: ResourceNames,
}

fn open_fixture(faults: &[&str]) -> CloudFixture {
    let dir = tempfile::tempdir().unwrap();
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let world = Sandbox::open_sandbox_unseeded(&SandboxOptions {
        dir: dir.path().to_owned(),
        faults,
        ..SandboxOptions::default()
    })
    .unwrap();
    let cloud = AwsClients::new(&world.build_sandbox_sdk_config(), None);
    let names = ResourceNames::new(&ensure_bucket(&world), &ResourceNameSuffix::default());
    CloudFixture { _dir: dir, world, cloud, names }
}

/// The sandbox's own bucket; made where this world has none.
fn ensure_bucket(world: &Sandbox) -> String {
    use packagecloud_cloudfront::sandbox::control_plane::s3::SandboxBucket;
    world.update_sandbox_state_on_disk(|state| {
        if let Some(name) = state.s3.buckets.keys().next() {
            return name.clone();
        }
        state.s3.buckets.insert("pkgs".to_owned(), SandboxBucket::new(ACCOUNT_ID, "us-east-1", 0));
        "pkgs".to_owned()
    })
}

fn ignore_progress(_: &str) {}

impl CloudFixture {
    fn write_operations(&self) -> Vec<String> {
        self.world
            .sandbox_recorded_aws_calls()
            .iter()
            .filter(|call| call.write)
            .map(|call| call.operation.clone())
            .collect()
    }

    async fn ensure_role(&self) -> Result<IamRole, Failure> {
        let seen = self.cloud.read_function_role(&self.names).await?;
        let ensured = self
            .cloud
            .ensure_function_role(&self.names, seen.as_ref(), None, false, &ignore_progress)
            .await?;
        Ok(ensured.role)
    }

    async fn ensure_key(&self, role: &IamRole) -> Result<KmsKey, Failure> {
        let seen = self.cloud.find_our_kms_key(&self.names).await?;
        let key = self
            .cloud
            .ensure_kms_key(&self.names, seen.as_ref(), &role.arn, ACCOUNT_ID, false, &ignore_progress)
            .await?;
        self.cloud.ensure_kms_alias(&self.names, &key, &ignore_progress).await?;
        self.cloud.ensure_kms_key_policy(&self.names, &key, &role.arn, ACCOUNT_ID, &ignore_progress).await?;
        Ok(key)
    }

    async fn ensure_identity(&self) -> Result<CloudFrontOriginAccessIdentity, Failure> {
        let seen = self.cloud.find_origin_access_identity(&self.names).await?;
        self.cloud.ensure_origin_access_identity(&self.names, seen.as_ref()).await
    }

    async fn publish_version(&self, role: &IamRole, zip: &[u8]) -> Result<FunctionVersion, Failure> {
        let seen = self.cloud.read_lambda_function(&self.names).await?;
        let function = self
            .cloud
            .ensure_lambda_function(
                &self.names,
                seen.as_ref(),
                &role.arn,
                FUNCTION_SETTINGS,
                zip,
                false,
                &ignore_progress,
            )
            .await?;
        self.cloud
            .publish_function_version(
                &self.names,
                &function,
                &format!("digest {}", zip.len()),
                &ignore_progress,
            )
            .await
    }

    /// Everything up to the version.
    async fn ensure_bootstrap(&self) -> Result<FunctionVersion, Failure> {
        let role = self.ensure_role().await?;
        let key = self.ensure_key(&role).await?;
        self.cloud
            .ensure_function_role_policy(&self.names, &role, &key.arn, ACCOUNT_ID, &ignore_progress)
            .await?;
        self.cloud.ensure_service_linked_roles(&ignore_progress).await?;
        self.publish_version(&role, &zip_source("first")).await
    }

    async fn ensure_distribution(
        &self,
        version: &FunctionVersion,
    ) -> Result<CloudFrontDistribution, Failure> {
        let identity = self.ensure_identity().await?;
        let seen = self.cloud.find_cache_policies(&self.names).await?.pass_through;
        let role = CachePolicyRole::PassThrough;
        let cache = self.cloud.ensure_cache_policy(&self.names, role, seen.as_ref(), false).await?;
        let shape = DistributionSettings {
            region: "us-east-1",
            access: OriginAccessId::Identity(&identity.id),
            cache_policy_id: &cache.id,
            path_caching: None,
            version_arn: &version.arn,
            alias: None,
        };
        let all = self.cloud.list_distributions(&self.names).await?;
        let ours = all.into_iter().find(|one| one.ownership == ResourceOwnership::Ours);
        let made = match ours {
            None => self.cloud.create_distribution(&self.names, &shape, &ignore_progress).await?,
            Some(ours) => {
                let intent = IntendedDistributionUpdate::Whole(shape);
                self.cloud
                    .update_distribution(&self.names, &ours.id, &ours.etag, &intent, false, &ignore_progress)
                    .await?
            }
        };
        self.cloud.wait_until_distribution_deployed(&self.names, &made, &ignore_progress).await
    }

    async fn grant_bucket_read(&self) -> Result<(), Failure> {
        let identity = self.ensure_identity().await?;
        let seen = self.cloud.read_bucket_settings(self.names.bucket_name(), "us-east-1", ACCOUNT_ID).await?;
        let reader = CloudFrontBucketReader::Identity {
            id: &identity.id,
            canonical_user: &identity.canonical_user_id,
        };
        let new = policy::merge_bucket_policy(seen.policy.as_deref(), &self.names, reader)?;
        let old = seen.policy.as_deref();
        self.cloud
            .write_bucket_policy(self.names.bucket_name(), old, &new, ACCOUNT_ID, &ignore_progress)
            .await?;
        let now = self.cloud.read_bucket_settings(self.names.bucket_name(), "us-east-1", ACCOUNT_ID).await?;
        assert!(
            policy::grants_cloudfront_read_access(now.policy.as_deref(), &self.names, reader),
            "{:?}",
            now.policy
        );
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_set_up_twice_writes_once() {
    let scene = open_fixture(&[]);
    let version = scene.ensure_bootstrap().await.unwrap();
    let made = scene.ensure_distribution(&version).await.unwrap();
    scene.grant_bucket_read().await.unwrap();
    assert_eq!(made.differs, Vec::<String>::new());
    assert_eq!(made.status, "Deployed");
    assert_eq!(made.behaviors[0].viewer_request.as_deref(), Some(version.arn.as_str()));
    let first = scene.write_operations();
    for write in
        ["CreateRole", "CreateKey", "CreateAlias", "CreateFunction", "PublishVersion", "PutBucketPolicy"]
    {
        assert!(first.iter().any(|one| one == write), "{write} is not in {first:?}");
    }
    scene.world.clear_call_ledger();
    let again = scene.ensure_bootstrap().await.unwrap();
    assert_eq!(again, version);
    let still = scene.ensure_distribution(&again).await.unwrap();
    scene.grant_bucket_read().await.unwrap();
    assert_eq!(scene.write_operations(), Vec::<String>::new());
    assert_eq!(still, made);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_makes_no_second_resource() {
    for create in [
        "iam:CreateRole",
        "kms:CreateKey",
        "kms:CreateAlias",
        "lambda:CreateFunction",
        "lambda:PublishVersion",
        "cloudfront:CreateCloudFrontOriginAccessIdentity",
        "cloudfront:CreateCachePolicy",
        "cloudfront:CreateDistributionWithTags",
        "s3:PutBucketPolicy",
    ] {
        let scene = open_fixture(&[&format!("{create}:1:lost")]);
        let version = scene.ensure_bootstrap().await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
        scene.ensure_distribution(&version).await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
        scene.grant_bucket_read().await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
        let struck = scene
            .world
            .sandbox_recorded_aws_calls()
            .iter()
            .any(|call| call.status.is_none() && create.ends_with(call.operation.as_str()));
        assert!(struck, "{create} was never lost: {:?}", scene.write_operations());
        let keys = scene
            .world
            .sandbox_recorded_aws_calls()
            .iter()
            .filter(|call| call.operation == "CreateKey")
            .count();
        assert_eq!(keys, 1, "{create}: each key costs money for ever");
        let ours = scene.cloud.list_distributions(&scene.names).await.unwrap();
        assert_eq!(ours.len(), 1, "{create}");
        let function = scene.cloud.read_lambda_function(&scene.names).await.unwrap().unwrap();
        assert_eq!(function.versions.len(), 1, "{create}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_published_and_associated_and_an_old_one_again() {
    let scene = open_fixture(&[]);
    let first = scene.ensure_bootstrap().await.unwrap();
    let made = scene.ensure_distribution(&first).await.unwrap();
    let role = scene.ensure_role().await.unwrap();
    let second = scene.publish_version(&role, &zip_source("the second")).await.unwrap();
    assert_eq!(second.number, first.number + 1);
    let now = scene.ensure_distribution(&second).await.unwrap();
    assert_eq!(now.behaviors[0].viewer_request.as_deref(), Some(second.arn.as_str()));
    assert_ne!(now.etag, made.etag);

    let back = IntendedDistributionUpdate::Version(&first.arn);
    let stale = scene
        .cloud
        .update_distribution(&scene.names, &made.id, &made.etag, &back, false, &ignore_progress)
        .await;
    assert_eq!(
        stale.unwrap_err().kind,
        FailureKind::Drifted,
        "the ETag that was shown is of an older configuration"
    );
    let rolled = scene
        .cloud
        .update_distribution(&scene.names, &now.id, &now.etag, &back, false, &ignore_progress)
        .await
        .unwrap();
    assert_eq!(rolled.behaviors[0].viewer_request.as_deref(), Some(first.arn.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_policy_that_moved_since_it_was_shown_is_not_overwritten() {
    let scene = open_fixture(&[]);
    let bucket = scene.names.bucket_name().to_owned();
    let shown = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let new = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::x/*"}]}"#
        .replace(":::x", &format!(":::{bucket}"));
    let drifted =
        scene.cloud.write_bucket_policy(&bucket, Some(shown), &new, ACCOUNT_ID, &ignore_progress).await;
    assert_eq!(drifted.unwrap_err().kind, FailureKind::Drifted);
    scene.cloud.write_bucket_policy(&bucket, None, &new, ACCOUNT_ID, &ignore_progress).await.unwrap();
    assert_eq!(scene.write_operations(), ["PutBucketPolicy"]);
    scene.cloud.write_bucket_policy(&bucket, None, &new, ACCOUNT_ID, &ignore_progress).await.unwrap();
    assert_eq!(scene.write_operations().len(), 1, "what stands already is not put again");
}

/// CloudFront keeps the caller reference of a distribution that was deleted: the next one is asked for under another.
#[tokio::test(start_paused = true)]
async fn a_caller_reference_that_nothing_of_ours_has_is_not_the_last() {
    let taken = "cloudfront:CreateDistributionWithTags:1:error:DistributionAlreadyExists=The caller reference is in use";
    let scene = open_fixture(&[taken]);
    let version = scene.ensure_bootstrap().await.unwrap();
    let made = scene.ensure_distribution(&version).await.unwrap();
    let all = scene.cloud.list_distributions(&scene.names).await.unwrap();
    assert_eq!(all.iter().map(|one| &one.id).collect::<Vec<_>>(), [&made.id]);
    let taken = taken.replace(":1:", ":*:");
    let scene = open_fixture(&[&taken]);
    let version = scene.ensure_bootstrap().await.unwrap();
    let failure = scene.ensure_distribution(&version).await.unwrap_err();
    assert!(failure.why.contains("DistributionAlreadyExists"), "what was wrong is said: {failure:?}");
}

/// Each run seals the secret anew, so its code differs: the one whose code stands publishes, and the other takes its version.
#[tokio::test(start_paused = true)]
async fn a_version_that_another_run_published_is_taken_over() {
    let scene = open_fixture(&[]);
    let role = scene.ensure_role().await.unwrap();
    let ensure = |seen: Option<LambdaFunction>, code: &'static str| {
        let (scene, role) = (&scene, &role);
        async move {
            scene
                .cloud
                .ensure_lambda_function(
                    &scene.names,
                    seen.as_ref(),
                    &role.arn,
                    FUNCTION_SETTINGS,
                    &zip_source(code),
                    false,
                    &ignore_progress,
                )
                .await
        }
    };
    let publish = |function: LambdaFunction| {
        let scene = &scene;
        async move {
            let publishing =
                scene.cloud.publish_function_version(&scene.names, &function, "the same", &ignore_progress);
            publishing.await
        }
    };
    let ours = ensure(None, "ours").await.unwrap();
    // Not seen by the other's look, it is told that it was made; then it uploads over it, before ours is published.
    assert_eq!(ensure(None, "theirs").await.unwrap_err().kind, FailureKind::Drifted);
    let theirs = ensure(Some(ours.clone()), "theirs").await.unwrap();
    // Made from what stood before that.
    assert_eq!(ensure(Some(ours.clone()), "third").await.unwrap_err().kind, FailureKind::Drifted);
    // Theirs is never published as ours: where nobody publishes the same, that is drift.
    let alone = scene.cloud.publish_function_version(&scene.names, &ours, "ours", &ignore_progress).await;
    assert_eq!(alone.unwrap_err().kind, FailureKind::Drifted);
    assert_eq!(scene.cloud.list_function_versions(&scene.names).await.unwrap().len(), 0);
    let (one, other) = tokio::join!(publish(ours), publish(theirs));
    assert_eq!(one.unwrap().arn, other.unwrap().arn);
    assert_eq!(scene.cloud.list_function_versions(&scene.names).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_somebody_elses_is_refused_unless_adopted() {
    let scene = open_fixture(&[]);
    let other = ResourceNames::new("another-bucket", &ResourceNameSuffix::default());
    scene.cloud.ensure_function_role(&other, None, None, false, &ignore_progress).await.unwrap();
    let seen = scene.cloud.read_function_role(&scene.names).await.unwrap().unwrap();
    assert_eq!(seen.ownership, ResourceOwnership::Other("another-bucket".into()));
    let refused = scene
        .cloud
        .ensure_function_role(&scene.names, Some(&seen), None, true, &ignore_progress)
        .await
        .unwrap_err();
    assert!(refused.next.contains("--name-suffix"), "{refused}");

    let unmarked = IamRole { ownership: ResourceOwnership::Unmarked, ..seen };
    let asked = scene
        .cloud
        .ensure_function_role(&scene.names, Some(&unmarked), None, false, &ignore_progress)
        .await
        .unwrap_err();
    assert_eq!(asked.kind, FailureKind::Consent);
}

#[tokio::test(start_paused = true)]
async fn a_denied_action_names_itself_and_the_next_move() {
    let scene = open_fixture(&["iam:CreateRole:*:deny"]);
    let failure = scene.ensure_role().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.why.contains("iam:CreateRole"), "{failure}");
    assert!(failure.next.contains("check --policy"), "{}", failure.next);
    assert!(failure.request_id.is_some());
}

/// KMS of the bucket's region serves nothing else: what it doesn't tell is unknown, and ends nothing.
#[tokio::test(start_paused = true)]
async fn a_buckets_key_is_known_by_its_alias_or_stays_unknown() {
    const KEY_ALIAS: &str = "alias/packages";
    for (faults, is_known, access) in [
        (&[][..], true, ObjectKeyAccess::Withheld),
        // Its policy may be read all the same.
        (&["kms:DescribeKey:1+:deny"], false, ObjectKeyAccess::Withheld),
        (&["kms:DescribeKey:1+:lost"], false, ObjectKeyAccess::Unknown),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let faults: Vec<String> = faults.iter().map(|&fault| fault.to_owned()).collect();
        let world = crate::engine::open_instant_sandbox(dir.path(), &faults);
        let config = world.build_sandbox_sdk_config();
        let (kms, cloud) = (aws_sdk_kms::Client::new(&config), AwsClients::new(&config, None));
        let names = ResourceNames::new("pkgs", &ResourceNameSuffix::default());
        let key = kms.create_key().send().await.unwrap().key_metadata.unwrap();
        kms.create_alias().alias_name(KEY_ALIAS).target_key_id(&key.key_id).send().await.unwrap();
        let arn = cloud.find_bucket_kms_key_arn(KEY_ALIAS).await.unwrap();
        assert_eq!(arn, key.arn.filter(|_| is_known), "{faults:?}");
        let read = cloud.read_bucket_kms_key(&names, KEY_ALIAS, None).await.unwrap();
        assert_eq!(read.access, access, "{faults:?}");
        let absent = cloud.find_bucket_kms_key_arn("alias/absent").await.unwrap();
        assert_eq!(absent, None, "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn permissions_are_simulated_for_the_caller() {
    use packagecloud_cloudfront::model::iam::access::list_required_permissions;
    use packagecloud_cloudfront::model::run::check::CheckVerdict;
    use packagecloud_cloudfront::model::run::goal::OperatorGoal;
    let scene = open_fixture(&[]);
    let caller = scene.cloud.read_caller_identity().await.unwrap();
    assert_eq!(caller.account, ACCOUNT_ID);
    assert_eq!(caller.clock_ahead, Some(0));
    let needs = list_required_permissions(OperatorGoal::Upgrade, &scene.names, &caller.account);
    let checks = scene.cloud.simulate_permissions(&caller.arn, &needs, None).await.unwrap();
    assert_eq!(checks.len(), needs.len());
    for (check, need) in checks.iter().zip(&needs) {
        assert_eq!(check.name, need.action);
        let simulated = !need.action.ends_with('*');
        let result = if simulated { CheckVerdict::Pass } else { CheckVerdict::Unknown };
        assert_eq!(check.result, result, "{}: {}", check.name, check.detail);
    }
    let root = format!("arn:aws:iam::{ACCOUNT_ID}:root");
    let unknown = scene.cloud.simulate_permissions(&root, &needs, None).await.unwrap();
    assert!(unknown.iter().all(|check| check.result == CheckVerdict::Unknown));
}

#[test]
fn what_the_verbs_return_can_be_spawned() {
    fn assert_send<T: Send>(_: &T) {}
    let scene = open_fixture(&[]);
    assert_send(&scene.ensure_bootstrap());
    assert_send(&scene.grant_bucket_read());
    assert_send(&scene.cloud.simulate_permissions("", &[], None));
}
