//! The function as Lambda runs it, in this process: one instance, one request at a time, its module state kept between them.
//!
//! Nothing leaves the process: what the function sends to KMS goes to the caller's `Decrypt`, on the caller's runtime and
//! clock, signed exactly as AWS would get it.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc as jobs},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::{
    bundle,
    js::{self, EdgeFunctionHttpsReply, EdgeFunctionHttpsRequest, JsExportedFunctionCall, JsJobMessage},
};

/// Answers the function's signed HTTPS request to KMS; an `Err` is a broken connection.
pub type EdgeKmsResponder =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, String>> + Send + Sync>;

/// One instance of a function. Dropping it ends its thread.
pub struct EdgeFunctionInstance {
    jobs: jobs::Sender<JsExportedFunctionCall>,
    decrypt: EdgeKmsResponder,
    /// Lambda gives an instance one request at a time.
    busy: Mutex<()>,
}

impl EdgeFunctionInstance {
    /// Loads a bundle, as Lambda's init phase does. `environment` is its `process.env`: the role's credentials, as
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// What Lambda would say of a bundle that doesn't load.
    pub fn start_edge_function_instance(
        zip: &[u8],
        environment: BTreeMap<String, String>,
        decrypt: EdgeKmsResponder,
    ) -> Result<Self, String> {
        let files = bundle::unzip_text_files(zip)?;
        let (jobs, taken) = jobs::channel();
        let (ready, loaded) = jobs::channel();
        std::thread::Builder::new()
            .name("edge function".to_owned())
            .spawn(move || js::run_js_engine(files, &environment, &taken, &ready))
            .map_err(|error| error.to_string())?;
        loaded.recv().map_err(|_| "the engine ended while it loaded the bundle".to_owned())??;
        Ok(Self { jobs, decrypt, busy: Mutex::new(()) })
    }

    /// Gives a Lambda@Edge event to the handler; its result is a request that goes on, or a response. `now` is the time
    /// since the Unix epoch that the function sees.
    ///
    /// # Errors
    /// What the handler threw: CloudFront answers 502 then.
    pub async fn invoke_function_handler(&self, event: Value, now: Duration) -> Result<Value, String> {
        let mut results = self.invoke_function_handler_many(vec![(event, now)]).await?;
        results.pop().ok_or_else(|| "the handler gave no result".to_owned())
    }

    /// Many of them, one after another, by the same instance.
    ///
    /// # Errors
    /// What the handler threw first.
    pub async fn invoke_function_handler_many(
        &self,
        events: Vec<(Value, Duration)>,
    ) -> Result<Vec<Value>, String> {
        let given: Value = events
            .into_iter()
            .map(|(event, now)| json!({ "event": event, "milliseconds": now.as_millis() as u64 }))
            .collect();
        match self.call_js_engine("viewerRequests", given.to_string()).await? {
            Value::Array(results) => Ok(results),
            other => Err(format!("the handler answered {other}")),
        }
    }

    /// Calls token.mjs's `check` on many cases at once, each
    /// `{ request: { uri, querystring, method, host }, keys: [hex], now, construction }`.
    ///
    /// # Errors
    /// What it threw.
    pub async fn run_token_check_cases(&self, cases: &[Value]) -> Result<Vec<Value>, String> {
        match self.call_js_engine("checks", Value::from(cases).to_string()).await? {
            Value::Array(verdicts) => Ok(verdicts),
            other => Err(format!("check answered {other}")),
        }
    }

    async fn call_js_engine(&self, entry: &'static str, input: String) -> Result<Value, String> {
        let gone = || "the engine has ended".to_owned();
        let _one = self.busy.lock().await;
        let (steps, mut taken) = mpsc::unbounded_channel();
        self.jobs.send(JsExportedFunctionCall { entry, input, steps }).map_err(|_| gone())?;
        loop {
            // On a blocking thread, so that a paused clock stands still while the engine works; but it runs while
            // KMS is asked, whose delays are on that clock.
            let waited = tokio::task::spawn_blocking(move || (taken.blocking_recv(), taken)).await;
            let (step, rest) = waited.map_err(|_| gone())?;
            taken = rest;
            match step.ok_or_else(gone)? {
                JsJobMessage::Done(result) => {
                    return serde_json::from_str(&result?).map_err(|error| error.to_string());
                }
                JsJobMessage::Send(outgoing, answer) => {
                    // Where the engine is gone, the next turn says so.
                    let _ = answer.send(self.send_to_kms_responder(*outgoing).await);
                }
            }
        }
    }

    async fn send_to_kms_responder(&self, outgoing: EdgeFunctionHttpsRequest) -> EdgeFunctionHttpsReply {
        let patience = outgoing.timeout.map_or(Duration::MAX, Duration::from_millis);
        let request = match build_outgoing_https_request(outgoing) {
            Ok(request) => request,
            Err(error) => return EdgeFunctionHttpsReply::Failed { failed: error.to_string() },
        };
        match tokio::time::timeout(patience, (self.decrypt)(request)).await {
            Err(_) => EdgeFunctionHttpsReply::Silent { silent: true },
            Ok(Err(failed)) => EdgeFunctionHttpsReply::Failed { failed },
            Ok(Ok(response)) => EdgeFunctionHttpsReply::Answered {
                status: response.status().as_u16(),
                text: String::from_utf8_lossy(response.body()).into_owned(),
            },
        }
    }
}

fn build_outgoing_https_request(outgoing: EdgeFunctionHttpsRequest) -> http::Result<Request<Bytes>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let port = outgoing.port.as_ref().map(|port| format!(":{}", text(port))).unwrap_or_default();
    let mut request = Request::builder()
        .method(outgoing.method.as_str())
        .uri(format!("{}//{}{port}{}", outgoing.protocol, outgoing.hostname, outgoing.path));
    for (name, value) in &outgoing.headers {
        request = request.header(name, text(value));
    }
    request.body(Bytes::from(outgoing.body))
}

#[cfg(test)]
mod tests;
