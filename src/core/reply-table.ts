import type { Judgement } from './judge.ts';
export function findReplyRule(_reply: unknown, _stage: unknown): Judgement | undefined { return undefined; }
