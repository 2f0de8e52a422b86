// Runs one check: `node check.mjs NAME SETTINGS`, with settings as JSON. The exit status is 1 and the
// output has each finding if one fails. `tools/audit-cli/tests/browser` starts it for a viewer of its own.
import { open } from './browser.mjs';
import { exporting } from './exporting.mjs';
import { keyboard } from './keyboard.mjs';
import { live } from './live.mjs';
import { pages } from './pages.mjs';
import { pictures } from './pictures.mjs';
import { record } from './record.mjs';
import { withoutScript } from './without-script.mjs';

const CHECKS = { exporting, keyboard, live, pages, pictures, record, withoutScript };

const [name, settings] = [process.argv[2], JSON.parse(process.argv[3] ?? '{}')];
const check = CHECKS[name];
if (!check || !settings.url || !settings.chromium) {
  console.error(`usage: check.mjs ${Object.keys(CHECKS).join('|')} '{"url": .., "chromium": ..}'`);
  process.exit(2);
}

const viewer = await open(settings);
try {
  await check(viewer, settings);
} catch (error) {
  viewer.report(error.stack);
} finally {
  await viewer.close();
}
viewer.findings.forEach((finding) => console.error(finding));
process.exit(viewer.findings.length ? 1 : 0);
