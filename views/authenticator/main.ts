// The web authenticator. The ticket is taken out of the address before anything else runs: it must not stay in the
// history, and nobody who looks over a shoulder should see it.
const ticketLink = location.hash.includes('t=') ? location.href : undefined;
if (location.hash) history.replaceState(null, '', location.pathname);

const { start } = await import('./start.ts');
await start(ticketLink);

export {};
