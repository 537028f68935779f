/** The part of a CloudFormation template that is written in code, because it follows from the functions. */

/** A value that CloudFormation fills in. */
export type Intrinsic = { Ref: string } | { 'Fn::GetAtt': [resource: string, attribute: string] } | { 'Fn::Sub': string };

export type Resource = { Type: string; Properties: Record<string, unknown> };

export type Parameter = {
  Type: string;
  Default?: string | number;
  AllowedPattern?: string;
  MinValue?: number;
  MaxValue?: number;
  /** What it must be, for people. */
  ConstraintDescription?: string;
};

export type Template = { Parameters?: Record<string, Parameter>; Resources: Record<string, Resource> };

/** `dead-letters`, `failure-handler` -> `DeadLettersFailureHandler`. */
export const logicalId = (...names: string[]): string =>
  names
    .flatMap((name) => name.split('-'))
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
