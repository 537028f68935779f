/** A binding's messages from plain subjects: at most once, shared by the bridges of a queue group. */
import type { Source } from '../ports/ports.ts';
import { type UnstoredSourceOptions, unstoredSource } from './unstored-source.ts';

export const coreSource = (options: UnstoredSourceOptions): Source => unstoredSource('core', options, () => ({}));
