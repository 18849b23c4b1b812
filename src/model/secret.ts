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
  for (const secret of secrets) {
    const hidden = secret.reveal();
    if (hidden !== '') clean = clean.replaceAll(hidden, SHOWN);
  }
  return clean;
}
