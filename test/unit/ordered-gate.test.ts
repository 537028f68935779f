/** A hand-over of an ordered binding, in virtual time: what the owner before left unsettled comes first (bridge rule 9). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '#infra/bridge/ports/ports.ts';
import { orderedGate } from '#infra/bridge/sources/ordered-gate.ts';
import { sleep } from '#shared/clock.ts';
import { virtualTime } from '#test/sim/virtual-time.ts';

const ACK_WAIT = 10_000;

/** A gate before a sink, after an owner that left the sequences `left` unsettled and was given all up to `delivered`. */
const setup = (left: number[], delivered: number, room = 1000) => {
  const time = virtualTime(0);
  /** Delivered to anybody and not settled. */
  const out = new Set(left);
  const passed: number[] = [];
  const said: string[] = [];
  const sentences: string[] = [];
  let newest = delivered;
  let away = false;
  let slowMs = 0;
  let leader = 'n0';
  const sink = {
    deliver: ({ record }: Delivery) => void passed.push(record.sequence),
    room: () => room,
    roomed: () => new Promise<void>(() => {}),
  };
  const read = async () => {
    if (away) throw new Error('no answer');
    if (slowMs > 0) await sleep(time.clock(), slowMs);
    return { outstanding: out.size, delivered: newest, leader };
  };
  const log = (sentence: string) => void sentences.push(sentence);
  const moved = () => log('moved');
  let sure = true;
  const owned = () => sure;
  const gate = orderedGate({ clock: time.clock(), ackWait: ACK_WAIT, read, owned, moved, log }, sink);
  const hold = () => {
    gate.shut();
    gate.expect();
  };
  const arrive = (...sequences: number[]) => {
    for (const sequence of sequences) {
      out.add(sequence);
      newest = Math.max(newest, sequence);
      const say = (verb: string) => () => void said.push(`${verb} ${sequence}`);
      const record = { sequence } as Delivery['record'];
      gate.deliver({ record, bytes: 1, receivedAt: time.now(), ack: say('ack'), nak: say('nak'), working: say('working') });
    }
  };
  const settleByOther = (sequence: number) => out.delete(sequence);
  const setAway = (value: boolean) => {
    away = value;
  };
  const setSlow = (ms: number) => {
    slowMs = ms;
  };
  const elect = (name: string) => {
    leader = name;
  };
  const setOwned = (value: boolean) => {
    sure = value;
  };
  return { time, gate, hold, arrive, passed, said, sentences, settleByOther, setAway, setSlow, elect, setOwned };
};

describe('an ordered gate', () => {
  it('is open before it is shut, and when nothing was left', async () => {
    const { time, hold, arrive, passed, settleByOther } = setup([], 5);
    arrive(6);
    settleByOther(6);
    hold();
    await time.advance(0);
    arrive(8, 7);
    expect(passed).toEqual([6, 8, 7]);
  });

  it('holds new ones back until the last that was left has come, and passes all on by sequence', async () => {
    const { time, hold, arrive, passed } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(7, 5, 8);
    expect(passed).toEqual([]);
    arrive(3);
    expect(passed).toEqual([3, 5, 7, 8]);
  });

  it('counts what comes twice once', async () => {
    const { time, hold, arrive, passed } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(5, 5, 5);
    expect(passed).toEqual([]);
    arrive(3);
    expect(passed).toEqual([3, 5]);
  });

  it('does not wait for what the owner before settled after all', async () => {
    const { time, hold, arrive, passed, settleByOther } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(5, 7);
    settleByOther(3);
    await time.advance(600);
    expect(passed).toEqual([5, 7]);
  });

  it('gives up after an ack wait, and says so', async () => {
    const { time, hold, arrive, passed, sentences } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(5);
    await time.advance(ACK_WAIT);
    expect(passed).toEqual([]);
    await time.advance(2500);
    expect(passed).toEqual([5]);
    expect(sentences).toEqual(['messages of an earlier owner that have not come back: 1; later ones do not wait for them any longer']);
  });

  it('gives up no sooner where the server did not answer meanwhile: from such a one nothing comes back', async () => {
    const { time, hold, arrive, passed, setAway } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(7, 5);
    await time.advance(ACK_WAIT);
    setAway(true);
    await time.advance(ACK_WAIT);
    setAway(false);
    await time.advance(ACK_WAIT);
    expect(passed).toEqual([]);
    arrive(3);
    expect(passed).toEqual([3, 5, 7]);
  });

  it('gives up no sooner where the server was frozen meanwhile, though it answers in the end', async () => {
    const { time, hold, arrive, passed, setSlow } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(7, 5);
    await time.advance(ACK_WAIT);
    setSlow(4000);
    await time.advance(4000);
    setSlow(0);
    await time.advance(ACK_WAIT);
    expect(passed).toEqual([]);
    arrive(3);
    expect(passed).toEqual([3, 5, 7]);
  });

  it('gives up no sooner where nothing was pulled: while the consumer is set up nothing comes', async () => {
    const { time, gate, arrive, passed } = setup([3], 6);
    gate.shut();
    arrive(7);
    await time.advance(2 * ACK_WAIT);
    expect([passed, gate.room()]).toEqual([[], 0]);
    gate.expect();
    await time.advance(ACK_WAIT);
    arrive(3);
    expect(passed).toEqual([3, 7]);
  });

  it('tells when the consumer has another leader, and passes nothing on until it is pulled from anew', async () => {
    const { time, hold, arrive, passed, sentences, elect } = setup([3], 6);
    hold();
    await time.advance(0);
    arrive(7);
    elect('n1');
    await time.advance(2 * ACK_WAIT);
    expect([passed, sentences]).toEqual([[], ['moved']]);
    hold();
    await time.advance(0);
    arrive(7, 3);
    expect(passed).toEqual([3, 7]);
  });

  it('holds back while another may own the binding, and passes on by sequence once that is sure', async () => {
    const { time, gate, arrive, passed, setOwned } = setup([], 0);
    arrive(1);
    setOwned(false);
    arrive(3);
    await time.advance(2 * ACK_WAIT);
    arrive(1, 2);
    expect([passed, gate.room()]).toEqual([[1], 0]);
    setOwned(true);
    await time.advance(500);
    expect(passed).toEqual([1, 1, 2, 3]);
  });

  it('keeps what it holds: the server hears of it more often than it would deliver again', async () => {
    const { time, hold, arrive, said } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(5);
    await time.advance(ACK_WAIT);
    arrive(3);
    expect(said.filter((word) => word === 'working 5').length).toBeGreaterThanOrEqual(4);
    expect(said.at(-1)).toBe('working 5');
    const spoken = said.length;
    await time.advance(ACK_WAIT);
    expect(said).toHaveLength(spoken);
  });

  it('asks for nothing before it knows what is out, for one message where new ones come, for more where old ones do', async () => {
    const { time, gate, hold, arrive } = setup([1, 2, 3, 4, 5, 6, 7, 8], 9);
    const rooms: number[] = [];
    const look = () => rooms.push(gate.room());
    hold();
    look();
    await time.advance(0);
    look();
    arrive(10);
    look();
    await time.advance(100);
    look();
    for (const sequence of [1, 2, 3]) {
      arrive(sequence);
      look();
    }
    arrive(4, 5, 6, 7, 8);
    look();
    expect(rooms).toEqual([0, 1, 0, 1, 3, 6, 5, 1000]);
  });

  it('says when there is room again', async () => {
    const { time, gate, hold } = setup([1], 1);
    hold();
    let roomed = false;
    void gate.roomed().then(() => {
      roomed = true;
    });
    await time.advance(0);
    expect(roomed).toBe(true);
  });

  it('waits for a server that does not answer', async () => {
    const { time, gate, hold, arrive, passed, setAway } = setup([3], 3);
    setAway(true);
    hold();
    await time.advance(2 * ACK_WAIT);
    arrive(4);
    expect([passed, gate.room()]).toEqual([[], 0]);
    setAway(false);
    await time.advance(500);
    arrive(3);
    expect(passed).toEqual([3, 4]);
  });

  it('gives back what it holds when it is stopped, and what comes later', async () => {
    const { time, gate, hold, arrive, passed, said } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(7, 5);
    gate.stop();
    arrive(8);
    expect([passed, said]).toEqual([[], ['nak 5', 'nak 7', 'nak 8']]);
  });

  it('forgets what it held when it is shut again: after a reconnect all of it comes again', async () => {
    const { time, hold, arrive, passed } = setup([3, 5], 6);
    hold();
    await time.advance(0);
    arrive(5);
    hold();
    await time.advance(0);
    arrive(3);
    expect(passed).toEqual([]);
    arrive(5);
    expect(passed).toEqual([3, 5]);
  });

  it('passes everything on, once and in order, whatever comes when', async () => {
    const step = fc.record({ sequence: fc.integer({ min: 1, max: 20 }), at: fc.integer({ min: 0, max: ACK_WAIT }), settled: fc.boolean() });
    const steps = fc.uniqueArray(step, { selector: ({ sequence }) => sequence });
    const later = fc.array(fc.integer({ min: 0, max: ACK_WAIT }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(steps, later, async (left, news) => {
        const { time, hold, arrive, passed, settleByOther } = setup(
          left.map(({ sequence }) => sequence),
          20,
        );
        hold();
        for (const { sequence, at, settled } of left) time.at(at, () => (settled ? void settleByOther(sequence) : arrive(sequence)));
        for (const [n, at] of news.toSorted((a, b) => a - b).entries()) time.at(at, () => arrive(21 + n));
        await time.advance(2 * ACK_WAIT);
        const wanted = [...left.filter(({ settled }) => !settled).map(({ sequence }) => sequence), ...news.map((_, n) => 21 + n)];
        expect(passed).toEqual(wanted.toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });
});
