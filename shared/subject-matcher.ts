/** Many patterns at once: which of them a subject is, and why it is none. */
import { isToken, MAX_LENGTH, matchesFilter, paramNames, type SubjectPattern, segmentsOf, toFilter } from './subjects.ts';

type Node<P> = { literals: Map<string, Node<P>>; param?: Node<P>; many?: P; end?: P };

/** Finds the pattern of a subject; where several match, the one with the earliest literal token (`health.check.all`). */
export const subjectMatcher = <P extends string>(patterns: readonly P[]): ((subject: string) => P | undefined) => {
  const root: Node<P> = { literals: new Map() };
  for (const pattern of patterns) {
    let node = root;
    let many = false;
    for (const segment of segmentsOf(pattern)) {
      if ('param' in segment && segment.many) many = true;
      else if ('param' in segment) node = node.param ??= { literals: new Map() };
      else {
        const next: Node<P> = node.literals.get(segment.literal) ?? { literals: new Map() };
        node.literals.set(segment.literal, next);
        node = next;
      }
    }
    if (many) node.many = pattern;
    else node.end = pattern;
  }
  return (subject) => find(root, subject, 0);
};

const find = <P>(node: Node<P>, subject: string, start: number): P | undefined => {
  if (start > subject.length) return subject.length <= MAX_LENGTH ? node.end : undefined;
  const dot = subject.indexOf('.', start);
  const end = dot === -1 ? subject.length : dot;
  const token = subject.slice(start, end);
  const literal = node.literals.get(token);
  return (
    (literal && find(literal, subject, end + 1)) ??
    (node.param && isToken(token) ? find(node.param, subject, end + 1) : undefined) ??
    (start < subject.length ? node.many : undefined)
  );
};

/** Why no pattern takes a subject. `bad_subject`: one would, but for the token that the sentence names. */
export const subjectProblem = (
  patterns: readonly SubjectPattern[],
  subject: string,
): { code: 'bad_subject' | 'unrouted'; message: string } => {
  for (const pattern of patterns) {
    for (const [name, value] of looseParams(pattern, subject)) {
      if (isToken(value)) continue;
      const message = `${name} ${JSON.stringify(value)} in the subject of ${pattern} is not one token: use letters, digits, _ and - only`;
      return { code: 'bad_subject', message };
    }
    if (subject.length > MAX_LENGTH && matchesFilter(toFilter(pattern), subject)) {
      const message = `subject of ${pattern} has ${subject.length} characters: keep it under 255 with shorter ids`;
      return { code: 'bad_subject', message };
    }
  }
  return { code: 'unrouted', message: `${subject} is no subject of this protocol: check its spelling against docs/wire.md` };
};

/** Parameters as they may have been meant: the only one of a pattern may have dots in it. */
const looseParams = (pattern: SubjectPattern, subject: string): [string, string][] => {
  const segments = segmentsOf(pattern);
  const names = paramNames(pattern);
  const [before = '', after = ''] = pattern.split(/<[^>]*>/);
  const room = subject.length - before.length - after.length;
  if (names.length === 1 && room > 0 && before.split('.').length > 1 && subject.startsWith(before) && subject.endsWith(after))
    return [[names[0] as string, subject.slice(before.length, before.length + room)]];
  if (!matchesFilter(toFilter(pattern), subject)) return [];
  const tokens = subject.split('.');
  return segments.flatMap((segment, n): [string, string][] => ('param' in segment ? [[segment.param, tokens[n] as string]] : []));
};
