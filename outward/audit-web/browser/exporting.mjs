// Exports of what a search finds.
import { readFile } from 'node:fs/promises';

export async function exporting(viewer) {
  const page = await viewer.page({ acceptDownloads: true });
  await page.goto(viewer.at('search?q=action:update'));
  const count = await page.locator('tr.entry').count();
  viewer.expect(count > 1, `the search finds ${count} entries`);
  const lines = async (name) => {
    const started = page.waitForEvent('download');
    await page.getByRole('link', { name }).click();
    const download = await started;
    const text = await readFile(await download.path(), 'utf8');
    return { file: download.suggestedFilename(), lines: text.split('\n').filter(Boolean) };
  };
  const json = await lines('Export JSON lines');
  viewer.expect(json.file === 'audit-trail.jsonl', `the file is ${json.file}`);
  viewer.expect(json.lines.length === count, `${json.lines.length} lines for ${count} entries`);
  const actions = json.lines.map((line) => JSON.parse(line).action);
  viewer.expect(actions.every((action) => action === 'update'), `the actions are ${actions}`);
  const csv = await lines('Export CSV');
  viewer.expect(csv.file === 'audit-trail.csv', `the file is ${csv.file}`);
  viewer.expect(csv.lines.length >= count + 1, `${csv.lines.length} lines for ${count} entries and a head`);
  await page.context().close();
}
