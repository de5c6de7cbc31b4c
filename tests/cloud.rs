//! The verbs over AWS against the sandbox: twice makes no second write, a lost reply makes no second resource.
//!
//! Time is tokio's, paused: what waits costs nothing.

use packagecloud_cloudfront::aws::{Access, Cloud, FunctionSettings, Intent, Shape};
use packagecloud_cloudfront::model::aws::evidence::{
    Distribution, FunctionVersion, KmsKey, OriginAccessIdentity, Ownership, Role,
};
use packagecloud_cloudfront::model::aws::names::{Names, Suffix};
use packagecloud_cloudfront::model::iam::policy::{self, Reader};
use packagecloud_cloudfront::model::run::failure::{Failure, Kind};
use packagecloud_cloudfront::sandbox::control_plane::ACCOUNT;
use packagecloud_cloudfront::sandbox::{Options, World};

const SETTINGS: FunctionSettings<'_> =
    FunctionSettings { runtime: "nodejs24.x", handler: "index.handler", memory: 128, timeout: 5 };
/// A zip of one stored file, always the same bytes for the same source.
fn zip(source: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("index.mjs", options).unwrap();
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

struct Scene {
    _dir: tempfile::TempDir,
    world: World,
    cloud: Cloud,
    names: Names,
}

fn scene(faults: &[&str]) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let world = World::open(&Options { dir: dir.path().to_owned(), faults, ..Options::default() }).unwrap();
    let cloud = Cloud::new(&world.sdk_config(), None);
    let names = Names::new(&bucket(&world), &Suffix::default());
    Scene { _dir: dir, world, cloud, names }
}

/// The sandbox's own bucket; made where this world has none.
fn bucket(world: &World) -> String {
    use packagecloud_cloudfront::sandbox::control_plane::s3::Bucket;
    world.write(|state| {
        if let Some(name) = state.s3.buckets.keys().next() {
            return name.clone();
        }
        state.s3.buckets.insert("pkgs".to_owned(), Bucket::new(ACCOUNT, "us-east-1", 0));
        "pkgs".to_owned()
    })
}

fn quiet(_: &str) {}

impl Scene {
    fn writes(&self) -> Vec<String> {
        self.world.ledger().iter().filter(|call| call.write).map(|call| call.operation.clone()).collect()
    }

    async fn role(&self) -> Result<Role, Failure> {
        let seen = self.cloud.role(&self.names).await?;
        self.cloud.ensure_role(&self.names, seen.as_ref(), None, false, &quiet).await
    }

    async fn key(&self, role: &Role) -> Result<KmsKey, Failure> {
        let seen = self.cloud.key(&self.names).await?;
        let key =
            self.cloud.ensure_key(&self.names, seen.as_ref(), &role.arn, ACCOUNT, false, &quiet).await?;
        self.cloud.ensure_alias(&self.names, &key, &quiet).await?;
        self.cloud.ensure_key_policy(&self.names, &key, &role.arn, ACCOUNT, &quiet).await?;
        Ok(key)
    }

    async fn identity(&self) -> Result<OriginAccessIdentity, Failure> {
        let seen = self.cloud.identity(&self.names).await?;
        self.cloud.ensure_identity(&self.names, seen.as_ref()).await
    }

    async fn version(&self, role: &Role, zip: &[u8]) -> Result<FunctionVersion, Failure> {
        let seen = self.cloud.function(&self.names).await?;
        let function = self
            .cloud
            .ensure_function(&self.names, seen.as_ref(), &role.arn, SETTINGS, zip, false, &quiet)
            .await?;
        self.cloud.publish(&self.names, &function, &format!("digest {}", zip.len()), &quiet).await
    }

    /// Everything up to the version.
    async fn bootstrap(&self) -> Result<FunctionVersion, Failure> {
        let role = self.role().await?;
        let key = self.key(&role).await?;
        self.cloud.ensure_role_policy(&self.names, &role, &key.arn, ACCOUNT, &quiet).await?;
        self.cloud.ensure_service_linked_roles(&quiet).await?;
        self.version(&role, &zip("first")).await
    }

    async fn distribute(&self, version: &FunctionVersion) -> Result<Distribution, Failure> {
        let identity = self.identity().await?;
        let seen = self.cloud.cache_policy(&self.names).await?;
        let cache = self.cloud.ensure_cache_policy(&self.names, seen.as_ref(), false).await?;
        let shape = Shape {
            region: "us-east-1",
            access: Access::Identity(&identity.id),
            cache_policy_id: &cache.id,
            version_arn: &version.arn,
            alias: None,
        };
        let all = self.cloud.distributions(&self.names).await?;
        let ours = all.into_iter().find(|one| one.ownership == Ownership::Ours);
        let made = match ours {
            None => self.cloud.create_distribution(&self.names, &shape, &quiet).await?,
            Some(ours) => {
                let intent = Intent::Whole(shape);
                self.cloud.associate(&self.names, &ours.id, &ours.etag, &intent, false, &quiet).await?
            }
        };
        self.cloud.wait_deployed(&self.names, &made, &quiet).await
    }

    async fn grant(&self) -> Result<(), Failure> {
        let identity = self.identity().await?;
        let seen = self.cloud.bucket(self.names.bucket(), "us-east-1", ACCOUNT).await?;
        let reader = Reader::Identity { id: &identity.id, canonical_user: &identity.canonical_user_id };
        let new = policy::merged_bucket_policy(seen.policy.as_deref(), &self.names, reader)?;
        let old = seen.policy.as_deref();
        self.cloud.put_bucket_policy(self.names.bucket(), old, &new, ACCOUNT, &quiet).await?;
        let now = self.cloud.bucket(self.names.bucket(), "us-east-1", ACCOUNT).await?;
        assert!(policy::grants(now.policy.as_deref(), &self.names, reader), "{:?}", now.policy);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_set_up_twice_writes_once() {
    let scene = scene(&[]);
    let version = scene.bootstrap().await.unwrap();
    let made = scene.distribute(&version).await.unwrap();
    scene.grant().await.unwrap();
    assert_eq!(made.differs, Vec::<String>::new());
    assert_eq!(made.status, "Deployed");
    assert_eq!(made.behaviors[0].viewer_request.as_deref(), Some(version.arn.as_str()));
    let first = scene.writes();
    for write in
        ["CreateRole", "CreateKey", "CreateAlias", "CreateFunction", "PublishVersion", "PutBucketPolicy"]
    {
        assert!(first.iter().any(|one| one == write), "{write} is not in {first:?}");
    }
    scene.world.clear_ledger();
    let again = scene.bootstrap().await.unwrap();
    assert_eq!(again, version);
    let still = scene.distribute(&again).await.unwrap();
    scene.grant().await.unwrap();
    assert_eq!(scene.writes(), Vec::<String>::new());
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
        let scene = scene(&[&format!("{create}:1:lost")]);
        let version = scene.bootstrap().await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
        scene.distribute(&version).await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
        scene.grant().await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
        let struck = scene
            .world
            .ledger()
            .iter()
            .any(|call| call.status.is_none() && create.ends_with(call.operation.as_str()));
        assert!(struck, "{create} was never lost: {:?}", scene.writes());
        let keys = scene.world.ledger().iter().filter(|call| call.operation == "CreateKey").count();
        assert_eq!(keys, 1, "{create}: each key costs money for ever");
        let ours = scene.cloud.distributions(&scene.names).await.unwrap();
        assert_eq!(ours.len(), 1, "{create}");
        let function = scene.cloud.function(&scene.names).await.unwrap().unwrap();
        assert_eq!(function.versions.len(), 1, "{create}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_published_and_associated_and_an_old_one_again() {
    let scene = scene(&[]);
    let first = scene.bootstrap().await.unwrap();
    let made = scene.distribute(&first).await.unwrap();
    let role = scene.role().await.unwrap();
    let second = scene.version(&role, &zip("the second")).await.unwrap();
    assert_eq!(second.number, first.number + 1);
    let now = scene.distribute(&second).await.unwrap();
    assert_eq!(now.behaviors[0].viewer_request.as_deref(), Some(second.arn.as_str()));
    assert_ne!(now.etag, made.etag);

    let back = Intent::Version(&first.arn);
    let stale = scene.cloud.associate(&scene.names, &made.id, &made.etag, &back, false, &quiet).await;
    assert_eq!(
        stale.unwrap_err().kind,
        Kind::Drifted,
        "the ETag that was shown is of an older configuration"
    );
    let rolled = scene.cloud.associate(&scene.names, &now.id, &now.etag, &back, false, &quiet).await.unwrap();
    assert_eq!(rolled.behaviors[0].viewer_request.as_deref(), Some(first.arn.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_policy_that_moved_since_it_was_shown_is_not_overwritten() {
    let scene = scene(&[]);
    let bucket = scene.names.bucket().to_owned();
    let shown = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let new = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::x/*"}]}"#
        .replace(":::x", &format!(":::{bucket}"));
    let drifted = scene.cloud.put_bucket_policy(&bucket, Some(shown), &new, ACCOUNT, &quiet).await;
    assert_eq!(drifted.unwrap_err().kind, Kind::Drifted);
    scene.cloud.put_bucket_policy(&bucket, None, &new, ACCOUNT, &quiet).await.unwrap();
    assert_eq!(scene.writes(), ["PutBucketPolicy"]);
    scene.cloud.put_bucket_policy(&bucket, None, &new, ACCOUNT, &quiet).await.unwrap();
    assert_eq!(scene.writes().len(), 1, "what stands already is not put again");
}

#[tokio::test(start_paused = true)]
async fn what_is_somebody_elses_is_refused_unless_adopted() {
    let scene = scene(&[]);
    let other = Names::new("another-bucket", &Suffix::default());
    scene.cloud.ensure_role(&other, None, None, false, &quiet).await.unwrap();
    let seen = scene.cloud.role(&scene.names).await.unwrap().unwrap();
    assert_eq!(seen.ownership, Ownership::Other("another-bucket".into()));
    let refused = scene.cloud.ensure_role(&scene.names, Some(&seen), None, true, &quiet).await.unwrap_err();
    assert!(refused.next.contains("--name-suffix"), "{refused}");

    let unmarked = Role { ownership: Ownership::Unmarked, ..seen };
    let asked =
        scene.cloud.ensure_role(&scene.names, Some(&unmarked), None, false, &quiet).await.unwrap_err();
    assert_eq!(asked.kind, Kind::Consent);
}

#[tokio::test(start_paused = true)]
async fn a_denied_action_names_itself_and_the_next_move() {
    let scene = scene(&["iam:CreateRole:*:deny"]);
    let failure = scene.role().await.unwrap_err();
    assert_eq!(failure.kind, Kind::Denied);
    assert!(failure.why.contains("iam:CreateRole"), "{failure}");
    assert!(failure.next.contains("check --policy"), "{}", failure.next);
    assert!(failure.request_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn permissions_are_simulated_for_the_caller() {
    use packagecloud_cloudfront::model::iam::access::needs;
    use packagecloud_cloudfront::model::run::check::Verdict;
    use packagecloud_cloudfront::model::run::goal::Goal;
    let scene = scene(&[]);
    let caller = scene.cloud.caller().await.unwrap();
    assert_eq!(caller.account, ACCOUNT);
    assert_eq!(caller.clock_ahead, Some(0));
    let needs = needs(Goal::Upgrade, &scene.names, &caller.account);
    let checks = scene.cloud.simulate(&caller.arn, &needs).await.unwrap();
    assert_eq!(checks.len(), needs.len());
    for (check, need) in checks.iter().zip(&needs) {
        assert_eq!(check.name, need.action);
        assert_eq!(check.result, Verdict::Pass, "{}: {}", check.name, check.detail);
    }
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let unknown = scene.cloud.simulate(&root, &needs).await.unwrap();
    assert!(unknown.iter().all(|check| check.result == Verdict::Unknown));
}

#[test]
fn what_the_verbs_return_can_be_spawned() {
    fn sendable<T: Send>(_: &T) {}
    let scene = scene(&[]);
    sendable(&scene.bootstrap());
    sendable(&scene.grant());
    sendable(&scene.cloud.simulate("", &[]));
}
