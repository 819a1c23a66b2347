const script = '/sw.js';

/** Without one (private windows) everything works; the app only cannot be opened offline. */
export function registerServiceWorker(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  // The page's policy (security-headers.ts) allows this name alone, and what has it makes this address alone.
  const policy = trustedTypes?.createPolicy('assent-service-worker', { createScriptURL: onlyOurs });
  const url = policy ? policy.createScriptURL(script) : script;
  navigator.serviceWorker?.register(url as string, { type: 'module' }).catch(() => {});
}

function onlyOurs(url: string): string {
  if (url !== script) throw new TypeError('only the service worker may be loaded');
  return url;
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): unknown };
}
