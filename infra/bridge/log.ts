/** What the bridge says: a line a message, as text for people, or as JSON for what collects it. */
import type { BridgeSettings } from './bridge-settings.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export type Level = (typeof LEVELS)[number];
export type Log = Record<Level, (message: string) => void>;

export type LogOptions = {
  level: BridgeSettings['LOG_LEVEL'];
  format: BridgeSettings['LOG_FORMAT'];
  /** Which bridge says it. */
  bridge: string;
  write(line: string): void;
};

export const createLog = ({ level: least, format, bridge, write }: LogOptions): Log => {
  const say = (level: Level) => (message: string) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    const time = new Date().toISOString();
    write(format === 'json' ? `${JSON.stringify({ time, level, message, bridge })}\n` : `${time} ${level} ${message}\n`);
  };
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
};
