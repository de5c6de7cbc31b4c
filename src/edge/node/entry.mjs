// What Lambda's runtime does around the function: finds the handler, gives it an event, takes its result.
const { edge } = globalThis;
const Wall = Date;
let now = edge.milliseconds;

// The caller's clock, which may be paused or run ahead.
globalThis.Date = class extends Wall {
  constructor(...parts) {
    super(...(parts.length === 0 ? [now] : parts));
  }

  static now() {
    return now;
  }
};
globalThis.process = { env: JSON.parse(edge.environment) };
const log = (...words) => edge.log(words.join(' '));
globalThis.console = { log, info: log, warn: log, error: log };

let lastTimer = 0;
const timers = new Set();
globalThis.setTimeout = (run, milliseconds = 0) => {
  const timer = (lastTimer += 1);
  timers.add(timer);
  edge.sleep(milliseconds).then(() => timers.delete(timer) && run());
  return timer;
};
globalThis.clearTimeout = (timer) => timers.delete(timer);

const { handler } = await import('/var/task/index.mjs');
if (typeof handler !== 'function') throw new Error('Runtime.HandlerNotFound: index.handler is undefined or not exported');
if (handler.length > 2) throw new Error('Runtime.CallbackHandlerDeprecated: the handler takes a callback');

edge.viewerRequests = async (input) => {
  const results = [];
  for (const { event, milliseconds } of JSON.parse(input)) {
    now = milliseconds;
    results.push((await handler(event)) ?? null);
  }
  return JSON.stringify(results);
};

edge.checks = async (input) => {
  const { check } = await import('/var/task/token.mjs');
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const judged = JSON.parse(input).map(({ request, keys, now: seconds, construction }) =>
    check(request, keys.map(bytes), seconds, construction),
  );
  return JSON.stringify(judged);
};
