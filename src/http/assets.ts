import { allow } from './health.ts';
import type { Middleware } from './middleware/context.ts';
import type { Asset } from './pages/assets.ts';

/** Public name (`app.js`) -> file, in memory; `index.html` is `/`. Made by pages/assets.ts. */
export type StaticAssets = ReadonlyMap<string, Asset>;

/** Files that are the same for everybody. The browser asks each time and gets a 304: an update is never a day away. */
export function staticAssets(assets: StaticAssets): Middleware {
  return async (ctx, next) => {
    const asset = assets.get(ctx.path === '/' ? 'index.html' : ctx.path.slice(1));
    if (!asset) return next();
    allow(ctx, ['GET', 'HEAD']);
    ctx.status = 200;
    ctx.set({ 'cache-control': 'no-cache', etag: asset.etag });
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.body = asset.body;
    ctx.set('content-type', asset.type); // Koa has guessed one from the body
  };
}
