/** A plan takes its next step, is kept, and what it has to say is said. Pure. */
import { advance } from './advance.ts';
import { type Desk, type Held, putPlan } from './desk.ts';
import type { Plan } from './plan.ts';

export const goOn = (desk: Desk, at: Held['at'], plan: Plan): void => {
  const after = advance(plan, desk.context);
  putPlan(desk, at, after.plan);
  desk.publish.push(...after.publish);
};
