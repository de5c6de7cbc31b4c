// The authenticator: CloudFront calls it on every viewer request, before it looks into its cache.
//
// It upholds: nothing goes on that check() did not accept, also when something here is broken; and neither a token, nor a path,
// nor a secret is ever logged.

import { secrets } from './secrets.mjs';
import { check } from './token.mjs';

/** What somebody who is refused can do next. */
const NEXT = {
  'bad-method': 'This address answers GET and HEAD only.',
  'bad-path': 'This path names no package. Ask the package server for the link again.',
  'missing-token': 'This link is not signed. Ask the package server for it, not this address.',
  'malformed-token': 'This link is damaged. Ask the package server for a new one.',
  'bad-signature': 'This link was not signed for this path. Ask the package server for a new one.',
  expired: 'This link has expired. Ask the package server for a new one.',
  unavailable: 'This link could not be checked just now. Try again in a moment.',
};

/** Whether this instance has said that an earlier secret accepted a link. */
let hasToldOfEarlier = false;

/** One parameter: newer Node runtimes refuse a handler that declares a callback. */
export const handler = async (event) => {
  try {
    const { request } = event.Records[0].cf;
    const { uri, querystring, method } = request;
    const host = packagesDomain(event.Records[0].cf);
    const judged = ({ construction, keys }) =>
      check({ uri, querystring, method, host }, keys, Math.floor(Date.now() / 1000), construction);
    // Only where no key that is opened has signed it, one that isn't may have.
    const found = await secrets((some) => judged(some).reason !== 'bad-signature');
    const verdict = judged(found);
    if (!verdict.ok) return answer(verdict.reason);
    if (!hasToldOfEarlier && isByEarlier(judged, found)) {
      hasToldOfEarlier = true;
      // Whoever ends the earlier secret looks for these words first (src/aws/edge_logs.rs).
      console.log('an earlier secret accepted a link');
    }
    return Object.assign(request, { uri: verdict.uri, querystring: '' });
  } catch (failure) {
    console.error(`refused, as it can't be checked: ${failure.message}`);
    return answer('unavailable');
  }
};

/** Whether an accepted link isn't by the current secret. It costs a second HMAC, and only while more than one is accepted. */
function isByEarlier(judged, { construction, keys, current }) {
  if (keys.every((key) => key === current)) return false;
  return judged({ construction, keys: current ? [current] : [] }).reason === 'bad-signature';
}

/** The name that the viewer asked, so that a distribution's alias works; without a port. */
function packagesDomain({ request, config }) {
  const host = request.headers?.host?.[0]?.value ?? config?.distributionDomainName ?? '';
  return host.toLowerCase().replace(/:\d+$/, '');
}

function answer(reason) {
  const [status, statusDescription] =
    reason === 'unavailable'
      ? ['503', 'Service Unavailable']
      : reason === 'bad-method'
        ? ['405', 'Method Not Allowed']
        : ['403', 'Forbidden'];
  const headers = {
    'cache-control': [{ key: 'Cache-Control', value: 'no-store' }],
    'content-type': [{ key: 'Content-Type', value: 'text/plain; charset=utf-8' }],
    'x-packagecloud-cloudfront': [{ key: 'X-Packagecloud-Cloudfront', value: reason }],
  };
  if (status === '405') headers.allow = [{ key: 'Allow', value: 'GET, HEAD' }];
  return { status, statusDescription, headers, body: `${NEXT[reason]}\n` };
}
