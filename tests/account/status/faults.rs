//! The faults that are planted, and what the first line of `status` must say of each.

use std::{fs, time::Duration};

use packagecloud_cloudfront::{
    model::status::FindingSeverity,
    sandbox::{Sandbox, control_plane::s3::place_sandbox_object, seed},
};
use serde_json::json;

use super::planting::{
    associate_another_version, associate_version_of_fewer_secrets, edit_bucket_policy, edit_config_file,
    edit_distribution, edit_running_node, plant_certificate, plant_traffic, replace_setting, set_key_state,
};
use crate::runtimes::age_authenticator;

pub const OTHER_SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";
const NO_FUNCTION: &str = "<LambdaFunctionAssociations><Quantity>0</Quantity></LambdaFunctionAssociations>";

/// A fault, and what the first line must say of it.
pub struct PlantedFault {
    pub name: &'static str,
    pub plant: fn(&Sandbox),
    pub severity: FindingSeverity,
    pub check: &'static str,
    pub why: &'static str,
    pub next: &'static str,
}

pub const FAULTS: &[PlantedFault] = &[
    PlantedFault {
        name: "a behavior without the function",
        plant: |world| {
            edit_distribution(world, |config| {
                let (before, rest) = config.split_once("<LambdaFunctionAssociations>").unwrap();
                let (_, after) = rest.split_once("</LambdaFunctionAssociations>").unwrap();
                format!("{before}{NO_FUNCTION}{after}")
            });
        },
        severity: FindingSeverity::Exposed,
        check: "distribution",
        why: "has a behavior without the authenticator",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "another version",
        plant: associate_another_version,
        severity: FindingSeverity::Drifted,
        check: "authenticator",
        why: ":2 is now",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "a version that accepts fewer secrets",
        plant: associate_version_of_fewer_secrets,
        severity: FindingSeverity::Refused,
        check: "edge-secret",
        why: "is not the one that the edge holds",
        next: "configuration --show-secret",
    },
    PlantedFault {
        name: "the statement is gone",
        plant: |world| {
            edit_bucket_policy(world, |statements| {
                statements.retain(|one| !one["Sid"].as_str().unwrap_or_default().starts_with("Packagecloud"));
            });
        },
        severity: FindingSeverity::Refused,
        check: "bucket-grant",
        why: "that lets it read is gone",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the key is disabled",
        plant: |world| set_key_state(world, "Disabled"),
        severity: FindingSeverity::Refused,
        check: "kms-key",
        why: "is Disabled",
        next: "aws kms enable-key --region us-east-1 --key-id",
    },
    PlantedFault {
        name: "the key is about to be deleted",
        plant: |world| set_key_state(world, "PendingDeletion"),
        severity: FindingSeverity::Refused,
        check: "kms-key",
        why: "is PendingDeletion",
        next: "aws kms cancel-key-deletion",
    },
    PlantedFault {
        name: "the role's policy is gone",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.iam.roles.values_mut().for_each(|role| role.policies.clear());
            });
        },
        severity: FindingSeverity::Refused,
        check: "kms-key",
        why: "no longer lets it",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the runtime has ended",
        plant: |world| age_authenticator(world, None),
        severity: FindingSeverity::Ending,
        check: "runtime",
        why: "ended on 2026-04-30",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the certificate ends, and its record is gone from DNS",
        plant: |world| {
            plant_certificate(world, |one, now| {
                one.not_after = Some(now + Duration::from_hours(24 * 20));
                one.renewal = Some("PENDING_VALIDATION".to_owned());
            });
        },
        severity: FindingSeverity::Ending,
        check: "certificate",
        why: "can't renew it",
        next: "create this record again",
    },
    PlantedFault {
        name: "the certificate was imported, and ends",
        plant: |world| {
            plant_certificate(world, |one, now| {
                one.not_after = Some(now + Duration::from_hours(24 * 20));
                one.imported = true;
            });
        },
        severity: FindingSeverity::Ending,
        check: "certificate",
        why: "it was imported",
        next: "aws acm import-certificate",
    },
    PlantedFault {
        name: "the certificate has ended",
        plant: |world| {
            plant_certificate(world, |one, now| one.not_after = now.checked_sub(Duration::from_hours(1)));
        },
        severity: FindingSeverity::Refused,
        check: "certificate",
        why: "clients refuse the connection",
        next: "request another certificate",
    },
    PlantedFault {
        name: "packagecloud is off, and its file says on",
        plant: |world| edit_running_node(world, |node| node.enabled = false),
        severity: FindingSeverity::Drifted,
        check: "packagecloud-redirect",
        why: "packagecloud.rb says on",
        next: "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    },
    PlantedFault {
        name: "the file says off, and packagecloud is on",
        plant: |world| edit_config_file(world, |text| replace_setting(text, "cloudfront_enabled", "false")),
        severity: FindingSeverity::Drifted,
        check: "packagecloud-redirect",
        why: "packagecloud.rb says off",
        next: "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    },
    PlantedFault {
        name: "packagecloud's links lead to another domain",
        plant: |world| edit_running_node(world, |node| node.domain = Some("d0old.cloudfront.net".to_owned())),
        severity: FindingSeverity::Refused,
        check: "packagecloud-link",
        why: "lead to d0old.cloudfront.net",
        next: "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    },
    PlantedFault {
        name: "packagecloud signs with another secret",
        plant: |world| edit_running_node(world, |node| node.secret = Some(OTHER_SECRET.to_owned())),
        severity: FindingSeverity::Refused,
        check: "packagecloud-link",
        why: "signs with another secret",
        next: "give it the same cloudfront_secret",
    },
    PlantedFault {
        name: "a secret was pasted into the file",
        plant: |world| {
            edit_config_file(world, |text| {
                replace_setting(text, "cloudfront_secret", &format!("'{OTHER_SECRET}'"))
            });
        },
        severity: FindingSeverity::Refused,
        check: "edge-secret",
        why: "is not the one that the edge holds",
        next: "configuration --show-secret",
    },
    PlantedFault {
        name: "a cache policy was changed",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                for policy in state.cloudfront.policies.values_mut() {
                    policy.config = policy.config.replace("<DefaultTTL>86400<", "<DefaultTTL>3600<");
                }
            });
        },
        severity: FindingSeverity::Drifted,
        check: "cache-policy",
        why: "its times to live or its key differ",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the bucket's policy is public",
        plant: |world| {
            edit_bucket_policy(world, |statements| {
                let objects = format!("arn:aws:s3:::{}/*", seed::SANDBOX_BUCKET);
                statements.push(json!({"Sid": "Everybody", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects}));
            });
        },
        severity: FindingSeverity::Exposed,
        check: "bucket-closed",
        why: "Everybody",
        next: "remove that statement",
    },
    PlantedFault {
        name: "no execution is left to the function",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.lambda.functions.values_mut().for_each(|one| one.reserved_concurrency = Some(0));
            });
        },
        severity: FindingSeverity::Refused,
        check: "concurrency",
        why: "is 0",
        next: "aws lambda delete-function-concurrency --region us-east-1 --function-name",
    },
    PlantedFault {
        name: "edges hold repository metadata",
        plant: |world| {
            let key = "1/2/ubuntu/dists/aaa/Release";
            let said = [("cache-control", "public, max-age=86400")];
            place_sandbox_object(world, seed::SANDBOX_BUCKET, key, &said, b"x").unwrap();
        },
        severity: FindingSeverity::Refused,
        check: "metadata-fresh",
        why: "1/2/ubuntu/dists/aaa/Release",
        next: "invalidate 1/2/ubuntu/dists/aaa/Release",
    },
    PlantedFault {
        name: "packagecloud makes its tokens another way",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.packagecloud.construction = Some("raw:expires+path".parse().unwrap());
            });
        },
        severity: FindingSeverity::Refused,
        check: "packagecloud-link",
        why: "as raw:expires+path",
        next: "enable --construction raw:expires+path",
    },
    PlantedFault {
        name: "the distribution is disabled",
        plant: |world| {
            edit_distribution(world, |config| {
                config.replace("<Enabled>true</Enabled>", "<Enabled>false</Enabled>")
            });
        },
        severity: FindingSeverity::Refused,
        check: "distribution",
        why: "is disabled",
        next: "enable it in CloudFront's console",
    },
    PlantedFault {
        name: "the distribution is gone",
        plant: |world| world.update_sandbox_state_on_disk(|state| state.cloudfront.distributions.clear()),
        severity: FindingSeverity::Refused,
        check: "distribution",
        why: "there is none",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "another distribution reads the bucket without the function",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                let mut other = state.cloudfront.distributions.values().next().unwrap().clone();
                (other.id, other.domain) = ("EOTHER".to_owned(), "dother.cloudfront.net".to_owned());
                other.tags.clear();
                let associations = other.config.split("<LambdaFunctionAssociations>").skip(1);
                let whole: Vec<String> = associations
                    .map(|part| {
                        let inner = part.split("</LambdaFunctionAssociations>").next().unwrap();
                        format!("<LambdaFunctionAssociations>{inner}</LambdaFunctionAssociations>")
                    })
                    .collect();
                for association in whole {
                    other.config = other.config.replace(&association, NO_FUNCTION);
                }
                state.cloudfront.distributions.insert(other.id.clone(), other);
            });
        },
        severity: FindingSeverity::Exposed,
        check: "other-distribution",
        why: "EOTHER",
        next: "remove that origin from it",
    },
    PlantedFault {
        name: "packagecloud itself is down",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.packagecloud.back = Duration::from_secs(u64::from(u32::MAX) * 2);
            });
        },
        severity: FindingSeverity::Refused,
        check: "packagecloud-redirect",
        why: "answers 502",
        next: "status &&",
    },
    PlantedFault {
        name: "packagecloud.rb names another distribution",
        plant: |world| {
            edit_config_file(world, |text| replace_setting(text, "cloudfront_distribution_id", "'EANOTHER'"));
        },
        severity: FindingSeverity::Drifted,
        check: "packagecloud.rb",
        why: "EANOTHER",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the edge fails",
        plant: |world| plant_traffic(world, 1000, 11),
        severity: FindingSeverity::Refused,
        check: "server-errors",
        why: "1.1 % of 10",
        next: "packagecloud-cloudfront verify",
    },
    PlantedFault {
        name: "nobody comes to the edge",
        plant: |world| {
            // It is on for two days, and what was served was served then.
            let note = world.sandbox_dir().join("state/on-since");
            let now = world.sandbox_unix_time_now().as_secs();
            fs::write(note, (now - 2 * 86_400).to_string()).unwrap();
            let _ = fs::remove_file(world.sandbox_dir().join("edge-traffic"));
        },
        severity: FindingSeverity::Drifted,
        check: "requests",
        why: "CloudFront got no request in the last day",
        next: "packagecloud-cloudfront verify",
    },
    PlantedFault {
        name: "the behaviors by path are gone",
        plant: |world| {
            edit_distribution(world, |config| {
                let (before, rest) = config.split_once("<CacheBehaviors>").unwrap();
                let (_, after) = rest.split_once("</CacheBehaviors>").unwrap();
                format!("{before}<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>{after}")
            });
        },
        severity: FindingSeverity::Drifted,
        check: "distribution",
        why: "packages are cached by their path",
        next: "packagecloud-cloudfront enable",
    },
];
