// Stands in for the compiled part of AWS's runtime client: an HTTP client that is built with cmake and curl when it is installed.
//
// `next`, `done` and `error` ask the Runtime API as src/native/rapid-client.cc of aws-lambda-ric does; all else of it stays AWS's.
const { Agent, request } = require('node:http');
const Module = require('node:module');

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let last = Promise.resolve();

function ask(method, path, body, headers = {}) {
  const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, agent, method, path: `/2018-06-01/runtime/${path}`, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => (text += piece));
      response.on('end', () => resolve({ bodyJson: text, headers: response.headers }));
    });
    asked.on('error', reject).end(body);
  });
}

const client = {
  next: () => last.then(() => ask('GET', 'invocation/next')),
  done: (id, body) => (last = ask('POST', `invocation/${id}/response`, body)),
  error: (id, body) => {
    const { errorType } = JSON.parse(body);
    last = ask('POST', `invocation/${id}/error`, body, { 'lambda-runtime-function-error-type': errorType });
  },
};

const { _resolveFilename: resolve, _extensions: extensions } = Module;
Module._resolveFilename = function (name, ...rest) {
  return name === './rapid-client.node' ? name : resolve.call(this, name, ...rest);
};
extensions['.node'] = (module) => (module.exports = client);
