/**
 * The beginning of a JSON object that was cut inside a string, closed there, so that a command whose
 * output filled a whole line can still be read. Null where the cut is elsewhere, or there is none.
 */
export function closeCutObject(text: string): string | null {
  if (!text.startsWith('{')) return null;
  const closers: string[] = [];
  let inString = false;
  let end = 0;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (inString && char === '\\') {
      i += text[i + 1] === 'u' ? 5 : 1;
      // Half an escape goes too.
      if (i >= text.length) break;
    } else if (char === '"') inString = !inString;
    else if (!inString && char === '{') closers.unshift('}');
    else if (!inString && char === '[') closers.unshift(']');
    else if (!inString && (char === '}' || char === ']')) closers.shift();
    end = i + 1;
  }
  return inString ? `${text.slice(0, end)}"${closers.join('')}` : null;
}
