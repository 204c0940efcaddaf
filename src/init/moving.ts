export interface MovingPlace {
  /** Whose folder it is, for a sentence. */
  readonly owner: string;
  readonly lasts: 'this shell' | 'until it is emptied' | 'until an upgrade';
}

/** Parts of paths, as these tools lay out their folders. */
const PLACES: readonly (readonly [part: string, place: MovingPlace])[] = [
  ['/_npx/', { owner: "npx's cache", lasts: 'until it is emptied' }],
  ['/fnm_multishells/', { owner: 'fnm', lasts: 'this shell' }],
  ['/fnm/node-versions/', { owner: 'fnm', lasts: 'until an upgrade' }],
  ['/.nvm/versions/', { owner: 'nvm', lasts: 'until an upgrade' }],
  ['/nvm/versions/', { owner: 'nvm', lasts: 'until an upgrade' }],
  ['/.volta/tools/', { owner: 'Volta', lasts: 'until an upgrade' }],
  ['/.asdf/installs/', { owner: 'asdf', lasts: 'until an upgrade' }],
  ['/mise/installs/', { owner: 'mise', lasts: 'until an upgrade' }],
  ['/.nodenv/versions/', { owner: 'nodenv', lasts: 'until an upgrade' }],
  ['/Cellar/', { owner: 'Homebrew', lasts: 'until an upgrade' }],
];

/** Who will move or remove a path some day, or null when nobody is known to. */
export function placeThatMoves(path: string): MovingPlace | null {
  const found = PLACES.find(([part]) => `${path}/`.includes(part));
  return found?.[1] ?? null;
}
