const SHOWN = '<secret>';

/** A text that is shown to nobody: not in logs, not in errors, not as JSON. Whoever needs it says so by `reveal`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN;
  }
}

/** A text of somebody else, such as a server's answer, without any of the secrets in it. */
export function withoutSecrets(text: string, secrets: readonly Secret[]): string {
  let clean = text;
  // The longest first: one may be a part of another.
  const parts = secrets.flatMap((secret) => partsOf(secret.reveal())).sort((a, b) => b.length - a.length);
  for (const part of parts) clean = clean.replaceAll(part, SHOWN);
  return clean;
}

/** As headers and mail servers have it. */
export function base64Of(text: string): string {
  let bytes = '';
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return btoa(bytes);
}

/** Shorter ones are words of others, too. */
const LEAST_PART = 4;

/** Of an address what stands behind the host is as good as the whole: servers repeat the path. */
function partsOf(text: string): readonly string[] {
  if (text === '') return [];
  const base64 = base64Of(text);
  const coded = [encodeURIComponent(text), JSON.stringify(text).slice(1, -1), base64, base64.replace(/=+$/, '')];
  if (!URL.canParse(text)) return [text, ...coded.filter((part) => part.length >= LEAST_PART)];
  const { pathname, search } = new URL(text);
  return [text, ...coded, `${pathname}${search}`, pathname, search, pathname.slice(1), search.slice(1)].filter(
    (part) => part.length >= LEAST_PART,
  );
}
