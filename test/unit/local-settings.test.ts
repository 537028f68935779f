import { describe, expect, it } from 'vitest';
import { readSettings } from '#infra/local/settings.ts';

describe('the settings of the local stack', () => {
  it('have defaults, also for what is set to nothing', () => {
    expect(readSettings({ NATS_URL: '', NATS_PORT: '' })).toEqual({
      NATS_INBOX: '_INBOX',
      NATS_PORT: 4222,
      HTTP_PORT: 8080,
      DATA_DIR: expect.stringMatching(/\/\.mistersmith\/data$/),
      TABLE_NAME: 'mistersmith',
      LOG_LEVEL: 'info',
      WORK_DOMAINS: [],
      WORK_CORE_DOMAINS: [],
    });
  });

  it('take any free port and several servers', () => {
    const settings = readSettings({ NATS_PORT: '0', NATS_URL: 'nats://a:4222,tls://b', LOG_LEVEL: 'DEBUG' });
    expect(settings).toMatchObject({ NATS_PORT: 0, NATS_URL: 'nats://a:4222,tls://b', LOG_LEVEL: 'debug' });
  });

  it('say which domains queue their work, each of them once', () => {
    const settings = readSettings({ WORK_DOMAINS: 'nlp, ml,nlp', WORK_CORE_DOMAINS: 'vision' });
    expect(settings).toMatchObject({ WORK_DOMAINS: ['nlp', 'ml'], WORK_CORE_DOMAINS: ['vision'] });
  });

  it('say all mistakes at once, with the value', () => {
    const wrong = { NATS_URL: 'http://a', NATS_PORT: '65536', HTTP_PORT: 'x', TABLE_NAME: 'a b', LOG_LEVEL: 'loud' };
    for (const [name, value] of Object.entries(wrong)) expect(() => readSettings(wrong)).toThrow(`${name} ("${value}")`);
  });
});
