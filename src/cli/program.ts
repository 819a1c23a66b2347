/** Names, arguments and options of every command. What a command does lies in its own file, loaded when it runs. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { reasons } from './answer.ts';
import { assent } from './command-name.ts';
import { createRun, type Run } from './run.ts';
import type { Terminal } from './terminal.ts';

// biome-ignore lint/suspicious/noExplicitAny: commander hands over whatever was declared beside the action
type Action = (run: Run, ...given: any[]) => Promise<void>;

export function createProgram(terminal: Terminal): Command {
  const program = new Command('assent')
    .description('CIBA authorization server with the approval side included.')
    .usage('<command> [options]')
    .version(versionHere(), '--version', 'print the version')
    // an option belongs to the command before it: `ticket` and `ticket confirm` have the same ones
    .enablePositionalOptions()
    .exitOverride()
    // main.ts says what went wrong, in the words of every other failure
    .configureOutput({ outputError: () => {}, writeErr: (text) => terminal.say(text.trimEnd()) })
    .addHelpText(
      'after',
      '\nEvery command takes --json. Exit status: 0 done, 1 the answer was no, 2 could not be done.',
    );
  const does = (command: Command, load: () => Promise<Action>) =>
    command.option('--json', 'print JSON').action(async (...given: unknown[]) => {
      const { json = false } = command.opts<{ json?: boolean }>();
      given.pop(); // the command itself
      await (await load())(createRun(terminal, json), ...given);
    });
  addServer(program, does);
  addPeople(program, does);
  addDevice(program, does);
  addCiba(program, does);
  return program;
}

function versionHere(): string {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version;
}

type Does = (command: Command, load: () => Promise<Action>) => Command;

function addServer(program: Command, does: Does): void {
  program.commandsGroup('The server:');
  const load = () => import('./operator-commands.ts');
  const config = new Option('--config <file>', 'configuration file').env('ASSENT_CONFIG');

  does(
    program.command('serve').description('run the server').addOption(config),
    async () => (await load()).serveCommand,
  );
  const init = program
    .command('init')
    .description('write a configuration for production, with keys of its own')
    .argument('[folder]', 'where to', '.')
    .option('--issuer <url>', 'https address of the server')
    .option('--authenticator-origin <url>', 'https origin of the authenticator')
    .option(
      '--conformance',
      'for the OpenID conformance suite instead: with clients, keys, certificates and its settings',
    )
    .addOption(new Option('--suite <url>', 'with --conformance: where the suite is').default(suiteUrl));
  does(init, async () => (await load()).initCommand);

  const settings = program.command('config').description('the configuration');
  does(
    settings
      .command('check')
      .description('find what would stop a start; all problems at once')
      .argument('[file]', '(env: ASSENT_CONFIG; else assent.json where you stand)'),
    async () => (await load()).checkConfigCommand,
  );
  does(settings.command('docs').description('print the reference of all settings'), async () => {
    const { configDocsCommand } = await load();
    return configDocsCommand;
  });
  const store = program.command('store').description('the store');
  does(
    store.command('check').description('settings, integrity, schema, owner').addOption(config),
    async () => (await load()).checkStoreCommand,
  );
}

/** The one of the OpenID Foundation. */
const suiteUrl = 'https://www.certification.openid.net';

const states = [
  ['lock', 'refuse everything until it is unlocked'],
  ['unlock', 'let it work as before'],
  ['deactivate', 'end it for good'],
] as const;

function withManagement(command: Command): Command {
  return command
    .addOption(new Option('--management-url <url>', 'management API').env('ASSENT_MANAGEMENT_URL'))
    .addOption(new Option('--key <key>', 'API key (ASSENT_MANAGEMENT_KEY)'));
}

function addPeople(program: Command, does: Does): void {
  program.commandsGroup('People (management API):');
  const load = () => import('./people-commands.ts');
  const user = program.command('user').description('people in the identity store');
  const create = user
    .command('create')
    .description('add a person')
    .argument('<username>')
    .option('--name <name>')
    .option('--email <address>')
    .option('--phone <number>', 'with country code')
    .option('--external-ref <id>', 'your own identifier')
    .option('--language <tag>')
    .option('--attribute <name=value...>');
  does(withManagement(create), async () => (await load()).createUserCommand);
  const show = user.command('show').description('a person and their devices').argument('<user>');
  does(withManagement(show), async () => (await load()).showUserCommand);
  const list = user.command('list').description('everybody');
  does(withManagement(list), async () => (await load()).listUsersCommand);
  for (const [change, description] of states) {
    const command = user.command(change).description(description).argument('<user>');
    if (change === 'deactivate') command.option('--yes', 'do not ask');
    does(withManagement(command), async () => {
      const { changeUserCommand } = await load();
      return (run, named, options) => changeUserCommand(run, change, named, options);
    });
  }
  const lift = user
    .command('lift')
    .description('let clients ask again that were refused, or reported')
    .argument('<user>')
    .option('--client <id>', 'only this one');
  does(withManagement(lift), async () => (await load()).liftLimitsCommand);
  const ticket = program
    .command('ticket')
    .description('a link, a code and a QR that enroll a device')
    .argument('<user>')
    .option('--application <id>', 'default: the first active one')
    .option('--ttl <seconds>', 'how long it can be used', seconds)
    .option('--after <text>', 'what the new device shows once it is active');
  does(withManagement(ticket), async () => (await load()).ticketCommand);
  const confirm = ticket
    .command('confirm')
    .description('type the six digits that the new device shows')
    .argument('<user>')
    .argument('<operation>', 'of the ticket')
    .argument('<digits>');
  does(withManagement(confirm), async () => (await load()).confirmTicketCommand);
  program.commandsGroup('Management API:');
  const client = program.command('client').description('OAuth clients');
  const clients = () => import('./client-commands.ts');
  const register = client
    .command('create')
    .description('register one that polls; its secret is shown once')
    .argument('<name>', 'as people see it')
    .option('--metadata <json>', 'RFC 7591 metadata, and ours');
  does(withManagement(register), async () => (await clients()).createClientCommand);
  const everyClient = client.command('list').description('all, those of the configuration first');
  does(withManagement(everyClient), async () => (await clients()).listClientsCommand);
  const showClient = client.command('show').description('its metadata').argument('<client-id>');
  does(withManagement(showClient), async () => (await clients()).showClientCommand);
  const secret = client
    .command('secret')
    .description('make a new secret')
    .argument('<client-id>')
    .option('--overlap <seconds>', 'how long the former one is still accepted', seconds);
  does(withManagement(secret), async () => (await clients()).rotateSecretCommand);
  const signing = client
    .command('notification-secrets')
    .description('what signs pings and pushes to it')
    .argument('<client-id>');
  does(withManagement(signing), async () => (await clients()).notificationSecretsCommand);
  for (const change of ['activate', 'deactivate'] as const) {
    const command = client
      .command(change)
      .description(change === 'activate' ? 'switch it on' : 'switch it off')
      .argument('<client-id>');
    does(withManagement(command), async () => {
      const { switchClientCommand } = await clients();
      return (run, id, options) => switchClientCommand(run, change, id, options);
    });
  }
  const operation = program.command('operation').description('what was asked of people');
  const became = operation
    .command('show')
    .description('who was asked by whom, and what became of it')
    .argument('<operation-id>');
  does(withManagement(became), async () => (await import('./operation-commands.ts')).showOperationCommand);
  const proof = operation
    .command('pin-proof')
    .description('open the PIN proof of an approval, for a dispute; this is in the audit trail')
    .argument('<operation-id>')
    .requiredOption('--reason <text>', 'one line for the audit trail: the number of the case');
  does(withManagement(proof), async () => (await import('./operation-commands.ts')).pinProofCommand);
  const key = program.command('key').description("the server's keys");
  const keys = () => import('./key-commands.ts');
  const rotate = key
    .command('rotate')
    .description('publish successors, which sign when everybody has seen them')
    .addOption(
      new Option('--use <use>', 'oidc: of ID tokens; seal: of challenges and evidence')
        .choices(['oidc', 'seal'])
        .default('oidc'),
    )
    .addOption(new Option('--alg <alg>', 'only this algorithm').choices(['ES256', 'RS256', 'PS256', 'EdDSA']))
    .option('--immediate', 'sign with them at once')
    .option('--revoke', 'take the former keys back at once: they were lost');
  does(withManagement(rotate), async () => (await keys()).rotateKeysCommand);
  const masters = key.command('master').description('which master keys open the store');
  does(withManagement(masters), async () => (await keys()).showMasterKeysCommand);
  const renew = key.command('rotate-master').description('seal what is new under new key material');
  does(withManagement(renew), async () => (await keys()).rotateMasterKeyCommand);
  const forget = key
    .command('forget-master')
    .description('a former master key opens the store no longer')
    .argument('<id>');
  does(withManagement(forget), async () => (await keys()).forgetMasterKeyCommand);
}

function addDevice(program: Command, does: Does): void {
  program.commandsGroup('Approving:');
  const device = program.command('device').description('a software authenticator on this computer; and all devices');
  device.commandsGroup('This computer as an authenticator:');
  const load = () => import('./device-commands.ts');
  const here = (name: string, description: string) =>
    device.command(name).description(description).option('--device <name>', 'which one of this computer', 'default');
  const wait = new Option('--wait <seconds>', 'for a request, where none is there').argParser(seconds);
  const pin = new Option('--pin <digits>', 'asked for where it is not given');

  const enroll = here('enroll', 'make this computer a device of a person')
    .argument('[address]', 'link, address that leads to one, or activation code; none: go on where it was interrupted')
    .addOption(pin)
    .option('--user <user>', 'with an activation code: whose it is')
    .option('--authenticator <url>', 'with an activation code: where')
    .option('--replace', "give up another person's device in its place");
  does(enroll, async () => (await load()).enrollCommand);
  does(here('inbox', 'requests that wait for an answer'), async () => (await load()).inboxCommand);
  const approve = here('approve', 'show a request and approve it')
    .argument('[request]', 'the only one, or the next')
    .addOption(pin)
    .option('--match <number>', 'the number that is shown there')
    .option('--document <file>', 'where to write the document that the request is about')
    .addOption(wait);
  does(approve, async () => (await load()).approveCommand);
  const deny = here('deny', 'show a request and deny it')
    .argument('[request]', 'the only one, or the next')
    .addOption(new Option('--reason <reason>').choices(reasons))
    .addOption(wait);
  does(deny, async () => (await load()).denyCommand);
  const claim = here('claim', 'take what another screen offers as a QR code, to be asked it here').argument(
    '<link>',
    'what the QR code holds, or its link: quote it',
  );
  does(claim, async () => (await load()).claimCommand);
  const watch = here('watch', 'show requests as they come').option('--wait <seconds>', 'then stop', seconds);
  does(watch, async () => (await load()).watchCommand);
  does(here('status', 'how the server sees it'), async () => (await load()).statusCommand);
  does(here('dismiss', 'put away what was told of other devices'), async () => (await load()).dismissCommand);
  const revoke = here('revoke', 'take away a device that was enrolled after this one').argument('<device-id>');
  does(revoke, async () => (await load()).revokeCommand);
  const upkeep = () => import('./device-upkeep.ts');
  const ticket = new Option('--ticket <link>', 'where there is no PIN: a fresh enrollment link, which is used up');
  const newPin = here('pin', 'change its PIN; give it one, or take it away')
    .addOption(new Option('--pin <digits>', 'the present one; asked for where it is not given'))
    .option('--new-pin <digits>', 'asked for, twice, where it is not given')
    .option('--remove', 'do without a PIN')
    .addOption(ticket)
    .addHelpText('after', '\nA PIN that is forgotten cannot be changed: enroll again, with a new link.');
  does(newPin, async () => (await upkeep()).pinCommand);
  const rotate = here('rotate', 'give it new keys; copies of the old ones are worth nothing any longer')
    .addOption(pin)
    .addOption(ticket);
  does(rotate, async () => (await upkeep()).rotateCommand);
  const another = here('ticket', 'a link that makes another device one of the same person')
    .addOption(pin)
    .option('--application <id>', 'of which application; default: of the same')
    .option('--ttl <seconds>', 'how long it can be used; default: 300', seconds)
    .addHelpText(
      'after',
      `\nWhere a person may have only one device of an application, end this one before the link is opened:\n  ${assent} device unenroll`,
    );
  does(another, async () => (await upkeep()).deviceTicketCommand);
  does(here('unenroll', 'end it, and erase its keys'), async () => (await load()).unenrollCommand);

  device.commandsGroup("Everybody's devices (management API):");
  const people = () => import('./people-commands.ts');
  const list = device.command('list').description('all, or those of a user').argument('[user]');
  does(withManagement(list), async () => (await people()).listDevicesCommand);
  for (const [change, description] of states) {
    const command = device.command(change).description(description).argument('<device-id>');
    if (change === 'deactivate') command.option('--yes', 'do not ask');
    does(withManagement(command), async () => {
      const { changeDeviceCommand } = await people();
      return (run, id, options) => changeDeviceCommand(run, change, id, options);
    });
  }
}

function addCiba(program: Command, does: Does): void {
  program.commandsGroup('Asking:');
  const ciba = program.command('ciba').description('ask for an approval as a client does');
  const load = () => import('./ciba-commands.ts');
  const asClient = (name: string, description: string) =>
    ciba
      .command(name)
      .description(description)
      .requiredOption('--client <id>', 'client_id')
      .option('--secret <secret>', 'ASSENT_CLIENT_SECRET, or of the development configuration')
      .addOption(new Option('--issuer <url>', 'default: http://localhost:3000'));
  const asking = (command: Command) =>
    command
      .requiredOption('--hint <hint>', 'user name, e-mail, phone … (login_hint)')
      .option('--text <text>', 'what the person reads (binding_message)')
      .option('--document <file>', 'what the person is to agree to: a text, a PDF or an image')
      .option('--scope <scopes>', 'what is asked for', 'openid profile email')
      .option('--acr <values>', 'acr_values')
      .option('--expiry <seconds>', 'requested_expiry', seconds);
  const waiting = (command: Command) =>
    command
      .option('--wait <seconds>', 'for the answer', seconds)
      .option('--show-tokens', 'print the tokens themselves');

  does(asking(asClient('start', 'start a request and return')), async () => (await load()).startCommand);
  const poll = waiting(asClient('poll', 'wait for the answer to a request'))
    .addArgument(new Argument('<auth_req_id>'))
    .option('--interval <seconds>', 'between two polls', seconds);
  does(poll, async () => (await load()).pollCommand);
  does(waiting(asking(asClient('login', 'start, wait, print who it is'))), async () => (await load()).loginCommand);
}

function seconds(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number of seconds.');
}
