// A browser whose pages report each console message, each failed request, and each request to another host.
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--disable-background-networking', '--disable-component-update', '--disable-gpu', '--disable-quic',
  '--disable-sync', '--no-first-run', '--no-sandbox',
  // No name resolves, so that a page cannot load anything from another host.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Starts the browser for the viewer at `settings.url`. Each context has a new profile. */
export async function open(settings) {
  const browser = await chromium.launch({ executablePath: settings.chromium, headless: true, args: ARGUMENTS });
  const findings = [];
  const viewer = {
    url: settings.url,
    findings,
    report: (finding) => findings.push(finding),
    expect: (holds, finding) => { if (!holds) findings.push(finding); },
    close: () => browser.close(),
    /** Opens a page in a context of its own. */
    async page(options = {}) {
      const context = await browser.newContext({
        locale: 'en-GB',
        timezoneId: 'Europe/Berlin',
        ...options,
        viewport: { width: options.width ?? 1280, height: options.height ?? 900 },
      });
      context.setDefaultTimeout(20_000);
      const page = await context.newPage();
      watch(page, settings.url, findings);
      return page;
    },
    /** Returns the URL of a page of the viewer. */
    at: (path) => new URL(path, settings.url).href,
  };
  return viewer;
}

function watch(page, url, findings) {
  const { host } = new URL(url);
  page.on('console', (message) => findings.push(`${page.url()}: console: ${message.text()}`));
  page.on('pageerror', (error) => findings.push(`${page.url()}: error: ${error.stack}`));
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.host !== host) findings.push(`${page.url()}: request to ${to}`);
  });
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText ?? '';
    // A download, and a stream or a page that the next page interrupts.
    if (reason !== 'net::ERR_ABORTED') findings.push(`${page.url()}: ${request.url()} failed: ${reason}`);
  });
}
