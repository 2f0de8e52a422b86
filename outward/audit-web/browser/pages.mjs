// Every page that links lead to, at three widths in light and dark: no finding of axe, no horizontal scroll.
import AxeBuilder from '@axe-core/playwright';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The width of a page at 200 % zoom in a window of 1280 px is 640 px. */
const SETTINGS = [
  { width: 320, height: 640, colorScheme: 'light', hasAxe: true },
  { width: 320, height: 640, colorScheme: 'dark', hasAxe: true },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 640, height: 450, colorScheme: 'light', deviceScaleFactor: 2 },
  { width: 1280, height: 900, colorScheme: 'light', hasAxe: true },
  { width: 1280, height: 900, colorScheme: 'dark', hasAxe: true },
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
  const urls = [...found.values()].flat();
  urls.push('search?q=model:', 'search?q=actor:nobody', 'entry?id=1', 'nothing');
  // An object with hostile texts.
  urls.push('object?model=Customer&key=666', 'search?q=object:666');
  urls.push(...['search', 'help', 'overview'].map((name) => `${name}?lang=de`));
  for (const { hasAxe, ...options } of SETTINGS) {
    const page = await viewer.page({ ...options, reducedMotion: 'reduce' });
    const setting = `${options.width} px, ${options.colorScheme}`;
    for (const url of urls) await inspect(page, viewer, url, setting, hasAxe);
    await page.context().close();
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

async function inspect(page, viewer, path, setting, hasAxe) {
  const where = `${path} (${setting})`;
  // A page for an error is inspected, too, and its status is a message of the console.
  const before = viewer.findings.length;
  const response = await page.goto(viewer.at(path));
  if (response.status() >= 400) viewer.findings.splice(before);
  await page.locator('details').evaluateAll((nodes) => nodes.forEach((node) => { node.open = true; }));
  const [scrolled, width] = await page.evaluate(
    () => [document.documentElement.scrollWidth, document.documentElement.clientWidth],
  );
  viewer.expect(scrolled <= width, `${where}: ${scrolled} px wide in ${width} px`);
  if (!hasAxe) return;
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  for (const { id, help, nodes } of violations) {
    const targets = nodes.slice(0, 3).map((node) => `${node.target}: ${node.html.slice(0, 160)}`);
    viewer.report(`${where}: ${id}: ${help}\n    ${targets.join('\n    ')}`);
  }
}
