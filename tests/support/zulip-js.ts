import { createRequire } from 'node:module';

interface ZulipJsConfig {
  readonly realm: string;
  readonly username: string;
  readonly apiKey: string;
}

interface ZulipJsClient {
  readonly messages: {
    /** Resolves for API errors too. */
    send(params: Readonly<Record<string, string | readonly (string | number)[]>>): Promise<unknown>;
  };
  readonly users: { retrieve(params: object): Promise<unknown> };
}

/** zulip-js as the oracle of what goes over the wire; CommonJS without types. */
export async function createZulipJs(config: ZulipJsConfig): Promise<ZulipJsClient> {
  const load = createRequire(import.meta.url)('zulip-js') as (
    config: ZulipJsConfig,
  ) => Promise<ZulipJsClient>;
  // It writes into the object that it is given.
  return load({ ...config });
}
