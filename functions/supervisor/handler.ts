/** What supervisors' processes say of themselves, whose an agent says that it is, and what operators change and ask. */
import { createFunction } from '#shared/function/create-function.ts';
import { placeKind, treeKind } from '#shared/supervision/tree.ts';
import { supervisors } from './decide.ts';
import { show } from './queries.ts';

export const handler = createFunction({ name: 'supervisor', entities: [supervisors], kinds: [placeKind, treeKind], queries: [show] });
