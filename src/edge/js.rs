//! The embedded JavaScript engine on a thread of its own: runs a bundle's modules, and has of Node what they import.
//!
//! It does no I/O and has no clock: a request that the function wants to send and a timer are handed to the host, and the
//! host's answer back to it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::mpsc,
    task::Poll,
    time::Duration,
};

use futures::FutureExt as _;
use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{
    Array, AsyncContext, AsyncRuntime, CatchResultExt, CaughtError, Ctx, Error, Exception, FromJs, Function,
    Module, Object, TypedArray, Value,
    function::Async,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
    promise::MaybePromise,
};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc as messages, oneshot};

/// Where Lambda unpacks a bundle.
const LAMBDA_TASK_ROOT: &str = "/var/task/";
/// What Lambda gives it, in bytes.
const MEMORY_LIMIT_BYTES: usize = super::bundle::MEMORY_MB as usize * 1024 * 1024;
/// What Lambda gives it between two requests of its own; of its thread's processor time, as a busy machine is no fault of its.
const CPU_TIME_LIMIT: Duration = Duration::from_secs(super::bundle::TIMEOUT_SECONDS as u64);

const AWAITS_WHILE_LOADING: &str = "it waits for an answer or a timer while it loads (an await at the top level of a module), and none comes before the first request";

const NODE_SHIMS: [(&str, &str); 5] = [
    ("node:crypto", include_str!("node/crypto.mjs")),
    ("node:fs", include_str!("node/fs.mjs")),
    ("node:https", include_str!("node/https.mjs")),
    ("node:http", include_str!("node/https.mjs")),
    ("edge:entry", include_str!("node/entry.mjs")),
];

/// One call of a function that `entry.mjs` offers, with JSON in and out.
pub(super) struct JsExportedFunctionCall {
    pub entry: &'static str,
    pub input: String,
}

/// What the engine tells its host; what it asks for while the bundle loads waits for the first job.
pub(super) enum JsEngineMessage {
    /// The function wants this sent; where nobody answers, it fails as a broken connection does.
    Send(Box<EdgeFunctionHttpsRequest>, oneshot::Sender<EdgeFunctionHttpsReply>),
    /// A timer: told when so much time is over.
    Sleep(Duration, oneshot::Sender<()>),
    /// A line that the function logged.
    Log(String),
    /// The job goes on only with an answer; so many were taken so far.
    Idle(u64),
    /// The job's end.
    Done(Result<String, String>),
}

/// A request, as `node:https` takes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EdgeFunctionHttpsRequest {
    pub protocol: String,
    pub hostname: String,
    /// A text or a number, as Node allows.
    pub port: Option<serde_json::Value>,
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, serde_json::Value>,
    /// Milliseconds of silence after which it gives up.
    pub timeout: Option<u64>,
    pub body: String,
}

/// The answer to one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum EdgeFunctionHttpsReply {
    Answered { status: u16, text: String },
    Silent { silent: bool },
    Failed { failed: String },
}

/// The engine's line to its host, and how many answers it has taken.
#[derive(Clone)]
struct JsEngineHostLine {
    host: messages::UnboundedSender<JsEngineMessage>,
    answers_taken: Rc<Cell<u64>>,
}

impl JsEngineHostLine {
    fn send_to_host(&self, message: JsEngineMessage) {
        // Where the host is gone, so is what would be answered, and its wait ends at once.
        let _ = self.host.send(message);
    }

    async fn wait_for_host_answer<T>(&self, answer: oneshot::Receiver<T>) -> Option<T> {
        let answer = answer.await.ok();
        self.answers_taken.set(self.answers_taken.get() + 1);
        answer
    }

    /// Runs a job, and says so each time that it can't go on by itself; none where the host listens no more.
    async fn run_and_report_idle<F: Future>(&self, job: F) -> Option<F::Output> {
        let (mut job, mut host_left) = (std::pin::pin!(job), std::pin::pin!(self.host.closed()));
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = job.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            if host_left.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            self.send_to_host(JsEngineMessage::Idle(self.answers_taken.get()));
            Poll::Pending
        })
        .await
    }
}

/// What an instance starts with.
pub(super) struct JsEngineStart {
    pub files: BTreeMap<String, String>,
    /// Its `process.env`.
    pub environment: BTreeMap<String, String>,
    /// Since the Unix epoch.
    pub now: Duration,
}

/// Runs jobs, one after another, until the last sender is gone, or nobody listens to one. `ready` hears once whether the
/// bundle loads.
pub(super) fn run_js_engine(
    start: JsEngineStart,
    host: messages::UnboundedSender<JsEngineMessage>,
    jobs: &mpsc::Receiver<JsExportedFunctionCall>,
    ready: &mpsc::Sender<Result<(), String>>,
) {
    futures::executor::block_on(async {
        let line = JsEngineHostLine { host, answers_taken: Rc::default() };
        let until = Rc::new(RefCell::new(read_thread_cpu_time() + CPU_TIME_LIMIT));
        let context = match load_js_bundle(start, &line, &until).await {
            Ok(context) => context,
            Err(why) => {
                let _ = ready.send(Err(why));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        while let Ok(job) = jobs.recv() {
            *until.borrow_mut() = read_thread_cpu_time() + CPU_TIME_LIMIT;
            let running = context.async_with(async |ctx| {
                call_js_entry(&ctx, job.entry, job.input).await.catch(&ctx).map_err(|e| js_error_message(&e))
            });
            let Some(result) = line.run_and_report_idle(running).await else { return };
            line.send_to_host(JsEngineMessage::Done(result));
        }
    });
}

/// The processor time of this thread so far.
fn read_thread_cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

async fn call_js_entry(ctx: &Ctx<'_>, entry: &str, input: String) -> rquickjs::Result<String> {
    let edge: Object<'_> = ctx.globals().get("edge")?;
    let function: Function<'_> = edge.get(entry)?;
    function.call::<_, MaybePromise<'_>>((input,))?.into_future().await
}

async fn load_js_bundle(
    start: JsEngineStart,
    line: &JsEngineHostLine,
    until: &Rc<RefCell<Duration>>,
) -> Result<AsyncContext, String> {
    let runtime = AsyncRuntime::new().map_err(|error| error.to_string())?;
    runtime.set_memory_limit(MEMORY_LIMIT_BYTES).await;
    let until = Rc::clone(until);
    runtime.set_interrupt_handler(Some(Box::new(move || read_thread_cpu_time() > *until.borrow()))).await;
    let files = Rc::new(start.files);
    runtime.set_loader(JsModuleResolver, JsModuleLoader(Rc::clone(&files))).await;
    let context = AsyncContext::full(&runtime).await.map_err(|error| error.to_string())?;
    let environment = serde_json::to_string(&start.environment).map_err(|error| error.to_string())?;
    let loading = context.async_with(async |ctx| {
        evaluate_js_entry_module(&ctx, &files, environment, start.now, line)
            .await
            .catch(&ctx)
            .map_err(|error| js_error_message(&error))
    });
    // Nobody answers yet: what can't go on by itself never would.
    let loaded = loading.now_or_never();
    loaded.unwrap_or_else(|| Err(AWAITS_WHILE_LOADING.to_owned()))?;
    Ok(context)
}

async fn evaluate_js_entry_module(
    ctx: &Ctx<'_>,
    files: &Rc<BTreeMap<String, String>>,
    environment: String,
    now: Duration,
    line: &JsEngineHostLine,
) -> rquickjs::Result<()> {
    let edge = Object::new(ctx.clone())?;
    edge.set("environment", environment)?;
    edge.set("milliseconds", now.as_secs_f64() * 1000.0)?;
    edge.set("digest", Function::new(ctx.clone(), compute_hash_or_hmac)?)?;
    let files = Rc::clone(files);
    let file = move |path: String| files.get(path.strip_prefix(LAMBDA_TASK_ROOT).unwrap_or(&path)).cloned();
    edge.set("file", Function::new(ctx.clone(), file)?)?;
    let to_host = line.clone();
    let send = move |call: String| {
        let to_host = to_host.clone();
        async move { forward_edge_function_https_request(&to_host, &call).await }
    };
    edge.set("send", Function::new(ctx.clone(), Async(send))?)?;
    let to_host = line.clone();
    let sleep = move |milliseconds: f64| {
        let to_host = to_host.clone();
        async move { sleep_on_host_clock(&to_host, milliseconds).await }
    };
    edge.set("sleep", Function::new(ctx.clone(), Async(sleep))?)?;
    let to_host = line.clone();
    let log = move |text: String| to_host.send_to_host(JsEngineMessage::Log(text));
    edge.set("log", Function::new(ctx.clone(), log)?)?;
    ctx.globals().set("edge", edge)?;
    let (_, loaded) = Module::declare(ctx.clone(), "edge:entry", NODE_SHIMS[4].1)?.eval()?;
    loaded.into_future::<()>().await
}

/// Hands a request to the host, and waits for the answer.
async fn forward_edge_function_https_request(line: &JsEngineHostLine, call: &str) -> String {
    let failed = |why: String| EdgeFunctionHttpsReply::Failed { failed: why };
    let reply = match serde_json::from_str(call) {
        Ok(outgoing) => {
            let (answer, answered) = oneshot::channel();
            line.send_to_host(JsEngineMessage::Send(outgoing, answer));
            let answer = line.wait_for_host_answer(answered).await;
            answer.unwrap_or_else(|| failed("socket hang up".to_owned()))
        }
        Err(error) => failed(error.to_string()),
    };
    serde_json::to_string(&reply).unwrap_or_default()
}

/// Waits so long by the host's clock, which may be paused or run ahead.
async fn sleep_on_host_clock(line: &JsEngineHostLine, milliseconds: f64) {
    let (over, told) = oneshot::channel();
    let duration = Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default();
    line.send_to_host(JsEngineMessage::Sleep(duration, over));
    line.wait_for_host_answer(told).await;
}

/// `digest(algorithm, key or undefined, pieces)`: a hash, or an HMAC.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands over values")]
fn compute_hash_or_hmac<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    key: Value<'js>,
    pieces: Array<'js>,
) -> rquickjs::Result<TypedArray<'js, u8>> {
    let mut message = Vec::new();
    for piece in pieces.iter::<Value<'js>>() {
        message.extend(bytes_from_js_value(&ctx, &piece?)?);
    }
    let keyed = if key.is_undefined() { None } else { Some(bytes_from_js_value(&ctx, &key)?) };
    let long = "HMAC takes a key of any length";
    let digest = match (algorithm.as_str(), keyed) {
        ("sha1", None) => Sha1::digest(&message).to_vec(),
        ("sha256", None) => Sha256::digest(&message).to_vec(),
        ("sha1", Some(key)) => Hmac::<Sha1>::new_from_slice(&key)
            .expect(long)
            .chain_update(&message)
            .finalize()
            .into_bytes()
            .to_vec(),
        ("sha256", Some(key)) => Hmac::<Sha256>::new_from_slice(&key)
            .expect(long)
            .chain_update(&message)
            .finalize()
            .into_bytes()
            .to_vec(),
        _ => return Err(Exception::throw_type(&ctx, "this engine knows sha1 and sha256")),
    };
    TypedArray::new(ctx, digest)
}

/// A text's UTF-8, or an array's numbers.
fn bytes_from_js_value<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Vec<u8>> {
    if value.is_string() {
        Ok(String::from_js(ctx, value.clone())?.into_bytes())
    } else {
        Vec::from_js(ctx, value.clone())
    }
}

/// An exception, as Lambda's errorMessage would say it.
fn js_error_message(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            exception.message().unwrap_or_else(|| "an exception without a message".to_owned())
        }
        CaughtError::Value(value) => format!("{value:?} was thrown"),
        CaughtError::Error(error) => error.to_string(),
    }
}

/// A bundle's own modules by relative path, Node's by name.
struct JsModuleResolver;

impl Resolver for JsModuleResolver {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        match name.strip_prefix("./") {
            Some(own) if base.starts_with(LAMBDA_TASK_ROOT) => Ok(format!("{LAMBDA_TASK_ROOT}{own}")),
            None if name.starts_with(LAMBDA_TASK_ROOT)
                || NODE_SHIMS.iter().any(|(known, _)| *known == name) =>
            {
                Ok(name.to_owned())
            }
            _ => Err(Error::new_resolving(base, name)),
        }
    }
}

struct JsModuleLoader(Rc<BTreeMap<String, String>>);

impl Loader for JsModuleLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        let own = name.strip_prefix(LAMBDA_TASK_ROOT).and_then(|file| self.0.get(file)).map(String::as_str);
        let source =
            own.or_else(|| NODE_SHIMS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text));
        let module = Module::declare(ctx.clone(), name, source.ok_or_else(|| Error::new_loading(name))?)?;
        if own.is_some() {
            module.meta()?.set("dirname", LAMBDA_TASK_ROOT.trim_end_matches('/'))?;
        }
        Ok(module)
    }
}
