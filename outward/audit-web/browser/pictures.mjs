// Writes the pictures of `docs/viewer.md` into `settings.folder`.
import path from 'node:path';

export async function pictures(viewer, settings) {
  const { object } = settings;
  const own = `model=${encodeURIComponent(object.model)}&key=${encodeURIComponent(object.key)}`;
  const take = async (name, path_, options) => {
    const page = await viewer.page({ timezoneId: 'UTC', ...options });
    await page.goto(viewer.at(path_));
    await page.screenshot({ path: path.join(settings.folder, name) });
    await page.context().close();
  };
  await take('viewer-search.png', 'search', { width: 1200, height: 760 });
  await take('viewer-object.png', `object?${own}&at=${object.at}`, { width: 1200, height: 760, colorScheme: 'dark' });
}
