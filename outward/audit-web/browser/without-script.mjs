// The content of each page, the forms and an export, without the script.
import { readFile } from 'node:fs/promises';

export async function withoutScript(viewer, settings) {
  const page = await viewer.page({ javaScriptEnabled: false });
  const text = () => page.locator('main').innerText();
  const has = async (part) => viewer.expect((await text()).includes(part), `${page.url()}: ${part} is missing`);
  const { object } = settings;
  const own = `model=${encodeURIComponent(object.model)}&key=${encodeURIComponent(object.key)}`;

  await page.goto(viewer.at('search'));
  await has(object.changed);
  await has(object.reason);
  await page.locator('details.filters summary').click();
  await page.locator('#f-model').fill(object.model);
  await page.locator('#f-outcome').selectOption('success');
  await page.getByRole('button', { name: 'Apply' }).click();
  viewer.expect(page.url().includes('outcome:success'), `the form leads to ${page.url()}`);

  // The newest entry is that of the change, and leads to what belongs to it.
  await page.goto(viewer.at('search'));
  await page.locator('tr.entry .when a').first().click();
  await has(object.changed);
  await has(object.reason);
  const entry = page.url();
  for (const name of ['actor', 'transaction', 'correlation']) {
    await page.goto(entry);
    await page.locator(`main a[href^="${name}?"]`).first().click();
    viewer.expect(page.url().includes(`/${name}?`), `${name} is at ${page.url()}`);
    await has(object.reason);
  }
  await page.goto(viewer.at(`search?q=model:${encodeURIComponent(object.model)}`));
  const started = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export CSV' }).click();
  const file = await readFile(await (await started).path(), 'utf8');
  viewer.expect(file.includes(object.changed), `${object.changed} is missing in the export`);

  await page.goto(viewer.at(`object?${own}`));
  await has(object.changed);
  await page.locator('#at').fill(object.at);
  await page.locator('.asof button').first().click();
  await has(object.before);
  await page.goto(viewer.at(`object?${own}`));
  await page.getByRole('button', { name: 'Compare the selected versions' }).click();
  viewer.expect(page.url().includes('/compare?'), `the comparison is at ${page.url()}`);
  await page.goto(viewer.at(`blame?${own}`));
  await has(object.reason);
  await page.goto(viewer.at(`aggregate?${own}`));
  await has(object.changed);

  await page.goto(viewer.at('live'));
  await page.getByRole('link', { name: 'Newer entries' }).click();
  viewer.expect(page.url().includes('before='), `newer entries are at ${page.url()}`);
  await page.goto(viewer.at('overview'));
  await has(object.model);
  await page.goto(viewer.at('trust?check=yes'));
  await has('No problem found.');
  await page.goto(viewer.at('schema'));
  await has('This program has registered no model.');
  await page.goto(viewer.at('help'));
  await has('changed:address');
  await page.context().close();
}
