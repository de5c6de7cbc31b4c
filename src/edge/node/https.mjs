// node:https and node:http, as far as the function uses them: a request with a whole body, a response with a whole body.
export const request = (options, onResponse) => {
  const listeners = new Map();
  let ended = false;
  const fail = (error) => {
    if (ended) return;
    ended = true;
    listeners.get('error')?.(error);
  };
  const asked = {
    on(name, listener) {
      listeners.set(name, listener);
      return asked;
    },
    destroy: fail,
    end(body) {
      globalThis.edge.send(JSON.stringify({ ...options, body })).then((reply) => {
        const { status, text, silent, failed } = JSON.parse(reply);
        if (silent) return listeners.get('timeout')?.();
        if (failed !== undefined) return fail(new Error(failed));
        const hears = new Map();
        onResponse({
          statusCode: status,
          setEncoding() {},
          on: (name, listener) => hears.set(name, listener),
        });
        hears.get('data')?.(text);
        ended = true;
        return hears.get('end')?.();
      }).catch(fail);
    },
  };
  return asked;
};
