// Judges requests for tests/edge_agreement.rs: a line of cases in, a line of verdicts out.
import { createInterface } from 'node:readline';

import { check } from '../../edge/token.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  const verdicts = JSON.parse(line).map(({ request, keys, now, construction }) =>
    check(request, keys.map((key) => new Uint8Array(Buffer.from(key, 'hex'))), now, construction),
  );
  process.stdout.write(`${JSON.stringify(verdicts)}\n`);
}
