/** What must hold for the announcements of a campaign's runs. */
import { setTimeout as delay } from 'node:timers/promises';
import { listBases, readRecord } from './run-files.mjs';

const DELIVER_MS = 20_000;

/**
 * Every end is told, whoever was killed while it was on its way. It is told once, or says that it
 * is a repetition; a run that was replaced is not told of, for its successor was; and nobody hears
 * that a run starts after they have heard that it ended.
 *
 * @param {string} logs
 * @param {import('./receiver.mjs').Heard[]} heard
 * @param {(sentence: string, base?: string) => void} violation
 */
export async function checkAnnounced(logs, heard, violation) {
  const runs = listBases(logs).map((base) => ({ base, record: readRecord(logs, base) }));
  const endsOf = ({ run_id }) =>
    heard.filter(({ run, event }) => run === run_id && event === 'end');
  const isOwed = ({ record }) => record.outcome !== 'replaced' && endsOf(record).length === 0;
  const deadline = performance.now() + DELIVER_MS;
  while (runs.some(isOwed) && performance.now() < deadline) await delay(20);

  for (const { base } of runs.filter(isOwed)) violation('nobody was told of its end', base);
  for (const { base, record } of runs) {
    const ends = endsOf(record);
    if (record.outcome === 'replaced' && ends.length > 0) violation('told, though replaced', base);
    if (ends.some(({ outcome }) => outcome !== record.outcome)) {
      const told = ends.map(({ outcome }) => outcome).join(', ');
      violation(`told as ${told}, it was ${record.outcome}`, base);
    }
    checkRepetitions(ends, 'end', base, violation);
    const of = heard.filter(({ run }) => run === record.run_id);
    const starts = of.filter(({ event }) => event === 'start');
    checkRepetitions(starts, 'start', base, violation);
    const firstEnd = of.findIndex(({ event }) => event === 'end');
    const lastStart = of.findLastIndex(({ event }) => event === 'start');
    if (firstEnd >= 0 && lastStart > firstEnd) violation('its start was told after its end', base);
  }
}

/** Only the first one may come without the mark. */
function checkRepetitions(messages, event, base, violation) {
  const unmarked = messages.slice(1).filter(({ isRepeated }) => !isRepeated).length;
  if (unmarked > 0) violation(`its ${event} was told again, and did not say so`, base);
}
