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
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Mutex, mpsc},
};

use super::{
    bundle,
    js::{
        self, EdgeFunctionHttpsReply, EdgeFunctionHttpsRequest, JsEngineMessage, JsEngineStart,
        JsExportedFunctionCall,
    },
};

/// Answers the function's signed HTTPS request to KMS; an `Err` is a broken connection.
pub type EdgeKmsResponder =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, String>> + Send + Sync>;

/// One instance of a function. Dropping it ends its thread, once what runs is over.
pub struct EdgeFunctionInstance(Arc<EdgeFunctionHost>);

/// What an instance runs on.
struct EdgeFunctionHost {
    jobs: jobs::Sender<JsExportedFunctionCall>,
    decrypt: EdgeKmsResponder,
    /// Lambda gives an instance one request at a time.
    busy: Mutex<EdgeFunctionWaits>,
}

/// What the function waits for. It stands still between two requests, as an instance does.
struct EdgeFunctionWaits {
    /// Away while it is listened to, and for good once the function waits for what never comes.
    messages: Option<mpsc::UnboundedReceiver<JsEngineMessage>>,
    outstanding: FuturesUnordered<BoxFuture<'static, ()>>,
    answers_given: u64,
}

/// What came of one request, and what was logged meanwhile.
#[derive(Debug)]
pub struct EdgeFunctionInvocation {
    /// What the handler gave, or threw.
    pub result: Result<Value, String>,
    pub log: Vec<String>,
}

impl EdgeFunctionInstance {
    /// Loads a bundle at `now`, as Lambda's init phase does. `environment` is its `process.env`: the role's credentials, as
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// What Lambda would say of a bundle that doesn't load.
    pub fn start_edge_function_instance(
        zip: &[u8],
        environment: BTreeMap<String, String>,
        now: Duration,
        decrypt: EdgeKmsResponder,
    ) -> Result<Self, String> {
        let start = JsEngineStart { files: bundle::unzip_text_files(zip)?, environment, now };
        let (jobs, taken) = jobs::channel();
        let (ready, loaded) = jobs::channel();
        let (host, messages) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("edge function".to_owned())
            .spawn(move || js::run_js_engine(start, host, &taken, &ready))
            .map_err(|error| error.to_string())?;
        loaded.recv().map_err(|_| "the engine ended while it loaded the bundle".to_owned())??;
        let waits = EdgeFunctionWaits {
            messages: Some(messages),
            outstanding: FuturesUnordered::new(),
            answers_given: 0,
        };
        Ok(Self(Arc::new(EdgeFunctionHost { jobs, decrypt, busy: Mutex::new(waits) })))
    }

    /// Gives a Lambda@Edge event to the handler; its result is a request that goes on, or a response. `now` is the time
    /// since the Unix epoch that the function sees.
    ///
    /// # Errors
    /// What the handler threw: CloudFront answers 502 then.
    pub async fn invoke_function_handler(&self, event: Value, now: Duration) -> Result<Value, String> {
        self.invoke_function_handler_with_log(event, now).await.result
    }

    /// Gives an event to the handler as [`Self::invoke_function_handler`] does, and tells what was logged too.
    pub async fn invoke_function_handler_with_log(
        &self,
        event: Value,
        now: Duration,
    ) -> EdgeFunctionInvocation {
        let given = build_handler_calls(vec![(event, now)]);
        let EdgeFunctionInvocation { result, log } = self.call_js_engine("viewerRequests", given).await;
        let one = |results: Value| match results {
            Value::Array(mut results) => results.pop().ok_or_else(|| "the handler gave no result".to_owned()),
            other => Err(format!("the handler answered {other}")),
        };
        EdgeFunctionInvocation { result: result.and_then(one), log }
    }

    /// Many of them, one after another, by the same instance.
    ///
    /// # Errors
    /// What the handler threw first.
    pub async fn invoke_function_handler_many(
        &self,
        events: Vec<(Value, Duration)>,
    ) -> Result<Vec<Value>, String> {
        match self.call_js_engine("viewerRequests", build_handler_calls(events)).await.result? {
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
        match self.call_js_engine("checks", Value::from(cases).to_string()).await.result? {
            Value::Array(verdicts) => Ok(verdicts),
            other => Err(format!("check answered {other}")),
        }
    }

    /// A caller that leaves ends nothing: what an instance has begun it brings to its end, and only then takes the next request.
    async fn call_js_engine(&self, entry: &'static str, input: String) -> EdgeFunctionInvocation {
        let host = Arc::clone(&self.0);
        let running = tokio::spawn(async move {
            let mut log = Vec::new();
            let result = host.run_js_job(JsExportedFunctionCall { entry, input }, &mut log).await;
            EdgeFunctionInvocation { result, log }
        });
        running.await.unwrap_or_else(|error| EdgeFunctionInvocation {
            result: Err(error.to_string()),
            log: Vec::new(),
        })
    }
}

/// Events with their times, as `entry.mjs` takes them.
fn build_handler_calls(events: Vec<(Value, Duration)>) -> String {
    let given: Value = events
        .into_iter()
        .map(|(event, now)| json!({ "event": event, "milliseconds": now.as_millis() as u64 }))
        .collect();
    given.to_string()
}

impl EdgeFunctionHost {
    async fn run_js_job(&self, job: JsExportedFunctionCall, log: &mut Vec<String>) -> Result<Value, String> {
        let gone = || "the engine has ended".to_owned();
        let mut waits = self.busy.lock().await;
        self.jobs.send(job).map_err(|_| gone())?;
        loop {
            match waits.receive_engine_message().await.ok_or_else(gone)? {
                JsEngineMessage::Done(result) => {
                    return serde_json::from_str(&result?).map_err(|error| error.to_string());
                }
                JsEngineMessage::Log(line) => log.push(line),
                JsEngineMessage::Send(outgoing, answer) => {
                    let sending = send_to_kms_responder(Arc::clone(&self.decrypt), *outgoing);
                    // Where the engine is gone, the next turn says so.
                    waits.outstanding.push(Box::pin(async move {
                        let _ = answer.send(sending.await);
                    }));
                }
                JsEngineMessage::Sleep(duration, over) => waits.outstanding.push(Box::pin(async move {
                    tokio::time::sleep(duration).await;
                    let _ = over.send(());
                })),
                // It has yet to take what it was given.
                JsEngineMessage::Idle(taken) if taken < waits.answers_given => {}
                JsEngineMessage::Idle(_) if waits.outstanding.is_empty() => {
                    // The engine stands in this job: by this it learns that nobody listens any more, and ends.
                    waits.messages = None;
                    return Err("the function waits for what never comes".to_owned());
                }
                JsEngineMessage::Idle(_) => {
                    waits.outstanding.next().await;
                    waits.answers_given += 1;
                }
            }
        }
    }
}

impl EdgeFunctionWaits {
    /// On a blocking thread, so that a paused clock stands still while the engine works; while the function waits for KMS or
    /// a timer, which are on that clock, nobody listens here. Where all runs on one thread, this one waits: then the order of
    /// what happens hangs on no other thread.
    async fn receive_engine_message(&mut self) -> Option<JsEngineMessage> {
        let mut messages = self.messages.take()?;
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            let message = futures::executor::block_on(tokio::task::unconstrained(messages.recv()));
            self.messages = Some(messages);
            return message;
        }
        let listening = tokio::task::spawn_blocking(move || (messages.blocking_recv(), messages));
        let (message, messages) = listening.await.ok()?;
        self.messages = Some(messages);
        message
    }
}

async fn send_to_kms_responder(
    decrypt: EdgeKmsResponder,
    outgoing: EdgeFunctionHttpsRequest,
) -> EdgeFunctionHttpsReply {
    let patience = outgoing.timeout.map_or(Duration::MAX, Duration::from_millis);
    let request = match build_outgoing_https_request(outgoing) {
        Ok(request) => request,
        Err(error) => return EdgeFunctionHttpsReply::Failed { failed: error.to_string() },
    };
    match tokio::time::timeout(patience, decrypt(request)).await {
        Err(_) => EdgeFunctionHttpsReply::Silent { silent: true },
        Ok(Err(failed)) => EdgeFunctionHttpsReply::Failed { failed },
        Ok(Ok(response)) => EdgeFunctionHttpsReply::Answered {
            status: response.status().as_u16(),
            text: String::from_utf8_lossy(response.body()).into_owned(),
        },
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
