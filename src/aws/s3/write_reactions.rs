//! What a bucket does by itself whenever an object in it is written: replication, notifications.

use aws_sdk_s3::types::{Event, ReplicationRuleStatus};

use super::{format_bucket_label, settings::tolerate_unreadable_bucket_setting};
use crate::aws::{AwsClients, error};
use crate::model::{aws::bucket::BucketWriteReactions, failure::Failure};

/// Every way of making an object.
const ANY_CREATION: &str = "s3:ObjectCreated:*";
/// A copy, and a copy of more than 5 GB, which is a multipart upload.
const COPY_EVENTS: [&str; 2] = ["s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload"];

impl AwsClients {
    /// Reads what follows where an object of the bucket is copied onto itself. A part that can't be read is empty, and named in
    /// `unread`.
    ///
    /// # Errors
    /// Where S3 doesn't answer, or takes none of the credentials.
    pub async fn read_bucket_write_reactions(&self, bucket: &str) -> Result<BucketWriteReactions, Failure> {
        let (replicas, listeners) = tokio::try_join!(
            async {
                tolerate_unreadable_bucket_setting("replication", self.list_replica_buckets(bucket).await)
            },
            async {
                tolerate_unreadable_bucket_setting("notifications", self.list_copy_listeners(bucket).await)
            },
        )?;
        let unread = [replicas.as_ref().err(), listeners.as_ref().err()];
        let unread = unread.into_iter().flatten().cloned().collect();
        Ok(BucketWriteReactions {
            replicas: replicas.unwrap_or_default(),
            listeners: listeners.unwrap_or_default(),
            unread,
        })
    }

    /// Lists the buckets that S3 replicates into, by their names, each once.
    async fn list_replica_buckets(&self, bucket: &str) -> Result<Vec<String>, Failure> {
        let asked = self.s3.get_bucket_replication().bucket(bucket).send().await.map_err(
            error::build_aws_action_failure("s3:GetReplicationConfiguration", format_bucket_label(bucket)),
        );
        let found = error::none_if_aws_not_found(asked)?.and_then(|found| found.replication_configuration);
        let mut names = Vec::new();
        for rule in found.map(|found| found.rules).unwrap_or_default() {
            let Some(target) = rule.destination.filter(|_| rule.status == ReplicationRuleStatus::Enabled)
            else {
                continue;
            };
            let name = target.bucket.trim_start_matches("arn:aws:s3:::").to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Lists who is told of a copy: ARNs of queues, topics and functions, each once, and `Amazon EventBridge`.
    async fn list_copy_listeners(&self, bucket: &str) -> Result<Vec<String>, Failure> {
        let found = self.s3.get_bucket_notification_configuration().bucket(bucket).send().await.map_err(
            error::build_aws_action_failure("s3:GetBucketNotification", format_bucket_label(bucket)),
        )?;
        let queues = found.queue_configurations().iter().map(|one| (one.events(), one.queue_arn()));
        let topics = found.topic_configurations().iter().map(|one| (one.events(), one.topic_arn()));
        let functions = found
            .lambda_function_configurations()
            .iter()
            .map(|one| (one.events(), one.lambda_function_arn()));
        let mut arns = Vec::new();
        for (events, arn) in queues.chain(topics).chain(functions) {
            if events.iter().any(is_copy_event) && !arns.iter().any(|known| known == arn) {
                arns.push(arn.to_owned());
            }
        }
        // EventBridge has no choice of events.
        if found.event_bridge_configuration().is_some() {
            arns.push("Amazon EventBridge".to_owned());
        }
        Ok(arns)
    }
}

fn is_copy_event(event: &Event) -> bool {
    event.as_str() == ANY_CREATION || COPY_EVENTS.contains(&event.as_str())
}
