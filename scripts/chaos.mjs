/** The crash campaign as one command: sets up and builds where needed, then runs it. */
import { setUp } from './setup.mjs';

try {
  setUp();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
await import('../tests/chaos/campaign.mjs');
