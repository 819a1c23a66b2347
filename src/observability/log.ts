import { createLogger, format, transports } from 'winston';
import { redact, redactText } from './redact.ts';
import { currentTrace } from './trace.ts';

export type LogFields = Record<string, unknown>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One event per line: a fixed name, and fields. `log.info('operation.decided', { operationId, decision: 'approved' })` */
export type Log = Record<LogLevel, (event: string, fields?: LogFields) => void>;

export interface LogOptions {
  level?: LogLevel;
  /** Where the lines go; standard output unless a test wants to read them. */
  stream?: NodeJS.WritableStream;
  now?: () => number;
}

/**
 * JSON lines. Everything is masked here, at the last boundary, so that no caller has to remember it; what a caller knows
 * to be secret it should still not pass.
 */
export function createLog({ level = 'info', stream = process.stdout, now = Date.now }: LogOptions = {}): Log {
  const logger = createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: format.printf(({ level: at, message, fields }) => asLine(at, String(message), fields as LogFields, now())),
    // A stream transport writes in order and without a buffer of its own; a broken pipe must not end the server.
    transports: [new transports.Stream({ stream, eol: '\n' })],
    exitOnError: false,
  });
  const write = (at: LogLevel) => {
    // the level stays: to ask winston again costs more than all else of a line that is not written
    if (!logger.isLevelEnabled(at)) return () => {};
    return (event: string, fields: LogFields = {}) => void logger.log({ level: at, message: event, fields });
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/** A log that nobody reads, for tests and tools. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

function asLine(level: string, event: string, fields: LogFields, now: number): string {
  const trace = currentTrace();
  const head = { time: new Date(now).toISOString(), level, event: redactText(event) };
  const masked = redact(fields) as LogFields;
  // the head comes last where names collide: no field can pretend to be another event
  return escapeControls(JSON.stringify({ ...head, ...(trace && { trace_id: trace.traceId }), ...masked, ...head }));
}

// What JSON leaves as it is but a terminal or a log viewer acts upon: C1 controls, line and paragraph separators,
// direction overrides, invisible characters. JSON itself escapes everything below U+0020.
const dangerous = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function escapeControls(line: string): string {
  return line.replace(dangerous, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
