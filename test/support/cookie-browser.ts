/** A browser that knows cookies and redirects, and no script. */

export interface Shown {
  status: number;
  /** The last address; at the relying party nothing was fetched. */
  url: URL;
  html: string;
  headers: Headers;
  title: string;
}

/** Follows redirects until somebody else's address, and keeps cookies by name and path. */
export function browserOf(scene: { issuer: string; origin: string }) {
  const jar = new Map<string, { name: string; value: string; path: string }>();
  const headers: string[] = [];
  const keep = (header: string) => {
    headers.push(header);
    const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
    const [name = '', value = ''] = pair.split(/=(.*)/s);
    const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/';
    const isGone = /expires=Thu, 01 Jan 1970/i.test(header);
    if (isGone) jar.delete(`${name} ${path}`);
    else jar.set(`${name} ${path}`, { name, value, path });
  };
  const cookiesFor = ({ pathname }: URL) =>
    [...jar.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');

  async function go(to: string | URL, init: RequestInit = {}): Promise<Shown> {
    const url = new URL(to, scene.issuer);
    if (url.origin !== new URL(scene.issuer).origin)
      return { status: 0, url, html: '', headers: new Headers(), title: '' };
    const sent = { cookie: cookiesFor(url), ...(init.headers as Record<string, string>) };
    // a proxy in front may be what speaks https
    const at = scene.origin + url.pathname + url.search;
    const response = await fetch(at, { ...init, headers: sent, redirect: 'manual' });
    for (const each of response.headers.getSetCookie()) keep(each);
    const location = response.headers.get('location');
    if (location) return go(new URL(location, url));
    const html = await response.text();
    const title = /<title>(.*?) ·/.exec(html)?.[1] ?? '';
    return { status: response.status, url, html, headers: response.headers, title };
  }
  return {
    jar,
    /** Every `Set-Cookie` so far. */
    headers,
    go,
    post: (to: string | URL, form: Record<string, string>, headers: Record<string, string> = {}) =>
      go(to, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { origin: new URL(scene.issuer).origin, 'sec-fetch-site': 'same-origin', ...headers },
      }),
  };
}
