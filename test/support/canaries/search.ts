/** Many needles, one pass: what it costs grows with the text and hardly with the number of secrets. */
export interface Found {
  /** Of the secret. */
  name: string;
  /** Where it stands, shortened, without the secret. */
  line: string;
}

export interface Search {
  /** @returns whether it was new */
  add(name: string, secret: string): boolean;
  find(text: string): Found | undefined;
}

interface Needle {
  name: string;
  text: string;
}

/** Shorter than this it may stand somewhere by chance. */
const shortest = 8;
const slots = 1 << 20;

export function createSearch(): Search {
  const known = new Set<string>();
  // which four characters a needle may begin with; most places of a text are ruled out by it
  const filter = new Uint8Array(slots);
  const byStart = new Map<string, Needle[]>();

  function plant(name: string, text: string): void {
    const start = text.slice(0, 4);
    let last = 0;
    for (let i = 0; i < 4; i++) last = shifted(last, start.charCodeAt(i));
    filter[slotOf(last)] = 1;
    const others = byStart.get(start);
    if (others) others.push({ name, text });
    else byStart.set(start, [{ name, text }]);
  }

  return {
    add(name, secret) {
      if (secret.length < shortest || known.has(secret)) return false;
      known.add(secret);
      // the end of what is long: JWTs have their beginning in common, and their signature to themselves
      plant(name, secret.slice(-32));
      // of what is random the beginning is as telling: a log may cut. Behind the partition, which every id shows
      if (/^[\w-]{40,}$/.test(secret)) plant(name, secret.slice(2, 18));
      return true;
    },

    find(text) {
      let last = 0;
      for (let i = 0; i < text.length; i++) {
        last = shifted(last, text.charCodeAt(i));
        if (filter[slotOf(last)] === 0 || i < 3) continue;
        const at = i - 3;
        const needle = byStart.get(text.slice(at, at + 4))?.find((each) => text.startsWith(each.text, at));
        if (needle) return { name: needle.name, line: lineAround(text, at, needle) };
      }
      return undefined;
    },
  };
}

const shifted = (last: number, code: number) => (last << 8) | (code & 0xff);
const slotOf = (last: number) => (last ^ (last >>> 12)) & (slots - 1);

/** A hundred characters before it and after, of its own line, and nothing of the word that it stands in. */
function lineAround(text: string, at: number, { name, text: secret }: Needle): string {
  const before = text.slice(Math.max(0, at - 100), at).replace(/^.*\n|[\w-]*$/gs, '');
  const after = text.slice(at + secret.length, at + secret.length + 100).replace(/^[\w-]*|\n.*$/gs, '');
  return `…${before}‹${name}›${after}…`;
}
