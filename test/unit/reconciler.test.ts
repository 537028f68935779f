import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Found, sweeps } from '#functions/reconciler/decide.ts';
import { type Circuit, newCircuit } from '#shared/circuit/circuit.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { ownerOf } from '#shared/kinds.ts';
import { controlReconcilerRun } from '#shared/messages/control.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { drive, received, START } from '#test/support/decide.ts';

const due = { due: new Date(START).toISOString(), swept: true };
const run = () => received(controlReconcilerRun, {}, {});
const sweep = (overdue: Found['overdue'], circuits: Found['circuits'] = new Map()) => drive(sweeps, {}, { overdue, circuits });

test('what is overdue is woken through its owner', () => {
  const story = sweep(['agent#a1', 'gather#g1']);
  story.ring('main');
  expect(story.published).toEqual([
    { subject: `timers.due.agent-registry.agent.a1.${START}`, body: due },
    { subject: `timers.due.gather-aggregator.gather.g1.${START}`, body: due },
  ]);
});

test('an operator who asks is told how much there was', () => {
  expect(sweep(['agent#a1']).tell(run())).toMatchObject({ reply: { body: { found: 1 } } });
});

test('a kind that no function owns is told to people once', () => {
  const story = sweep(['ghost#1', 'ghost#2']);
  story.ring('main');
  story.ring('main');
  expect(story.bodies('')).toMatchObject([{ severity: 'medium', summary: expect.stringContaining('kind ghost are overdue') }]);
});

test('a full sweep goes on soon, another waits for the next minute', () => {
  const many = Array.from({ length: 1000 }, (_, n): EntityKey => `agent#a${n}`);
  const full = sweep(many);
  full.ring('main');
  const other = sweep(many.slice(1));
  other.ring('main');
  expect([full.wakeAt('main'), other.wakeAt('main')]).toEqual([START + 2000, null]);
});

const stored = (key: EntityKey, sweepAt: number) => ({
  key,
  version: 1,
  schema: 1,
  state: {},
  applied: {},
  outbox: {},
  nonce: 'n',
  sweepAt,
});

test('it looks for what was overdue when it was asked, and leaves itself out', async () => {
  const store = memoryStore();
  await store.write([[stored('agent#old', START - 1)], [stored('agent#young', START + 1)], [stored('sweep#main', START - 1)]]);
  expect(await sweeps.read?.([run()], readerOf(store))).toMatchObject({ overdue: ['agent#old'] });
});

const circuit = (state: Circuit['state'], since: number): Circuit => ({ ...newCircuit(since), state, epoch: 3, reason: 'why' });

test('what CIRCUITS may have forgotten is told again every ten minutes, what was closed meanwhile once', () => {
  const circuits = new Map([
    ['db', circuit('open', START)],
    ['ocr', circuit('closed', START + 1)],
    ['idle', newCircuit(START)],
  ]);
  const story = sweep([], circuits);
  const told = [0, 300_000, 600_000, 1_200_000].map((time) => {
    const before = story.published.length;
    story.until(START + time);
    story.ring('main');
    return story.published.slice(before).map(({ subject }) => subject);
  });
  expect(told).toEqual([[], [], ['circuit.db.open', 'circuit.ocr.closed'], ['circuit.db.open']]);
});

test('every owned entity is woken once, and nothing else', () => {
  const keys = fc.uniqueArray(fc.tuple(fc.constantFrom(...Object.keys(ownerOf)), fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)), {
    selector: ([kind, id]) => keyOf(kind, id),
  });
  fc.assert(
    fc.property(keys, (owned) => {
      const story = sweep(owned.map(([kind, id]) => keyOf(kind, id)));
      story.ring('main');
      expect(story.published.map(({ subject }) => subject)).toEqual(
        owned.map(([kind, id]) => `timers.due.${ownerOf[kind]}.${kind}.${id}.${START}`),
      );
    }),
  );
});
