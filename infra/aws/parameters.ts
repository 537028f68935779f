/** Looks at the parameters of a template before anything is deployed with it. */
import type { Parameter, Template } from './template.ts';

/** As CloudFormation checks: the whole value. */
const fits = ({ Type, Default = '', AllowedPattern, MinValue, MaxValue }: Parameter): boolean => {
  if (Type === 'Number') return Number(Default) >= (MinValue ?? -Infinity) && Number(Default) <= (MaxValue ?? Infinity);
  return new RegExp(`^(?:${AllowedPattern ?? '.*'})$`).test(String(Default));
};

/** A sentence for each that is missing or wrong. Values are not told: a secret may have got there. */
export const parameterMistakes = ({ Parameters = {} }: Pick<Template, 'Parameters'>): string[] =>
  Object.entries(Parameters).flatMap(([name, parameter]) => {
    if (fits(parameter)) return [];
    const param = name.charAt(0).toLowerCase() + name.slice(1);
    return [`${param} ${parameter.ConstraintDescription}: give it as --param ${param}=... or in infra/aws/stages.yml`];
  });
