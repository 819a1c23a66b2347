import type { Config } from './config.ts';

export interface Addresses {
  public: string;
  management: string;
  authenticator: string;
}

/** What somebody sees who has just typed `npm start`: where to look, and the one thing to do first. */
export function welcome(config: Config, addresses: Addresses): string {
  const user = config.seed.users[0]?.username ?? 'alice';
  const demo = config.demo.enabled
    ? [
        '',
        `  1. Enroll this browser as ${user}'s authenticator:  ${config.issuer}/demo/enroll?user=${user}`,
        `  2. In a second window, be the help desk:          ${config.issuer}/demo/helpdesk`,
        `     or the TV:                                     ${config.issuer}/demo/tv`,
        `     or a website:                                  ${config.issuer}/demo/web`,
      ]
    : [];
  // the command line knows the usual address by itself
  const at = config.issuer === 'http://localhost:3000' ? '' : ` --issuer ${config.issuer}`;
  const lines = [
    '',
    `  Assent is ready.                       (development: demo users and secrets that everybody knows)`,
    ...demo,
    '',
    `  Issuer          ${config.issuer}`,
    `  Discovery       ${config.issuer}/.well-known/openid-configuration`,
    `  Authenticator   ${config.authenticator.origin}`,
    `  Management API  ${addresses.management}/management/v1    key: ${config.management.apiKeys.find((key) => key.key)?.key ?? 'none'}`,
    `  Users           ${config.seed.users.map((person) => person.username).join(', ')}`,
    `  Store           ${config.store}`,
    '',
    `  Without a browser:  npx assent device enroll "${config.issuer}/demo/enroll?user=${user}"`,
    `                      npx assent ciba login --client demo-helpdesk --hint ${user} --text "Case 4711"${at}`,
    '                      npx assent device approve',
    '',
    '  Stop with Ctrl+C.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}
