//! Nothing that stands in a distribution's configuration is dropped for not being known to this tool.
//!
//! An update replaces the whole configuration, so the raw XML is held against what the types write back: what they
//! would lose stops the update before it is sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_cloudfront::types::DistributionConfig;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use quick_xml::{Reader, events::Event};

use crate::aws::{AwsClients, error};
use crate::model::failure::Failure;

/// A configuration as it was read: typed, and byte for byte.
pub struct FetchedDistributionConfig {
    pub config: DistributionConfig,
    pub etag: String,
    pub(super) raw: Vec<u8>,
}

impl AwsClients {
    /// Reads a distribution's configuration, with its ETag and its bytes.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub(super) async fn read_distribution_config(
        &self,
        id: &str,
    ) -> Result<FetchedDistributionConfig, Failure> {
        let what = format!("distribution {id}");
        let body = CapturedHttpBody::default();
        let asked = self
            .cloudfront
            .get_distribution_config()
            .id(id)
            .customize()
            .interceptor(ResponseCaptureInterceptor(body.clone()))
            .send()
            .await
            .map_err(error::build_aws_action_failure("cloudfront:GetDistributionConfig", &what))?;
        let part = |part| {
            error::build_missing_response_part_failure("cloudfront:GetDistributionConfig", &what, part)
        };
        Ok(FetchedDistributionConfig {
            config: asked.distribution_config.ok_or_else(|| part("the configuration"))?,
            etag: asked.e_tag.ok_or_else(|| part("the ETag"))?,
            raw: body.take_captured_http_body(),
        })
    }

    /// Checks that writing the configuration back as it is would lose no part of it.
    ///
    /// # Errors
    /// Where it would: with what would be lost.
    pub(super) async fn check_distribution_config_round_trip(
        &self,
        id: &str,
        read: &FetchedDistributionConfig,
    ) -> Result<(), Failure> {
        let body = CapturedHttpBody::default();
        // Stops itself once the request is written: nothing is sent.
        let stopped = self
            .cloudfront
            .update_distribution()
            .id(id)
            .if_match(&read.etag)
            .distribution_config(read.config.clone())
            .customize()
            .interceptor(RequestCaptureInterceptor(body.clone()))
            .send()
            .await;
        let written = body.take_captured_http_body();
        let lost = match (stopped, find_lost_xml_settings(&read.raw, &written)) {
            (Err(_), Ok(lost)) if !written.is_empty() => lost,
            _ => vec!["all of it: it could not be read or written back".to_owned()],
        };
        if lost.is_empty() {
            return Ok(());
        }
        Err(Failure::new_generic_failure(
            format!("distribution {id}"),
            format!("its configuration holds what this version would drop: {}", lost.join(", ")),
            "use a newer release of this tool, which knows these settings, or make this change in the CloudFront console",
        ))
    }
}

#[derive(Debug, Clone, Default)]
struct CapturedHttpBody(Arc<Mutex<Vec<u8>>>);

impl CapturedHttpBody {
    fn replace_captured_http_body(&self, bytes: Option<&[u8]>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes.unwrap_or_default().to_vec();
    }

    fn take_captured_http_body(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct ResponseCaptureInterceptor(CapturedHttpBody);

#[dyn_dispatch_hint]
impl Intercept for ResponseCaptureInterceptor {
    fn name(&self) -> &'static str {
        "KeepAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.replace_captured_http_body(context.response().body().bytes());
        Ok(())
    }
}

#[derive(Debug)]
struct RequestCaptureInterceptor(CapturedHttpBody);

#[dyn_dispatch_hint]
impl Intercept for RequestCaptureInterceptor {
    fn name(&self) -> &'static str {
        "StopWritten"
    }

    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.replace_captured_http_body(context.request().body().bytes());
        Err("written, and not to be sent".into())
    }
}

/// Every text in `raw` that `written` hasn't at the same place as often: `DistributionConfig/X = true`.
fn find_lost_xml_settings(raw: &[u8], written: &[u8]) -> Result<Vec<String>, quick_xml::Error> {
    let written = count_xml_leaves(written)?;
    let missing =
        |(leaf, count): (&String, &usize)| (written.get(leaf).unwrap_or(&0) < count).then(|| leaf.clone());
    Ok(count_xml_leaves(raw)?.iter().filter_map(missing).collect())
}

/// Each text with its path, and how often it stands there. Empty elements say nothing and are left out.
fn count_xml_leaves(xml: &[u8]) -> Result<BTreeMap<String, usize>, quick_xml::Error> {
    let mut reader = Reader::from_reader(xml);
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut all = BTreeMap::new();
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                text.clear();
            }
            Event::Text(piece) => text.push_str(&String::from_utf8_lossy(&piece)),
            Event::GeneralRef(piece) => {
                text.push('&');
                text.push_str(&String::from_utf8_lossy(&piece));
                text.push(';');
            }
            Event::CData(piece) => text.push_str(&String::from_utf8_lossy(&piece)),
            Event::End(_) => {
                let said = normalize_xml_escapes(text.trim());
                if !said.is_empty() {
                    *all.entry(format!("{} = {said}", path.join("/"))).or_insert(0) += 1;
                }
                text.clear();
                path.pop();
            }
            Event::Eof => return Ok(all),
            _ => {}
        }
    }
}

/// One spelling for each way to escape a character.
fn normalize_xml_escapes(text: &str) -> String {
    let numbers = [
        ("&#38;", "&amp;"),
        ("&#x26;", "&amp;"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&gt;", ">"),
    ];
    numbers.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_types_would_lose_is_named() {
        let raw = br#"<?xml version="1.0"?><DistributionConfig xmlns="x"><Comment>a &amp; b</Comment><Aliases><Quantity>0</Quantity></Aliases><Logging/>
            <NewThing><Enabled>true</Enabled></NewThing><Items><O><T>30</T></O><O><T>30</T></O></Items></DistributionConfig>"#;
        for (written, losses) in [
            (
                r"<DistributionConfig><Comment>a &amp; b</Comment><Aliases><Quantity>0</Quantity></Aliases><NewThing><Enabled>true</Enabled></NewThing><Items><O><T>30</T></O><O><T>30</T></O></Items></DistributionConfig>",
                vec![],
            ),
            (
                r"<DistributionConfig><Aliases><Quantity>0</Quantity></Aliases><Comment>a &#38; b</Comment><Items><O><T>30</T></O></Items></DistributionConfig>",
                vec!["DistributionConfig/Items/O/T = 30", "DistributionConfig/NewThing/Enabled = true"],
            ),
        ] {
            assert_eq!(find_lost_xml_settings(raw, written.as_bytes()).unwrap(), losses, "{written}");
        }
    }
}
