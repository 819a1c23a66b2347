/**
 * Runs the FAPI-CIBA plan of the OpenID conformance suite through the suite's own API (docs/conformance.md):
 *
 *   node scripts/oidf-plan.ts https://localhost:8443 ./conformance/suite-ping-mtls.json [module…]
 *
 * One file is one variant, said by its name. Every module runs after the other, as they share one alias. Prints a row for
 * each, with the conditions that did not succeed; status 1 when a module failed, or did not come to an end.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const PLAN = 'fapi-ciba-id1-test-plan';
/** What a module may take: those that wait for a late answer poll for minutes. */
const PATIENCE_SECONDS = 480;

const [suite, file, ...only] = process.argv.slice(2);
const [, mode, authentication] = /^suite-(poll|ping)-(private_key_jwt|mtls)\.json$/.exec(basename(file ?? '')) ?? [];
if (!suite || !file || !mode || !authentication) {
  process.stderr.write(
    'usage: oidf-plan.ts <suite> <folder>/suite-<poll|ping>-<private_key_jwt|mtls>.json [module…]\n',
  );
  process.exit(2);
}

interface Module {
  testModule: string;
  variant: object | null;
}
interface Condition {
  src: string;
  msg: string;
  result?: string;
}

/** The certification site gives tokens on its page “API tokens”. A suite in its development mode needs none. */
const token = process.env['CONFORMANCE_TOKEN'];

async function call<Answer>(method: string, path: string, query: Record<string, string> = {}, body?: string) {
  const answer = await fetch(new URL(`/api/${path}?${new URLSearchParams(query)}`, suite), {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return JSON.parse(text) as Answer;
}

async function outcomeOf(plan: string, { testModule, variant }: Module) {
  const { id } = await call<{ id: string }>('POST', 'runner', {
    plan,
    test: testModule,
    variant: JSON.stringify(variant ?? {}),
  });
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  let state = 'CREATED';
  while (!['FINISHED', 'INTERRUPTED'].includes(state) && seconds() < PATIENCE_SECONDS) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    state = (await call<{ status: string }>('GET', `info/${id}`)).status;
  }
  const { result } = await call<{ result?: string }>('GET', `info/${id}`);
  const log = await call<Condition[]>('GET', `log/${id}`);
  const marked = log.filter((entry) => ['FAILURE', 'WARNING', 'REVIEW'].includes(entry.result ?? ''));
  return { id, result: state === 'FINISHED' ? (result ?? 'UNKNOWN') : state, marked, seconds: seconds() };
}

const settings = readFileSync(file, 'utf8');
/** Without an id the suite registers the clients itself. */
const isRegistered = JSON.parse(settings).client?.client_id !== undefined;
const variant = {
  fapi_ciba_profile: 'plain_fapi',
  client_registration: isRegistered ? 'static_client' : 'dynamic_client',
  ciba_mode: mode,
  client_auth_type: authentication,
};
const { version, revision } = await call<{ version: string; revision: string }>('GET', 'server');
const plan = await call<{ id: string; modules: Module[] }>(
  'POST',
  'plan',
  { planName: PLAN, variant: JSON.stringify(variant) },
  settings,
);
const modules = plan.modules.filter(({ testModule }) => only.length === 0 || only.includes(testModule));
const say = (text: string) => void process.stdout.write(`${text}\n`);
say(`${PLAN}, suite ${version} (${revision}), ${mode}, ${authentication}, ${modules.length} modules, plan ${plan.id}`);

const counts: Record<string, number> = {};
for (const module of modules) {
  const { id, result, marked, seconds } = await outcomeOf(plan.id, module);
  counts[result] = (counts[result] ?? 0) + 1;
  say(`${result.padEnd(12)} ${String(seconds).padStart(4)} s  ${module.testModule}  ${id}`);
  for (const { result, src, msg } of marked) say(`    ${result}  ${src}: ${msg}`);
}
say(
  Object.entries(counts)
    .map(([result, count]) => `${count} ${result}`)
    .join(', '),
);
process.exitCode = Object.keys(counts).every((result) => ['PASSED', 'WARNING', 'REVIEW', 'SKIPPED'].includes(result))
  ? 0
  : 1;
