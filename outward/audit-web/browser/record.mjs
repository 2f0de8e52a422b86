// Who changed an office of a person and why, and what it was at a time: from the first page by four clicks.

export async function record(viewer, settings) {
  const { record } = settings;
  const page = await viewer.page();
  let clicks = 0;
  const click = async (locator) => {
    clicks += 1;
    await locator.click();
    await page.waitForLoadState();
  };
  const text = () => page.locator('main').innerText();
  await page.goto(viewer.url);

  await click(page.locator(`a.objectlink[href="${record.link}"]`).first());
  await click(page.getByRole('link', { name: 'Who set what' }));
  const row = page.locator('table.blame tr', { has: page.getByText(record.path, { exact: true }) });
  const shown = await row.innerText();
  for (const part of [record.value, record.actor, record.reason]) {
    viewer.expect(shown.includes(part), `${part} is missing in the row of ${record.path}: ${shown}`);
  }

  await click(page.getByRole('link', { name: 'History', exact: true }));
  await page.locator('#at').fill('2014-05-01');
  await click(page.locator('.asof button').first());
  const state = page.locator('table.state tr', { has: page.getByText(record.then_path, { exact: true }) });
  const then = await state.innerText();
  viewer.expect(then.includes(record.then), `${record.then} is missing in the row of ${record.then_path}: ${then}`);
  viewer.expect((await text()).includes('1 May 2014'), 'the page does not name the day');
  viewer.expect(clicks <= 4, `${clicks} clicks`);
  await page.context().close();
}
