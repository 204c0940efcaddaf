/** A property list as its XML says it; throws where the XML is not well-formed or not a list. */
export function parsePlist(xml: string): unknown {
  let at = 0;
  const skip = (pattern: RegExp): string | null => {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = at;
    const found = sticky.exec(xml)?.[0] ?? null;
    at += found?.length ?? 0;
    return found;
  };
  const need = (pattern: RegExp): string => {
    const found = skip(pattern);
    if (found === null) throw new Error(`no ${pattern.source} at: ${xml.slice(at, at + 60)}`);
    return found;
  };
  const blank = (): void => void skip(/(?:\s|<!--(?:(?!--)[^])*-->)*/);

  const value = (): unknown => {
    blank();
    const [, tag, isEmpty] = /^<(\w+)(\/?)>/.exec(need(/<\w+\/?>/)) ?? [];
    if (isEmpty === '/') {
      if (tag === 'true' || tag === 'false') return tag === 'true';
      throw new Error(`<${tag}/> is no value`);
    }
    const close = new RegExp(`</${tag}>`);
    const list: unknown[] = [];
    switch (tag) {
      case 'string':
      case 'integer':
      case 'key': {
        const text = unescape(skip(/[^<]*/) ?? '');
        need(close);
        return tag === 'integer' ? Number(text) : text;
      }
      case 'array':
      case 'dict':
        for (blank(); skip(close) === null; blank()) list.push(value());
        return tag === 'array' ? list : pairs(list);
      default:
        throw new Error(`<${tag}> is no value`);
    }
  };

  need(/<\?xml version="1\.0" encoding="UTF-8"\?>\n<!DOCTYPE plist [^>]*>/);
  blank();
  need(/<plist version="1\.0">/);
  const found = value();
  blank();
  need(/<\/plist>\s*$/);
  return found;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', '#13': '\r' };

function unescape(text: string): string {
  return text.replaceAll('\r', '\n').replaceAll(/&([^;]{0,4});?/g, (_, name: string) => {
    const char = ENTITIES[name];
    if (char === undefined) throw new Error(`&${name} is no entity`);
    return char;
  });
}

function pairs(list: readonly unknown[]): Record<string, unknown> {
  if (list.length % 2 !== 0) throw new Error('a dict has a key without a value');
  const keys = list.filter((_, index) => index % 2 === 0).map(String);
  return Object.fromEntries(keys.map((key, index) => [key, list[index * 2 + 1]]));
}
