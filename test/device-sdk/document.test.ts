import { randomBytes } from 'node:crypto';
import { type Document, readDocument } from '../../src/domain/document.ts';
import { enrolled, PIN } from './enrolled.ts';

const limits = { maxBytes: 1024 * 1024 };
const terms = 'Terms of the loan\n\n1.\tThe rate is 4,10 %.\n2.\tΩ\n';
const aText = () => readDocument({ title: 'Loan', mime: 'text/plain', content: terms }, limits);
const aFile = (content: Buffer) =>
  readDocument({ title: 'Contract', mime: 'application/pdf', content: content.toString('base64') }, limits);

async function asked(document: Document) {
  const { server, device } = await enrolled();
  const op = server.start({ document });
  return { server, device, operation: server.operations.get(op)!, view: await device.present(op) };
}

test('a document stands in what is shown, and comes apart, as the very bytes', async () => {
  const { server, device, view } = await asked(aText());
  expect(view.document).toEqual({
    title: 'Loan',
    mime: 'text/plain',
    sha256: expect.stringMatching(/^[\w-]{43}$/),
    size: Buffer.byteLength(terms),
    display: 'text',
  });
  expect(Buffer.from(await device.document(view)).toString()).toBe(terms);
  expect(await device.decide(view, { decision: 'approve', pin: PIN })).toMatchObject({ state: 'approved' });
  const wire = server.seen.map(({ up, down }) => up + down).join();
  expect(wire).not.toContain(Buffer.from(terms).toString('base64url').slice(0, 40));
});

test('what does not fit into one message comes in pieces, none longer than a message may be', async () => {
  const content = randomBytes(40_000);
  const { server, device, view } = await asked(aFile(content));
  expect(Buffer.from(await device.document(view)).equals(content)).toBe(true);
  const pieces = server.seen.filter(({ path }) => path === 'document');
  expect(pieces).toHaveLength(3);
  expect(Math.max(...pieces.map(({ down }) => down.length))).toBeLessThan(56 * 1024);
});

test('nothing is approved before the document was there; a denial needs none', async () => {
  const { server, device, view } = await asked(aText());
  const before = server.seen.length;
  await expect(device.decide(view, { decision: 'approve', pin: PIN })).rejects.toMatchObject({
    code: 'document_unread',
  });
  expect(server.seen).toHaveLength(before);
  expect(await device.decide(view, { decision: 'deny', reason: 'incorrect_data' })).toMatchObject({ state: 'denied' });
});

test('another content under the right hash is not given out, and opens no way to an approval', async () => {
  const content = randomBytes(20_000);
  const { device, operation, view } = await asked(aFile(content));
  for (const wrong of [
    Buffer.concat([content.subarray(0, -1), Buffer.from([content.at(-1)! ^ 1])]),
    content.subarray(1),
    Buffer.concat([content, Buffer.from('%')]),
  ]) {
    operation.document!.content = wrong;
    await expect(device.document(view)).rejects.toMatchObject({ code: 'document_changed' });
  }
  await expect(device.decide(view, { decision: 'approve', pin: PIN })).rejects.toMatchObject({
    code: 'document_unread',
  });
});

test('of a document whose hash alone is known, that is said, and there is nothing to fetch', async () => {
  const hash = aText().shown.sha256;
  const document = readDocument({ title: 'Deed', mime: 'application/pdf', content_sha256: hash }, limits);
  const { device, view } = await asked(document);
  expect(view.document).toEqual({ title: 'Deed', mime: 'application/pdf', sha256: hash, display: 'external' });
  await expect(device.document(view)).rejects.toMatchObject({ code: 'document_not_found' });
  expect(await device.decide(view, { decision: 'approve', pin: PIN })).toMatchObject({ state: 'approved' });
});

test('a document that this version does not know how to show cannot be approved', async () => {
  const { shown, content } = aText();
  const { server, device } = await enrolled();
  const op = server.start({ document: { shown: { ...shown, display: 'hologram' as 'text' }, content: content! } });
  await expect(device.present(op)).rejects.toMatchObject({ code: 'challenge_invalid' });
});
