import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { chromium } from 'playwright-core';
import type { BrowserContext } from 'playwright-core';

const CHROMIUM_PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Without a sandbox, because containers give none; and without anything that would call home. */
const CHROMIUM_ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const START_TIMEOUT_MS = 30_000;

/** The browser of this machine: `CHROMIUM_PATH` (empty for none), else the first of the usual places that has one. */
export function findChromium(): string | undefined {
  const given = process.env.CHROMIUM_PATH;
  if (given !== undefined) return given === '' ? undefined : given;
  return CHROMIUM_PLACES.find((place) => existsSync(place));
}

/**
 * A suite that needs a browser. One browser serves the whole suite, with a profile of its own that is gone afterwards.
 *
 * @param suite gets the way to the browser, which is there from `beforeAll` on.
 */
export function describeInBrowser(title: string, suite: (browser: () => BrowserContext) => void): void {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    describe.skip(`${title} (skipped: no Chromium on this machine; name one in CHROMIUM_PATH)`, () => {
      suite(() => {
        throw new Error('There is no browser');
      });
    });
    return;
  }

  describe(title, () => {
    let browser: BrowserContext | undefined;
    let profile = '';

    beforeAll(async () => {
      profile = await mkdtemp(path.join(os.tmpdir(), 'plantao-browser-'));
      browser = await chromium.launchPersistentContext(profile, {
        executablePath,
        args: CHROMIUM_ARGUMENTS,
        locale: 'pt-BR',
        timeout: START_TIMEOUT_MS,
      });
    }, START_TIMEOUT_MS);

    afterAll(async () => {
      await browser?.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 3 });
    });

    suite(() => {
      if (browser === undefined) throw new Error('The browser has not started yet');
      return browser;
    });
  });
}
