import { allow } from './health.ts';
import type { Middleware } from './middleware/context.ts';
import type { Assets } from './pages/assets.ts';

/** Files that are the same for everybody; `index.html` is `/`. The browser asks each time and gets a 304: an update is never a day away. */
export function staticAssets(assets: Assets): Middleware {
  return async (ctx, next) => {
    const asset = await assets.get(ctx.path === '/' ? 'index.html' : ctx.path.slice(1));
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
