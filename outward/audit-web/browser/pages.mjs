// Every page that links lead to, at three widths in light and dark: no finding of axe, no horizontal scroll.
import AxeBuilder from '@axe-core/playwright';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The width of a page at 200 % zoom in a window of 1280 px is 640 px. */
const WIDTHS = [
  { width: 320, height: 640 },
  { width: 640, height: 450, deviceScaleFactor: 2 },
  { width: 1280, height: 900 },
];
/** URLs that no link leads to, with the status of their responses. */
const OTHERS = [
  ['search?q=model:', 400],
  ['search?q=model:User%20model:Invoice', 400],
  ['search?q=actor:nobody', 200],
  ['entry?id=1', 404],
  ['nothing', 404],
  ['trust?check=yes', 200],
  // An object with hostile texts.
  ['object?model=Customer&key=666', 200],
  ['search?q=object:666', 200],
  ['search?lang=de', 200],
  ['help?lang=de', 200],
  ['overview?lang=de', 200],
];
/** The number of URLs of one page that are visited. */
const VARIANTS = 2;
/** No page: a download, and pages that a form leads to. */
const DOWNLOADS = ['export'];

export async function pages(viewer) {
  const page = await viewer.page();
  const names = await routes(page, viewer);
  const found = await crawl(page, viewer);
  await page.context().close();
  for (const name of names) {
    viewer.expect(DOWNLOADS.includes(name) || found.has(name), `no link leads to the page ${name}`);
  }
  const urls = [...found.values()].flat().map((url) => [url, 200]).concat(OTHERS);
  for (const size of WIDTHS) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await viewer.page({ ...size, colorScheme, reducedMotion: 'reduce' });
      const setting = `${size.width} px, ${colorScheme}`;
      for (const [url, status] of urls) await inspect(page, viewer, url, status, setting);
      await page.context().close();
    }
  }
  console.log(`${urls.length} URLs of ${found.size} pages`);
}

/** Returns the names of the router's pages. */
async function routes(page, viewer) {
  const response = await page.request.get(viewer.at('help.json'));
  return (await response.json()).pages;
}

/** Follows links from the first page, and returns the URLs by the name of their page. */
async function crawl(page, viewer) {
  const found = new Map();
  const queue = ['search', 'search?q='];
  const seen = new Set(queue);
  while (queue.length) {
    const path = queue.shift();
    const name = path.split('?')[0];
    const variants = found.get(name) ?? [];
    if (variants.length >= VARIANTS) continue;
    found.set(name, [...variants, path]);
    await page.goto(viewer.at(path));
    const links = await page.locator('a[href]:not([download])').evaluateAll(
      (nodes) => nodes.map((node) => node.getAttribute('href')),
    );
    for (const link of links) {
      const isPage = !link.startsWith('#') && !link.split('?')[0].includes('.') && !link.includes('lang=');
      if (isPage && !seen.has(link)) {
        seen.add(link);
        queue.push(link);
      }
    }
  }
  return found;
}

async function inspect(page, viewer, path, status, setting) {
  const where = `${path} (${setting})`;
  // The browser reports the status of an error, and nothing else of its page may be a finding.
  const before = viewer.findings.length;
  const reported = status < 400 ? null : page.waitForEvent('console');
  const response = await page.goto(viewer.at(path));
  viewer.expect(response.status() === status, `${where}: status ${response.status()} instead of ${status}`);
  if (reported && response.status() === status) {
    await reported;
    const message = `the server responded with a status of ${status} `;
    const at = viewer.findings.findIndex((finding, index) => index >= before && finding.includes(message));
    viewer.expect(at >= 0, `${where}: the browser does not report the status`);
    if (at >= 0) viewer.findings.splice(at, 1);
  }
  await page.locator('details').evaluateAll((nodes) => nodes.forEach((node) => { node.open = true; }));
  const [scrolled, width] = await page.evaluate(
    () => [document.documentElement.scrollWidth, document.documentElement.clientWidth],
  );
  viewer.expect(scrolled <= width, `${where}: ${scrolled} px wide in ${width} px`);
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  for (const { id, help, nodes } of violations) {
    const targets = nodes.slice(0, 3).map((node) => `${node.target}: ${node.html.slice(0, 160)}`);
    viewer.report(`${where}: ${id}: ${help}\n    ${targets.join('\n    ')}`);
  }
}
