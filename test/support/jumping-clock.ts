/**
 * `node --import` of this lets the time of day jump, as an administrator or a virtual machine that wakes up does it: every
 * CLOCK_EVERY_MS it is another of the hours in CLOCK_HOURS (divided by commas) ahead. Timers run on as they do.
 */
const every = Number(process.env.CLOCK_EVERY_MS);
const hours = (process.env.CLOCK_HOURS ?? '0').split(',').map(Number);
const now = Date.now;
const begun = performance.now();

const jumped = (): number => {
  const turn = Math.floor((performance.now() - begun) / every) % hours.length;
  return now() + (hours[turn] ?? 0) * 3_600_000;
};

globalThis.Date = new Proxy(Date, {
  construct: (date, args, target) => Reflect.construct(date, args.length === 0 ? [jumped()] : args, target),
  get: (date, name) => (name === 'now' ? jumped : Reflect.get(date, name)),
});

export {};
