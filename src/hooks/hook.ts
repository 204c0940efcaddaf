import type { VerifyType } from './verify.ts';

type Scalar = string | number | boolean | null;

/** By header name or payload path: one of these values has to be there. */
export type Conditions = Readonly<Record<string, readonly Scalar[]>>;

/** One entry under `hooks` of the configuration file, checked and with its secret read. */
export interface Hook {
  readonly name: string;
  readonly verify: { readonly type: VerifyType; readonly secret: string };
  readonly headers: Conditions;
  readonly payload: Conditions;
  /** In lower case; null: anybody who can sign. */
  readonly senders: readonly string[] | null;
  /** Takes commands from people in a chat instead of starting one kind of run. */
  readonly isChat: boolean;
  /** Template of the announcement. */
  readonly message: string;
  /** Template; `''`: announce and clean up only; null: what there is to do. */
  readonly prompt: string | null;
  readonly workspace: string | null;
  /** Null: as `LOOPER_ON_BUSY` says. */
  readonly onBusy: 'replace' | 'reject' | 'queue' | null;
}

/** A request as it came, before anybody looked into its body. */
export interface HookRequest {
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type Payload = Readonly<Record<string, unknown>>;
