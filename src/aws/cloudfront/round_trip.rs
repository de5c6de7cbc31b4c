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

use crate::aws::{Cloud, error};
use crate::model::run::failure::Failure;

/// A configuration as it was read: typed, and byte for byte.
pub struct Read {
    pub config: DistributionConfig,
    pub etag: String,
    raw: Vec<u8>,
}

impl Cloud {
    pub(super) async fn distribution_config(&self, id: &str) -> Result<Read, Failure> {
        let what = format!("distribution {id}");
        let body = Body::default();
        let asked = self
            .cloudfront
            .get_distribution_config()
            .id(id)
            .customize()
            .interceptor(KeepAnswer(body.clone()))
            .send()
            .await
            .map_err(error::of("cloudfront:GetDistributionConfig", &what))?;
        let part = |part| error::lacking("cloudfront:GetDistributionConfig", &what, part);
        Ok(Read {
            config: asked.distribution_config.ok_or_else(|| part("the configuration"))?,
            etag: asked.e_tag.ok_or_else(|| part("the ETag"))?,
            raw: body.take(),
        })
    }

    /// Refuses where writing the configuration back as it is would lose a part of it.
    pub(super) async fn check_fidelity(&self, id: &str, read: &Read) -> Result<(), Failure> {
        let body = Body::default();
        // Stops itself once the request is written: nothing is sent.
        let stopped = self
            .cloudfront
            .update_distribution()
            .id(id)
            .if_match(&read.etag)
            .distribution_config(read.config.clone())
            .customize()
            .interceptor(StopWritten(body.clone()))
            .send()
            .await;
        let written = body.take();
        let lost = match (stopped, lost(&read.raw, &written)) {
            (Err(_), Ok(lost)) if !written.is_empty() => lost,
            _ => vec!["all of it: it could not be read or written back".to_owned()],
        };
        if lost.is_empty() {
            return Ok(());
        }
        Err(Failure::other(
            format!("distribution {id}"),
            format!("its configuration holds what this version would drop: {}", lost.join(", ")),
            "use a newer packagecloud-cloudfront, or make this change in the CloudFront console",
        ))
    }
}

#[derive(Debug, Clone, Default)]
struct Body(Arc<Mutex<Vec<u8>>>);

impl Body {
    fn keep(&self, bytes: Option<&[u8]>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes.unwrap_or_default().to_vec();
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct KeepAnswer(Body);

#[dyn_dispatch_hint]
impl Intercept for KeepAnswer {
    fn name(&self) -> &'static str {
        "KeepAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.keep(context.response().body().bytes());
        Ok(())
    }
}

#[derive(Debug)]
struct StopWritten(Body);

#[dyn_dispatch_hint]
impl Intercept for StopWritten {
    fn name(&self) -> &'static str {
        "StopWritten"
    }

    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.keep(context.request().body().bytes());
        Err("written, and not to be sent".into())
    }
}

/// Every text in `raw` that `written` hasn't at the same place as often: `DistributionConfig/X = true`.
fn lost(raw: &[u8], written: &[u8]) -> Result<Vec<String>, quick_xml::Error> {
    let written = leaves(written)?;
    let missing =
        |(leaf, count): (&String, &usize)| (written.get(leaf).unwrap_or(&0) < count).then(|| leaf.clone());
    Ok(leaves(raw)?.iter().filter_map(missing).collect())
}

/// Each text with its path, and how often it stands there. Empty elements say nothing and are left out.
fn leaves(xml: &[u8]) -> Result<BTreeMap<String, usize>, quick_xml::Error> {
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
                let said = spelled(text.trim());
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
fn spelled(text: &str) -> String {
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
            assert_eq!(lost(raw, written.as_bytes()).unwrap(), losses, "{written}");
        }
    }
}
