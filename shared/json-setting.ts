/** A setting that is JSON in a variable of the environment, `{}` where it is not set. Pure. */
import * as z from 'zod';

/** `rule`: what is said of a text that is no JSON. */
export const jsonSetting = (rule: string) =>
  z
    .string()
    .default('{}')
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: rule });
        return z.NEVER;
      }
    });
