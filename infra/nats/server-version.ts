/** Which nats-server will do: alarms are message schedules, which came with 2.12. */
export const MIN_SERVER_VERSION = '2.12';

/** Reads `2.15.1`, `v2.15.1` and `nats-server: v2.15.1`. */
export const isSupportedVersion = (text: string): boolean => {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text) ?? [];
  const [minMajor, minMinor] = MIN_SERVER_VERSION.split('.').map(Number) as [number, number];
  return Number(major) > minMajor || (Number(major) === minMajor && Number(minor) >= minMinor);
};
