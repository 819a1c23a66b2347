// The web authenticator. A ticket, or the code of another screen, is taken out of the address before anything else runs: it must not
// stay in the history, and nobody who looks over a shoulder should see it.
const given = new URLSearchParams(location.hash.slice(1));
const ticketLink = given.has('t') ? location.href : undefined;
const claimLink = given.has('c') ? location.href : undefined;
if (location.hash) history.replaceState(null, '', location.pathname);
// a link that is opened in this very tab changes the address alone
addEventListener('hashchange', () => location.reload());

const { start } = await import('./start.ts');
await start({ ticketLink, claimLink });

export {};
