// The live page. The test that started this appends an entry for each line `append` of the output.

const append = () => console.log('append');

export async function live(viewer) {
  await english(viewer);
  await german(viewer);
}

async function english(viewer) {
  const page = await viewer.page();
  await page.goto(viewer.at('live'));
  const state = (text) => page.locator('#live', { hasText: text }).waitFor();
  const rows = page.locator('tr.entry');
  await state('Live');
  const before = await rows.count();

  append();
  await state('1 new');
  viewer.expect(await rows.count() === before + 1, `${await rows.count()} rows after ${before}`);
  const newest = await rows.first().innerText();
  viewer.expect(newest.includes('appended entry 1'), `the first row is ${newest}`);

  await page.getByRole('button', { name: 'Pause' }).click();
  await state('Paused');
  append();
  await page.getByRole('button', { name: 'Continue' }).click();
  await state('2 new');
  viewer.expect(await rows.count() === before + 2, `${await rows.count()} rows after a pause`);

  // A row is a row of the page: the keys, the zone and the links work.
  await page.keyboard.press('Escape');
  await page.locator('h1').click();
  await page.keyboard.press('j');
  viewer.expect(await rows.first().evaluate((row) => row.classList.contains('current')), 'j does not select a new row');
  await page.getByRole('button', { name: 'Show Europe/Berlin' }).click();
  append();
  await state('3 new');
  const shown = await rows.first().locator('time').innerText();
  const utc = await rows.first().locator('time').getAttribute('datetime');
  const time = utc.slice(11, 19);
  viewer.expect(!shown.startsWith(time), `the time of a new row is ${shown}, as in UTC`);
  viewer.expect(shown.includes(`${time} UTC`), `the time of a new row is ${shown}, without UTC beside it`);
  await page.keyboard.press('j');
  await rows.first().locator('.when a').click();
  await page.getByText('Stored form').waitFor();
  await page.context().close();
}

/** The texts that the script writes are in the language of the page. */
async function german(viewer) {
  const page = await viewer.page({ locale: 'de-DE' });
  await page.goto(viewer.at('live'));
  const state = (text) => page.locator('#live', { hasText: text }).waitFor();
  await page.locator('#live[data-state=live]').waitFor();
  append();
  await state('1 neu');
  await page.getByRole('button', { name: 'Anhalten' }).click();
  await state('Angehalten');
  await page.getByRole('button', { name: 'Fortsetzen' }).waitFor();
  await page.getByRole('button', { name: 'Europe/Berlin anzeigen' }).click();
  await page.getByRole('button', { name: 'UTC anzeigen' }).waitFor();
  await page.goto(viewer.at('help'));
  await page.getByRole('button', { name: 'Tasten ausschalten' }).waitFor();
  await page.context().close();
}
