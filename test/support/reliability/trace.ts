/**
 * Reads what strace saw of a server on the embedded store, and says which answers left before the disk had what they
 * rest on (RL-05: power loss, without losing power).
 */
export interface Acknowledgement {
  /** `POST /bc-authorize`, as the request line had it. */
  request: string;
  /** A page of the log was written after the request arrived, and a sync of it completed before the answer left. */
  isDurable: boolean;
}

/** -D keeps strace out of the way: signals meant for the server reach it. -y names the file behind each descriptor. */
export function straceArguments(output: string, inject: string[] = []): string[] {
  const calls = 'trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync';
  const faults = inject.flatMap((each) => ['-e', `inject=${each}`]);
  return ['-D', '-f', '-y', '-s', '80', '--seccomp-bpf', '-e', calls, ...faults, '-o', output];
}

interface Open {
  request: string;
  /** none → written → synced */
  log: 'none' | 'written' | 'synced';
}

/** Every 200 to a request that `isCritical` names, in the order in which they left. */
export function acknowledgements(trace: string, isCritical: (request: string) => boolean): Acknowledgement[] {
  const open = new Map<string, Open>();
  const syncing = new Set<string>();
  const halves = new Map<string, string>();
  const found: Acknowledgement[] = [];
  const synced = () => {
    for (const each of open.values()) if (each.log === 'written') each.log = 'synced';
  };

  for (const raw of trace.split('\n')) {
    const thread = raw.split(' ', 1)[0]!;
    const line = wholeLine(raw, thread, halves);
    if (/\bpwrite(64|v)\(\d+<[^>]*-wal>/.test(line)) {
      for (const each of open.values()) if (each.log === 'none') each.log = 'written';
    } else if (/\bf(data)?sync\(\d+<[^>]*-wal>/.test(line)) {
      // a sync that a test made to be none says so at the end of its line
      if (line.endsWith('= 0')) synced();
      else if (raw.includes('<unfinished')) syncing.add(thread);
    } else if (/<\.\.\. f(data)?sync resumed>/.test(raw)) {
      if (syncing.delete(thread) && raw.endsWith('= 0')) synced();
    } else if (/\b(read|readv|recvfrom|recvmsg)\(\d+<(socket|TCP)/.test(line)) {
      const request = /"((?:GET|POST|DELETE) [^ ?]+)/.exec(line)?.[1];
      if (request !== undefined) open.set(socketOf(line), { request, log: 'none' });
    } else if (/\b(write|writev|sendto|sendmsg)\(\d+<(socket|TCP)/.test(line) && line.includes('"HTTP/1.1 ')) {
      const answered = open.get(socketOf(line));
      open.delete(socketOf(line));
      if (answered && line.includes('"HTTP/1.1 200') && isCritical(answered.request))
        found.push({ request: answered.request, isDurable: answered.log === 'synced' });
    }
  }
  return found;
}

const socketOf = (line: string) => /\d+<(?:socket|TCP)[^>]*>/.exec(line)![0];

/** What a call that another thread interrupted has read stands in its second line, its descriptor in the first. */
function wholeLine(raw: string, thread: string, halves: Map<string, string>): string {
  if (raw.includes('<unfinished')) {
    halves.set(thread, raw);
    // what is written is known from the beginning; what is read, only at the end
    return /\b(read|readv|recvfrom|recvmsg)\(/.test(raw) ? '' : raw;
  }
  const resumed = /<\.\.\. (read|readv|recvfrom|recvmsg) resumed>/.test(raw);
  return resumed ? `${halves.get(thread) ?? ''}${raw}` : raw;
}
