/**
 * The one place where a subject is spelled. A pattern is a subject with parameters in angle brackets
 * (`agent.<agent_id>.created`); a last parameter with dots (`dlq.<subject...>`) takes the rest.
 */
export type SubjectPattern = string;

type ParamNames<P extends string> = P extends `${string}<${infer Name}>${infer Rest}`
  ? (Name extends `${infer Many}...` ? Many : Name) | ParamNames<Rest>
  : never;

/** The parameters of a pattern: each one token, a last one with dots several. */
export type SubjectParams<P extends string> = string extends P ? Record<string, string> : { [N in ParamNames<P>]: string };

export declare const buildSubject: <P extends string>(pattern: P, params: SubjectParams<P>) => string;
