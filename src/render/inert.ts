/**
 * Whole escape sequences of a terminal: CSI (colours, cursor), the strings (OSC, DCS, APC, PM, SOS)
 * up to their end or that of the line, and the short ones. What is left of a broken one is caught
 * below, character by character.
 */
const ESCAPE_SEQUENCES =
  // eslint-disable-next-line no-control-regex
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]P^_X]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]+[0-~]/gu;

/**
 * Characters that move, reorder, hide or break text: control characters except newline and tab,
 * bidirectional controls, invisible ones (tags too, in which text for models can be smuggled), line
 * separators and lone surrogates. Joiners stay: scripts and emoji need them.
 */
const UNSAFE =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/**
 * Text that does nothing but show itself, in a terminal or on a page (which still has to escape
 * HTML). Terminal sequences are left out, they hold nothing to read; what else could deceive stands
 * there as `\u{…}`. A lone carriage return, as of a progress bar, becomes a newline.
 */
export function inert(text: string): string {
  return text
    .replaceAll(ESCAPE_SEQUENCES, '')
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The same on one line. */
export function inertLine(text: string): string {
  return inert(text)
    .replaceAll(/[\n\t]+/g, ' ')
    .trim();
}
