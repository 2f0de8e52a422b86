// The content of each page and the forms, without the script.

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
  viewer.expect(page.url().includes('outcome%3Asuccess'), `the form leads to ${page.url()}`);

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
  await page.goto(viewer.at('help'));
  await has('changed:address');
  await page.context().close();
}
