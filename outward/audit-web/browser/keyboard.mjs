// The pages by keyboard alone: the keys of the script, the order of the focus, and its mark.

export async function keyboard(viewer) {
  await keys(viewer);
  await fields(viewer);
  await switchedOff(viewer);
  await focus(viewer);
}

const active = (page, read) => page.evaluate(read);

async function keys(viewer) {
  const page = await viewer.page();
  await page.goto(viewer.at('search'));
  const entry = (index) => page.locator('tr.entry').nth(index);
  const isCurrent = async (index) => (await entry(index).getAttribute('class')).includes('current');
  await page.keyboard.press('j');
  viewer.expect(await isCurrent(0), 'j does not select the first entry');
  await page.keyboard.press('j');
  viewer.expect(await isCurrent(1), 'j does not select the next entry');
  await page.keyboard.press('k');
  viewer.expect(await isCurrent(0), 'k does not select the entry before');
  const link = await entry(0).locator('.when a').getAttribute('href');
  await page.keyboard.press('o');
  await page.waitForURL(viewer.at(link));
  await page.keyboard.press('?');
  await page.waitForURL(viewer.at('help'));
  await page.goto(viewer.at('overview?lang=de'));
  await page.keyboard.press('?');
  await page.waitForURL(viewer.at('help?lang=de'));
  await page.goto(viewer.at('search'));
  await page.keyboard.press('/');
  viewer.expect(await active(page, () => document.activeElement.id === 'q'), '/ does not go to the query');
  await page.context().close();
}

/** Keys in a field are text. */
async function fields(viewer) {
  const page = await viewer.page();
  await page.goto(viewer.at('search?q='));
  await page.locator('#q').focus();
  await page.keyboard.type('jko/?');
  viewer.expect(await page.locator('#q').inputValue() === 'jko/?', 'a key in the query is not text');
  viewer.expect(page.url() === viewer.at('search?q='), 'a key in the query leaves the page');
  await page.locator('#q').fill('action:create');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=action%3Acreate/);
  await page.context().close();
}

async function switchedOff(viewer) {
  const page = await viewer.page();
  await page.goto(viewer.at('help'));
  const button = page.locator('#key-choice button');
  await button.focus();
  await page.keyboard.press('Enter');
  await page.goto(viewer.at('search'));
  await page.keyboard.press('j');
  viewer.expect(await page.locator('tr.current').count() === 0, 'a key works although the keys are off');
  await page.context().close();
}

/** Tab reaches every control, with a mark that is visible, and begins at a link to the content. */
async function focus(viewer) {
  for (const path of ['search', 'overview', 'help', 'live']) {
    const page = await viewer.page();
    await page.goto(viewer.at(path));
    const expected = await page.locator('a[href], button, input:not([type=hidden]), select, summary').evaluateAll(
      (nodes) => nodes.filter((node) => node.checkVisibility()).length,
    );
    await page.keyboard.press('Tab');
    const first = await active(page, () => document.activeElement.getAttribute('href'));
    viewer.expect(first === '#main', `${path}: Tab begins at ${first}`);
    let reached = 1;
    let unmarked = 0;
    for (; reached < expected; reached += 1) {
      await page.keyboard.press('Tab');
      const state = await active(page, () => {
        const node = document.activeElement;
        const style = getComputedStyle(node);
        return { isBody: node === document.body, isMarked: style.outlineStyle !== 'none' };
      });
      if (state.isBody) break;
      unmarked += state.isMarked ? 0 : 1;
    }
    viewer.expect(reached === expected, `${path}: Tab reaches ${reached} of ${expected} controls`);
    viewer.expect(unmarked === 0, `${path}: ${unmarked} controls have no mark of the focus`);
    await page.context().close();
  }
}
