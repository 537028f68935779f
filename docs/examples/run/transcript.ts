/** What an example prints: sentences, and messages as `subject body`. */

/** Longer lines are cut. */
const WIDTH = 200;

export type Transcript = {
  say(line: string): void;
  /** `>`: it is sent, `<`: it is heard. */
  show(arrow: '>' | '<', subject: string, text: string): void;
};

/** A line that comes again and again is printed once, and then how often. */
export const transcript = (print: (line: string) => void): Transcript => {
  let last = { line: '', times: 0 };
  const say = (line: string): void => {
    if (line === last.line) {
      last.times++;
      return;
    }
    if (last.times > 0) print(`    (${last.times} times more)`);
    last = { line, times: 0 };
    print(line);
  };
  return {
    say,
    show(arrow, subject, text) {
      const line = `  ${arrow} ${subject} ${text.replaceAll('\n', ' ')}`;
      say(line.length > WIDTH ? `${line.slice(0, WIDTH - 3)}...` : line);
    },
  };
};
