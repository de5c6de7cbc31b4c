//! The real SDK against the sandbox's jobs: states, tokens, the role, the manifest and the report, as S3 has them.

use aws_sdk_s3control::{
    Client,
    error::ProvideErrorMetadata,
    operation::create_job::builders::CreateJobFluentBuilder,
    types::{
        JobDescriptor, JobManifest, JobManifestFieldName, JobManifestFormat, JobManifestLocation,
        JobManifestSpec, JobOperation, JobReport, JobReportFormat, JobReportScope, JobStatus,
        RequestedJobStatus, S3CopyObjectOperation, S3ObjectMetadata,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::sandbox::control_plane::s3::{self, SandboxBucket, SandboxObject};
use crate::sandbox::tests::setup::open_temporary_sandbox;

const BUCKET: &str = "pkgs";
const MANIFEST_KEY: &str = "packagecloud-cloudfront/batch/1/a.csv";
const ONE_SECOND: Duration = Duration::from_secs(1);

struct BatchJobsFixture {
    _dir: tempfile::TempDir,
    world: Sandbox,
    jobs: Client,
    role: String,
}

fn trust_policy(service: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
    }]})
}

/// With a role that `service` may assume.
async fn open_fixture(service: &str) -> BatchJobsFixture {
    let (dir, world) = open_temporary_sandbox();
    world.update_sandbox_state_on_disk(|state| {
        state.s3.buckets.insert(BUCKET.to_owned(), SandboxBucket::new(ACCOUNT_ID, "us-east-1", 0))
    });
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    let made =
        iam.create_role().role_name("batch").assume_role_policy_document(trust_policy(service).to_string());
    let role = made.send().await.unwrap().role.unwrap().arn;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "arn:aws:s3:::pkgs/*",
        "Action": ["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"]}]});
    let put = iam.put_role_policy().role_name("batch").policy_name("p").policy_document(policy.to_string());
    put.send().await.unwrap();
    tokio::time::sleep(10 * ONE_SECOND).await;
    let jobs = Client::new(&world.build_sandbox_sdk_config());
    BatchJobsFixture { _dir: dir, world, jobs, role }
}

impl BatchJobsFixture {
    fn read_object(&self, key: &str) -> SandboxObject {
        self.world
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_bucket_from_disk(BUCKET, |all| {
                s3::find_newest_sandbox_object_version(all, key).cloned()
            })
            .unwrap()
            .unwrap()
    }

    fn place_object(&self, key: &str, attributes: &[(&str, &str)]) {
        s3::place_sandbox_object(&self.world, BUCKET, key, attributes, b"bytes").unwrap();
    }

    /// A job for a manifest of `text`, with one Content-Type for all.
    fn build_create_job(&self, text: &str, token: &str) -> CreateJobFluentBuilder {
        let sealed = [("x-amz-server-side-encryption", "AES256")];
        let etag = s3::place_sandbox_object(&self.world, BUCKET, MANIFEST_KEY, &sealed, text.as_bytes())
            .unwrap()
            .etag;
        self.build_create_job_with_etag(&etag, token)
    }

    fn build_create_job_with_etag(&self, etag: &str, token: &str) -> CreateJobFluentBuilder {
        let metadata = S3ObjectMetadata::builder().content_type("a/b").cache_control("max-age=1").build();
        let before = aws_smithy_types::DateTime::from_secs(
            self.world.sandbox_unix_time_now().as_secs().cast_signed() - 1,
        );
        let copy = S3CopyObjectOperation::builder()
            .target_resource("arn:aws:s3:::pkgs")
            .new_object_metadata(metadata)
            .un_modified_since_constraint(before)
            .build();
        let spec = JobManifestSpec::builder()
            .format(JobManifestFormat::S3BatchOperationsCsv20180820)
            .fields(JobManifestFieldName::Bucket)
            .fields(JobManifestFieldName::Key)
            .build()
            .unwrap();
        let location = JobManifestLocation::builder()
            .object_arn(format!("arn:aws:s3:::pkgs/{MANIFEST_KEY}"))
            .e_tag(etag)
            .build()
            .unwrap();
        let report = JobReport::builder()
            .bucket("arn:aws:s3:::pkgs")
            .prefix("reports")
            .format(JobReportFormat::ReportCsv20180820)
            .enabled(true)
            .report_scope(JobReportScope::AllTasks)
            .build();
        self.jobs
            .create_job()
            .account_id(ACCOUNT_ID)
            .client_request_token(token)
            .operation(JobOperation::builder().s3_put_object_copy(copy).build())
            .manifest(JobManifest::builder().spec(spec).location(location).build())
            .report(report)
            .priority(1)
            .role_arn(&self.role)
    }

    async fn describe_job(&self, id: &str) -> JobDescriptor {
        self.jobs.describe_job().account_id(ACCOUNT_ID).job_id(id).send().await.unwrap().job.unwrap()
    }

    async fn wait_until_ended(&self, id: &str) -> JobDescriptor {
        tokio::time::sleep(60 * ONE_SECOND).await;
        self.describe_job(id).await
    }
}

fn failure_reason(job: &JobDescriptor) -> &str {
    job.failure_reasons()[0].failure_reason().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_through_its_states_and_gives_all_its_objects_one_set() {
    let scene = open_fixture(tasks::BATCH_SERVICE_PRINCIPAL).await;
    scene.place_object(
        "1/2/a+b c.deb",
        &[("content-type", "x/y"), ("x-amz-meta-k", "v"), ("x-amz-tagging", "t=1")],
    );
    scene.place_object("1/2/\u{fc}.deb", &[("x-amz-storage-class", "STANDARD_IA")]);
    s3::seed_object_without_content(&scene.world, BUCKET, "1/2/large.deb", &[], (5 << 30) + 1).unwrap();
    tokio::time::sleep(2 * ONE_SECOND).await;
    let manifest = "pkgs,1/2/a%2Bb%20c.deb\npkgs,1/2/%C3%BC.deb\npkgs,1/2/large.deb\npkgs,1/2/absent.deb\npkgs,1/2/changed.deb\n";
    scene.place_object("1/2/changed.deb", &[]);
    let id = scene.build_create_job(manifest, "t").send().await.unwrap().job_id.unwrap();
    let mut seen: Vec<JobStatus> = Vec::new();
    for _ in 0..800 {
        let status = scene.describe_job(&id).await.status.unwrap();
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    use JobStatus::{Active, Complete, Completing, New, Preparing, Ready};
    assert_eq!(seen, [New, Preparing, Ready, Active, Completing, Complete]);
    let progress = scene.describe_job(&id).await.progress_summary.unwrap();
    assert_eq!((progress.number_of_tasks_succeeded, progress.number_of_tasks_failed), (Some(2), Some(3)));
    let odd = scene.read_object("1/2/a+b c.deb");
    assert_eq!(
        (
            odd.find_object_attribute_by_header("content-type"),
            odd.find_object_attribute_by_header("x-amz-meta-k")
        ),
        (Some("a/b"), None),
        "one set for all"
    );
    assert_eq!(odd.tags, [("t".to_owned(), "1".to_owned())], "tags stay where nothing is said of them");
    assert_eq!(scene.read_object("1/2/\u{fc}.deb").storage_class, None, "lost where it isn't given");
    assert_ne!(
        scene.read_object("1/2/changed.deb").find_object_attribute_by_header("content-type"),
        Some("a/b")
    );

    let read = |key: &str| {
        let blob = scene.read_object(key).blob.unwrap();
        String::from_utf8(
            scene
                .world
                .sandbox_in_memory_state()
                .objects
                .read_sandbox_object_content(&blob)
                .unwrap()
                .to_vec(),
        )
        .unwrap()
    };
    let index: Value = serde_json::from_str(&read(&format!("reports/job-{id}/manifest.json"))).unwrap();
    let part = |how: &str| {
        let all = index["Results"].as_array().unwrap();
        read(all.iter().find(|part| part["TaskExecutionStatus"] == how).unwrap()["Key"].as_str().unwrap())
    };
    assert!(part("succeeded").contains("pkgs,1/2/a%2Bb%20c.deb,,succeeded,,200,Successful\n"));
    let failed = part("failed");
    for row in [
        "1/2/large.deb,,failed,InvalidRequest,400,",
        "1/2/absent.deb,,failed,NoSuchKey,404,",
        "1/2/changed.deb,,failed,PreconditionFailed,412,",
    ] {
        assert!(failed.contains(row), "{failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_token_is_the_same_job_and_never_another() {
    let scene = open_fixture(tasks::BATCH_SERVICE_PRINCIPAL).await;
    scene.place_object("1/2/a.deb", &[]);
    let first =
        scene.build_create_job("pkgs,1/2/a.deb\n", "t").description("one").send().await.unwrap().job_id;
    let etag = scene.read_object(MANIFEST_KEY).etag;
    assert_eq!(
        scene.build_create_job_with_etag(&etag, "t").description("one").send().await.unwrap().job_id,
        first
    );
    let other = scene.build_create_job_with_etag(&etag, "t").description("two").send().await.unwrap_err();
    assert_eq!(other.code(), Some("IdempotencyException"));
    assert_ne!(
        scene.build_create_job_with_etag(&etag, "u").description("one").send().await.unwrap().job_id,
        first
    );
    let listed = scene.jobs.list_jobs().account_id(ACCOUNT_ID).max_results(1).into_paginator().send();
    let pages: Vec<_> = listed.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.jobs().len()).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_s3_would_refuse_is_refused() {
    let scene = open_fixture(tasks::BATCH_SERVICE_PRINCIPAL).await;
    scene.place_object("1/2/a.deb", &[]);
    let good = || scene.build_create_job("pkgs,1/2/a.deb\n", "t");
    let code = |error: &dyn ProvideErrorMetadata| error.code().unwrap_or("none").to_owned();
    let other = good().account_id("111111111111").send().await.unwrap_err();
    assert_eq!(code(&other), "AccessDenied");
    let role = good().role_arn("arn:aws:iam::999999999999:role/none").send().await.unwrap_err();
    assert_eq!(code(&role), "InvalidRequest");
    let long = good().client_request_token("t".repeat(65)).send().await.unwrap_err();
    assert_eq!(code(&long), "InvalidRequest");
    let gone = scene.jobs.describe_job().account_id(ACCOUNT_ID).job_id("none").send().await.unwrap_err();
    assert_eq!(code(&gone), "NotFoundException");
    let allowed = |action: &[&str]| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
    for (actions, missing) in
        [(&["s3:PutObject", "iam:PassRole"][..], "s3:CreateJob"), (&["s3:CreateJob"][..], "iam:PassRole")]
    {
        scene.world.update_sandbox_state_on_disk(|state| state.iam.user.policy = allowed(actions));
        let denied = good().send().await.unwrap_err();
        assert_eq!(code(&denied), "AccessDenied");
        assert!(denied.message().unwrap().contains(missing), "{denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_fails_where_its_role_or_its_manifest_is_wrong() {
    let scene = open_fixture(tasks::BATCH_SERVICE_PRINCIPAL).await;
    scene.place_object("1/2/a.deb", &[]);
    for (number, (manifest, why)) in [
        ("Bucket,Key\npkgs,1/2/a.deb\n", "line 1"),
        ("pkgs,1/2/a.deb,x\n", "number of fields"),
        ("other,1/2/a.deb\n", "lie in the bucket"),
        ("", "empty"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = scene.build_create_job(manifest, &number.to_string()).send().await.unwrap().job_id.unwrap();
        let job = scene.wait_until_ended(&id).await;
        assert_eq!(job.status, Some(JobStatus::Failed), "{manifest}");
        assert!(failure_reason(&job).contains(why), "{manifest}: {job:?}");
    }
    let id = scene.build_create_job_with_etag("0123", "etag").send().await.unwrap().job_id.unwrap();
    assert!(failure_reason(&scene.wait_until_ended(&id).await).contains("ETag"));
    s3::place_sandbox_object(
        &scene.world,
        BUCKET,
        MANIFEST_KEY,
        &[("x-amz-server-side-encryption", "aws:kms")],
        b"pkgs,1/2/a.deb\n",
    )
    .unwrap();
    let id = scene
        .build_create_job_with_etag(&scene.read_object(MANIFEST_KEY).etag, "kms")
        .send()
        .await
        .unwrap()
        .job_id
        .unwrap();
    assert!(failure_reason(&scene.wait_until_ended(&id).await).contains("SSE-KMS"));

    let stranger = self::open_fixture("lambda.amazonaws.com").await;
    stranger.place_object("1/2/a.deb", &[]);
    let id = stranger.build_create_job("pkgs,1/2/a.deb\n", "t").send().await.unwrap().job_id.unwrap();
    assert!(
        failure_reason(&stranger.wait_until_ended(&id).await).contains("forbidden"),
        "its trust names another service"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_for_confirmation_and_can_be_cancelled_on_its_way() {
    let scene = open_fixture(tasks::BATCH_SERVICE_PRINCIPAL).await;
    let keys: Vec<String> = (0..50).map(|number| format!("1/2/{number}.deb")).collect();
    keys.iter().for_each(|key| scene.place_object(key, &[]));
    tokio::time::sleep(2 * ONE_SECOND).await;
    let manifest: String = keys.iter().map(|key| format!("pkgs,{key}\n")).collect();
    let id = scene
        .build_create_job(&manifest, "t")
        .confirmation_required(true)
        .send()
        .await
        .unwrap()
        .job_id
        .unwrap();
    let held = scene.wait_until_ended(&id).await;
    assert_eq!(
        (held.status, held.suspended_cause.as_deref()),
        (Some(JobStatus::Suspended), Some("AwaitingConfirmation"))
    );
    let update = |status| {
        scene.jobs.update_job_status().account_id(ACCOUNT_ID).job_id(&id).requested_job_status(status)
    };
    update(RequestedJobStatus::Ready).send().await.unwrap();
    let each = scene.world.sandbox_delays().job / 100;
    tokio::time::sleep(scene.world.sandbox_delays().job + each * 20).await;
    update(RequestedJobStatus::Cancelled).status_update_reason("enough").send().await.unwrap();
    let job = scene.wait_until_ended(&id).await;
    assert_eq!(
        (job.status, job.status_update_reason.as_deref()),
        (Some(JobStatus::Cancelled), Some("enough"))
    );
    let done = job.progress_summary.unwrap().number_of_tasks_succeeded.unwrap();
    assert!((1..50).contains(&done), "{done}");
    let copied = keys
        .iter()
        .filter(|key| scene.read_object(key).find_object_attribute_by_header("content-type") == Some("a/b"))
        .count();
    assert_eq!(i64::try_from(copied).unwrap(), done);
    assert_eq!(
        update(RequestedJobStatus::Ready).send().await.unwrap_err().code(),
        Some("JobStatusException")
    );
}
