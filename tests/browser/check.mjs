// What both tests share: the browser, and how results are counted.

import { chromium } from 'playwright-core';

let passed = 0;
let failed = 0;

export function check(what, holds, seen) {
  holds ? (passed += 1) : (failed += 1);
  const { text, ...told } = typeof seen === 'object' && seen ? seen : { seen }; // Not what was read: it may be a secret.
  console.log(`${holds ? 'ok' : 'not ok'} ${what}${holds ? '' : `: ${JSON.stringify(told)}`}`);
}

export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

export const launch = (...more) => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-proxy-server', ...more],
});
